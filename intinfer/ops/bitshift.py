"""Bitshift merge of two branches: (a + b) >> 1 for k > 1 (floor), a OR b for k = 1 (MDGNet, MOGNET)."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import GraphError
from ..graph import Shape, Value
from ..types import IntArray, IntType
from .base import Elementwise, Example, Free, Monotone, need_same_shape


@dataclass(frozen=True, eq=False)
class Bitshift(Monotone, Elementwise, Free):
    """Mean of two k-bit levels, rounded down; for one bit the OR.

    Attributes:
        bits: k, 1..32; both inputs lie in 0..2^k - 1.

    Result:
        the shape of the inputs, from the merge of their lo to the merge of their hi (k = 1: the greater lo and hi).
    """

    kind = "bitshift"
    since = 1
    arity = 2
    bits: int

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse inputs of different shapes and inputs that are not levels of `bits` bits."""
        a, b = inputs
        shape = need_same_shape(a, b)
        if not 1 <= self.bits <= 32:
            raise GraphError(f"bits {self.bits} must lie in 1..32")
        for value in inputs:
            if not IntType.unsigned(self.bits).contains(value.type):
                raise GraphError(f"{value.name!r} holds {value.type}, not {self.bits}-bit levels")
        if self.bits == 1:
            return shape, IntType(max(a.type.lo, b.type.lo), max(a.type.hi, b.type.hi))
        return shape, IntType((a.type.lo + b.type.lo) >> 1, (a.type.hi + b.type.hi) >> 1)

    def reference(self, *inputs: IntArray) -> IntArray:
        """Halve the sum, rounded down; of single bits take the OR."""
        a, b = inputs
        return a | b if self.bits == 1 else (a + b) >> 1

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(3), (((2, 4, 5), IntType(0, 7)), ((2, 4, 5), IntType(0, 4)))

"""Fully connected layer: acc[o] = sum over c of w[o, c] * a[c]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..accumulator import Accumulator
from ..errors import GraphError
from ..graph import Shape, Value
from ..tensor import IntTensor
from ..types import IntArray, IntType
from .base import Op, OpCost
from .mac import sum_range, weighted_sums


@dataclass(frozen=True, eq=False)
class Dense(Op):
    """Matrix times vector.

    Attributes:
        weight: (O, C).
        accumulator: width and overflow rule; for a vector the orders CKK and KKC are the same.
    """

    kind: ClassVar[str] = "dense"
    weight: IntTensor
    accumulator: Accumulator

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        (x,) = inputs
        if len(x.shape) != 1:
            raise GraphError(f"needs a (C,) input, {x.name!r} has shape {x.shape}; flatten it first")
        if len(self.weight.shape) != 2 or 0 in self.weight.shape or self.weight.shape[1] != x.shape[0]:
            raise GraphError(f"weight has shape {self.weight.shape}, (O, {x.shape[0]}) is needed")
        return (self.weight.shape[0],), self.accumulator.infer(sum_range(self.weight.values, x.type))

    def reference(self, *inputs: IntArray) -> IntArray:
        (x,) = inputs
        sums = weighted_sums(x[:, None, None, :], self.weight.values[None], self.accumulator)
        return sums[:, :, 0]

    def cost(self, inputs: tuple[Value, ...], output: Value) -> OpCost:
        macs = self.weight.values.size
        bops = macs * self.weight.encoding.bits * inputs[0].type.bits
        return OpCost(macs, macs, self.weight.stored_bits, bops)

"""Weighted addition of tensors: out = sum_i m_i * x_i with integer multipliers (residual adds of ratio p : q)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..types import LIMIT, IntArray, IntType
from .base import Elementwise, Example, Free, need_same_shape
from .linear import Box, PixelwiseLinear, Pulled


@dataclass(frozen=True, eq=False)
class Add(PixelwiseLinear, Elementwise, Free):
    """Elementwise sum of two or more tensors of one shape.

    Attributes:
        multipliers: one integer an input, none of them 0.

    Result:
        the shape of the inputs, from the sum of the least to the sum of the greatest m_i * x_i.
    """

    kind = "add"
    since = 1
    arity = None
    multipliers: tuple[int, ...]

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse inputs of different shapes, other than one multiplier an input, and sums that may leave ±2^62."""
        if len(inputs) < 2 or len(self.multipliers) != len(inputs) or 0 in self.multipliers:
            raise GraphError(f"{len(inputs)} inputs need as many non-zero multipliers, at least 2: {self.multipliers}")
        shape = need_same_shape(*inputs)
        ends = [sorted((m * x.type.lo, m * x.type.hi)) for m, x in zip(self.multipliers, inputs, strict=True)]
        if max(map(abs, self.multipliers)) > LIMIT or sum(max(abs(lo), abs(hi)) for lo, hi in ends) > LIMIT:
            raise GraphError(f"the sum with multipliers {self.multipliers} may leave ±2^62")
        return shape, IntType(sum(lo for lo, _ in ends), sum(hi for _, hi in ends))

    def reference(self, *inputs: IntArray) -> IntArray:
        """Add up the products in int64."""
        total = np.zeros(inputs[0].shape, dtype=np.int64)
        for multiplier, x in zip(self.multipliers, inputs, strict=True):
            total += multiplier * x
        return total

    def pull_back(self, inputs: Sequence[Value], box: Box) -> Pulled:
        """Scale the coefficients by each input's multiplier."""
        return 0, [box.on(box.coefficients * np.int64(multiplier)) for multiplier in self.multipliers]

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls((1, -2)), (((2, 4, 5), IntType(0, 7)), ((2, 4, 5), IntType(0, 7)))

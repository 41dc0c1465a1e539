"""Absolute value: out = z where z >= 0, otherwise -z."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..graph import Shape, Value
from ..types import IntArray, IntType, Range
from .base import Elementwise, Example, Free, Nonlinear


@dataclass(frozen=True, eq=False)
class Abs(Nonlinear, Elementwise, Free):
    """Distance from 0, of a map or a vector.

    Result:
        the shape of the input, from the least to the greatest |z| of the input's range.
    """

    kind = "abs"
    since = 2

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Take any input; the range is that of |z|."""
        (x,) = inputs
        lo, hi = x.type.lo, x.type.hi
        return x.shape, IntType(max(lo, -hi, 0), max(-lo, hi))

    def reference(self, *inputs: IntArray) -> IntArray:
        """Compute |z|."""
        (z,) = inputs
        return np.abs(z)

    def channel_range(self, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
        """Not monotone: where a range holds 0, 0 is the least."""
        lo, hi = ranges[0]
        return np.maximum(np.maximum(lo, -hi), 0), np.maximum(-lo, hi)

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(), (((2, 4, 5), IntType(-4, 3)),)

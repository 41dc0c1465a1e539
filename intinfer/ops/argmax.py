"""Argmax over channels; the lowest index wins ties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..graph import Shape, Value
from ..types import IntArray, IntType, Range
from .base import Example, Free, Nonlinear, ReadsAll


@dataclass(frozen=True, eq=False)
class ArgMax(Nonlinear, ReadsAll, Free):
    """(C,) -> (1,) and (C, H, W) -> (1, H, W), values 0..C - 1.

    Result:
        (1, H, W) or (1,), 0 .. C - 1.
    """

    kind = "argmax"
    since = 1

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Take any input; the indices of its channels come out."""
        (x,) = inputs
        return (1, *x.shape[1:]), IntType(0, x.shape[0] - 1)

    def reference(self, *inputs: IntArray) -> IntArray:
        """Find the first channel of the largest value."""
        (x,) = inputs
        winner: IntArray = np.argmax(x, axis=1, keepdims=True).astype(np.int64)
        return winner

    def channel_range(self, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
        """A channel can win only if it reaches the best that another one is sure of."""
        lo, hi = ranges[0]
        winners = np.flatnonzero(hi >= lo.max())
        return winners[:1], winners[-1:]

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(), (((2, 4, 5), IntType(0, 7)),)

"""Channel multiplexer: out_c = S_c ? I1_c : I0_c."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..types import IntArray, IntType, Mask, Range
from .base import Example, Free, Nonlinear, Selecting, need_map, need_same_shape


@dataclass(frozen=True, eq=False)
class Mux(Nonlinear, Selecting, Free):
    """Inputs: select bits S (C,), then I1 and I0 (C, H, W).

    Result:
        the shape of I1 and I0, the smallest range that holds both of theirs.
    """

    kind = "mux"
    since = 1
    arity = 3
    parts = ("S", "I1", "I0")

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse branches of different shapes, and select bits that are not one a channel."""
        select, if_one, if_zero = inputs
        channels, _, _ = need_map(if_one)
        shape = need_same_shape(if_one, if_zero)
        if select.shape != (channels,) or not IntType(0, 1).contains(select.type):
            raise GraphError(
                f"select {select.name!r} must be ({channels},) of 0 and 1, it is {select.shape} of {select.type}"
            )
        return shape, if_one.type.union(if_zero.type)

    def reference(self, *inputs: IntArray) -> IntArray:
        """Choose by the bit of each channel."""
        select, if_one, if_zero = inputs
        return np.where(select[:, :, None, None] == 1, if_one, if_zero)

    def channel_range(self, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
        """Both branches, unless the select bit is known."""
        (never, always), (lo1, hi1), (lo0, hi0) = (ranges[0][1] == 0, ranges[0][0] == 1), ranges[1], ranges[2]
        lo = np.where(always, lo1, np.where(never, lo0, np.minimum(lo1, lo0)))
        return lo, np.where(always, hi1, np.where(never, hi0, np.maximum(hi1, hi0)))

    def demand(self, inputs: Sequence[Value], out: Mask, select: Mask | None = None) -> tuple[Mask, ...]:
        """Ask each branch for the channels that are selected from it; all, where the select bits are not known."""
        return (out, out, out) if select is None else (out, out & select, out & ~select)

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(), (((2,), IntType(0, 1)), ((2, 4, 5), IntType(0, 7)), ((2, 4, 5), IntType(-1, 1)))

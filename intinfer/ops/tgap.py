"""Thresholded global average pool: S_c = [2 * sum a_c > N * h * w], strict: equality gives 0 (MDGNet, MOGNET)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..types import LIMIT, IntArray, IntType
from .base import Channelwise, Example, Free, Monotone, need_map


@dataclass(frozen=True, eq=False)
class Tgap(Monotone, Channelwise, Free):
    """One select bit a channel: is the mean of its levels above half of the top level?

    Attributes:
        top: N = 2^k - 1, the top level; the input lies in 0..N.

    Result:
        (C,), 0..1.
    """

    kind = "tgap"
    since = 1
    top: int

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse vectors, inputs that are not levels 0..top, and sums whose double may leave ±2^62."""
        (x,) = inputs
        channels, height, width = need_map(x)
        if self.top < 1 or not IntType(0, self.top).contains(x.type):
            raise GraphError(f"{x.name!r} holds {x.type}, not levels 0..{self.top}")
        if 2 * height * width * x.type.hi > LIMIT:
            raise GraphError(f"twice the sum of {height * width} levels {x.type} may leave ±2^62")
        return (channels,), IntType(0, 1)

    def reference(self, *inputs: IntArray) -> IntArray:
        """Compare twice the sum of each channel with top times its pixels."""
        (x,) = inputs
        pixels = x.shape[2] * x.shape[3]
        select: IntArray = (2 * x.sum(axis=(2, 3)) > self.top * pixels).astype(np.int64)
        return select

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(7), (((2, 4, 5), IntType(0, 7)),)

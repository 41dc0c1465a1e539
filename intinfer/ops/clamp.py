"""Clamp: out = min(max(z, lo), hi)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..types import IntArray, IntType
from .base import Elementwise, Example, Free, Monotone


@dataclass(frozen=True, eq=False)
class Clamp(Monotone, Elementwise, Free):
    """Saturate to lo..hi.

    Attributes:
        lo, hi: both included, lo at most hi.

    Result:
        the shape of the input, its ends clamped.
    """

    kind = "clamp"
    since = 1
    lo: int
    hi: int

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse lo above hi; the ends of the input are clamped as its values are."""
        (x,) = inputs
        if self.lo > self.hi:
            raise GraphError(f"lo {self.lo} exceeds hi {self.hi}")
        return x.shape, IntType(*(min(max(end, self.lo), self.hi) for end in (x.type.lo, x.type.hi)))

    def reference(self, *inputs: IntArray) -> IntArray:
        """Clamp each value."""
        (z,) = inputs
        return np.clip(z, self.lo, self.hi)

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(-4, 3), (((2, 4, 5), IntType(0, 7)),)

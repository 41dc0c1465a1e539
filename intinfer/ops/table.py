"""Per-channel lookup: out = table[c, z - start]. Any function of at most 4,096 values (an input quantiser, say)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..tensor import IntTensor
from ..types import IntArray, IntType, Range
from .base import Elementwise, Example, Free, Nonlinear, Op

MAX_ENTRIES = 4096


@dataclass(frozen=True, eq=False)
class Table(Nonlinear, Elementwise, Free):
    """Replace each value by the entry of its channel.

    Attributes:
        entries: (C, size) or (1, size) for all channels alike; entry 0 belongs to the value `start`; together
            they cover the input's type exactly, with at most 4,096 entries a channel.
        start: the input's lowest value.
        lo, hi: the declared range of the result; every entry lies inside. A quantiser's code is wider than its
            entries when some levels are never reached, and padding may still need them.

    Result:
        the shape of the input, lo..hi.
    """

    kind = "table"
    since = 1
    entries: IntTensor
    start: int
    lo: int
    hi: int

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse entries that do not cover the input's type exactly, or leave the declared range."""
        (x,) = inputs
        size = x.type.hi - x.type.lo + 1
        if size > MAX_ENTRIES:
            raise GraphError(f"input {x.type} has {size} values, a table holds at most {MAX_ENTRIES}")
        if self.start != x.type.lo or self.entries.shape not in ((1, size), (x.shape[0], size)):
            raise GraphError(
                f"entries {self.entries.shape} from {self.start} do not cover {x.type}: "
                f"({x.shape[0]}, {size}) or (1, {size}) from {x.type.lo} are needed"
            )
        lowest, highest = int(self.entries.values.min()), int(self.entries.values.max())
        if lowest < self.lo or highest > self.hi:
            raise GraphError(f"entries {lowest}..{highest} leave the declared range {self.lo}..{self.hi}")
        return x.shape, IntType(self.lo, self.hi)

    def reference(self, *inputs: IntArray) -> IntArray:
        """Look each value up in the row of its channel."""
        (z,) = inputs
        rows = np.broadcast_to(self.entries.values, (z.shape[1], self.entries.shape[1]))
        channel = np.arange(z.shape[1]).reshape((1, -1) + (1,) * (z.ndim - 2))
        return rows[channel, z - self.start]

    def channel_range(self, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
        """The entries that the range reaches."""
        lo, hi = ranges[0]
        rows = np.broadcast_to(self.entries.values, (len(lo), self.entries.shape[1]))
        reached = [row[a : b + 1] for row, a, b in zip(rows, lo - self.start, hi - self.start, strict=True)]
        return np.array([part.min() for part in reached]), np.array([part.max() for part in reached])

    def adapted(self, x: Value, before: IntType) -> Op:
        """Leave out the entries that are no longer reached."""
        if not before.contains(x.type):
            raise GraphError(f"its input may become {x.type} and it has entries for {before}")
        entries: IntArray = self.entries.values[:, x.type.lo - before.lo : x.type.hi - before.lo + 1]
        return replace(self, entries=IntTensor(entries, self.entries.encoding), start=x.type.lo)

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(IntTensor([[0, 0, 1, 1, 1, 2, 2, 3]]), 0, 0, 3), (((2, 4, 5), IntType(0, 7)),)

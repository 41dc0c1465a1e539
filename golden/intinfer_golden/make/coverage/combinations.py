"""Bins of ops that combine elements at one place: numbers that the inputs hold together, or one of them alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np

from intinfer.graph import Node, Value
from intinfer.types import IntArray

from .group import Axis, Bools, Covergroup, Intervals, Values

MAX_PAIRS = 256
"""Combinations of codes of which each has a bin of its own."""


class Combinations(Covergroup):
    """Bins: at one element of a channel the inputs hold given numbers together; without channels, anywhere.

    Attributes:
        names: the inputs.
        numbers: (bins of a channel, inputs).
        by_channel: whether every channel has all of them.
    """

    def __init__(
        self, node: Node, kind: str, sentence: str, names: Sequence[str], numbers: IntArray, channels: int | None
    ) -> None:
        self.names, self.numbers, self.by_channel = tuple(names), numbers, channels is not None
        axis = Axis("numbers", tuple(", ".join(map(str, row)) for row in numbers.tolist()))
        super().__init__(
            node.name, kind, sentence, (Axis("channel", channels), axis) if channels else (axis,), self._seen
        )
        index = [self.names.index(name) for name in names]  # one value read twice holds the same number on both sides
        differ = (numbers != numbers[:, index]).any(axis=1)
        self.exclude(np.tile(differ, channels or 1), "the inputs are one and the same value")

    def _seen(self, values: Values) -> Bools:
        seen = self.hit.reshape(-1, len(self.numbers)).copy()  # what is hit stays hit: the others are looked at
        arrays = [values[name] for name in self.names]
        for i in np.flatnonzero((~seen).any(axis=0)).tolist():
            pairs = zip(arrays, self.numbers[i], strict=True)
            same = np.logical_and.reduce([array == number for array, number in pairs])
            seen[:, i] |= same.any(axis=(0, *range(2, same.ndim))) if self.by_channel else same.any()
        return seen.reshape(-1)


def ends(values: Sequence[Value]) -> IntArray:
    """Every combination of the ends of the values' types, (combinations, values)."""
    both = [sorted({v.type.lo, v.type.hi}) for v in values]
    return np.array(list(product(*both)), dtype=np.int64)


def points_of(node: Node, x: Value, kind: str, sentence: str, points: Iterable[int]) -> Covergroup:
    """Bins of the numbers of `x` at which every channel of an elementwise op is looked at, those of its type."""
    points = sorted({z for z in points if x.type.lo <= z <= x.type.hi})
    channels = node.output.shape[0]
    axes = (Axis("channel", channels), Axis("z", tuple(f"z = {z}" for z in points)))
    return Intervals(
        node.name, kind, sentence, axes, value=x.name, lo=np.tile(np.array(points, dtype=np.int64), channels)
    )


def around_zero(node: Node, x: Value, kind: str) -> Covergroup:
    """Bins of every channel at the ends of `x`, beside them and around 0."""
    lo, hi = x.type.lo, x.type.hi
    return points_of(node, x, kind, "z at both ends, beside them and around 0", (lo, lo + 1, -1, 0, 1, hi - 1, hi))

"""Bins of ops that combine elements at one place: numbers that the inputs hold together, or one of them alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np

from intinfer.graph import Node, Value
from intinfer.types import IntArray

from .group import Axis, Bools, Covergroup, Values, grid, intervals

MAX_PAIRS = 256
"""Combinations of codes of which each has a bin of its own."""


class Combinations(Covergroup):
    """Bins: at one element of a channel the inputs hold given numbers together.

    `names` are the inputs, `numbers` (bins, inputs); with `by_channel` every channel has all of them.
    """

    names: tuple[str, ...]
    numbers: IntArray
    by_channel: bool


def combinations(
    node: Node, kind: str, sentence: str, names: Sequence[str], numbers: IntArray, channels: int | None
) -> Combinations:
    """Bins of combined numbers; of each channel when `channels` is given, otherwise anywhere."""
    words = tuple(", ".join(map(str, row)) for row in numbers.tolist())
    axes = (Axis("channel"), Axis("numbers", words)) if channels else (Axis("numbers", words),)
    coordinates = grid(channels, len(numbers)) if channels else grid(len(numbers))

    def see(values: Values) -> Bools:
        seen = group.hit.reshape(channels or 1, len(numbers)).copy()  # what is hit stays hit: the others are looked at
        arrays = [values[name] for name in names]
        for i in np.flatnonzero((~seen).any(axis=0)).tolist():
            same = np.logical_and.reduce([array == number for array, number in zip(arrays, numbers[i], strict=True)])
            seen[:, i] |= same.any(axis=(0, *range(2, same.ndim))) if channels else same.any()
        return seen.reshape(-1)

    group = Combinations(node.name, kind, sentence, axes, coordinates, see)
    group.names, group.numbers, group.by_channel = tuple(names), numbers, channels is not None
    if len(set(names)) < len(names):  # one value read twice holds the same number on both sides
        differ = np.array(
            [
                any(a != b for n, a in zip(names, row, strict=True) for m, b in zip(names, row, strict=True) if n == m)
                for row in numbers.tolist()
            ]
        )
        group.exclude(np.tile(differ, channels or 1), "the inputs are one and the same value")
    return group


def ends(values: Sequence[Value]) -> IntArray:
    """Every combination of the ends of the values' types, (combinations, values)."""
    both = [sorted({v.type.lo, v.type.hi}) for v in values]
    return np.array(list(product(*both)), dtype=np.int64)


def points_of(node: Node, x: Value, kind: str, sentence: str, points: Iterable[int]) -> Covergroup:
    """Bins of the numbers of `x` at which every channel of an elementwise op is looked at, those of its type."""
    type_ = x.type
    points = sorted({z for z in points if type_.lo <= z <= type_.hi})
    channels = node.output.shape[0]
    flat = np.tile(np.array(points, dtype=np.int64), channels)
    axes = (Axis("channel"), Axis("z", tuple(f"z = {z}" for z in points)))
    coordinates = grid(channels, len(points))
    return intervals(node.name, kind, sentence, axes, coordinates, x.name, (flat, flat))


def around_zero(node: Node, x: Value, kind: str) -> Covergroup:
    """Bins of every channel at the ends of `x`, beside them and around 0."""
    lo, hi = x.type.lo, x.type.hi
    return points_of(node, x, kind, "z at both ends, beside them and around 0", (lo, lo + 1, -1, 0, 1, hi - 1, hi))

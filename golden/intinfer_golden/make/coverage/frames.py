"""Frames in their order: what one leaves behind must not show in the next."""

from __future__ import annotations

import numpy as np

from intinfer.graph import Graph
from intinfer.types import IntArray

from .group import Axis, Bools, Covergroup, Values, grid

KIND = "frames"
ORDERS = ("all highest, then all lowest", "all lowest, then all highest", "two equal frames after a different one")


class Succession:
    """Looks at frames one after the other, across calls."""

    def __init__(self, graph: Graph) -> None:
        self._inputs = graph.inputs
        self._last: list[tuple[IntArray, ...]] = []

    def __call__(self, values: Values) -> Bools:
        seen = np.zeros(3, dtype=bool)
        for n in range(len(values[self._inputs[0].name])):
            frame = tuple(values[x.name][n] for x in self._inputs)
            self._last = [*self._last[-2:], frame]
            if len(self._last) > 1:
                before, now = self._last[-2:]
                seen[0] |= self._constant(before, "hi") and self._constant(now, "lo")
                seen[1] |= self._constant(before, "lo") and self._constant(now, "hi")
            if len(self._last) > 2:
                first, before, now = self._last
                seen[2] |= _same(before, now) and not _same(first, before)
        return seen

    def _constant(self, frame: tuple[IntArray, ...], end: str) -> bool:
        return all((array == getattr(x.type, end)).all() for array, x in zip(frame, self._inputs, strict=True))


def _same(one: tuple[IntArray, ...], other: tuple[IntArray, ...]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def covergroup(graph: Graph, name: str) -> Covergroup:
    """Bins over the graph's inputs, under the name of the region."""
    sentence = "opposite frames back to back both ways, and an equal frame again: no state leaks from frame to frame"
    group = Covergroup(name, KIND, sentence, (Axis("order", ORDERS),), grid(3), Succession(graph), history=True)
    if all(x.type.lo == x.type.hi for x in graph.inputs):
        group.exclude([2], "the inputs have one value only: all frames are equal")
    return group

"""Frames in their order: what one leaves behind must not show in the next."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.graph import Graph, Value

from .fault import EQUAL, HIGHEST, LOWEST, RESET
from .group import Axis, Bools, Covergroup, Values

KIND = "frames"
ORDERS = ("all highest, then all lowest", "all lowest, then all highest", "two equal frames after a different one")


class Succession:
    """What each frame follows, across calls. A reset is followed by frame 0, or, in a test bench, by frame 1.

    Attributes:
        count: frames so far.
    """

    def __init__(self, graph: Graph) -> None:
        self._inputs = graph.inputs
        self._last: Values = {}
        self.count = 0

    def __call__(self, values: Values) -> Iterator[tuple[Values, list[int]]]:
        """The values of each frame alone, with a batch axis of 1, and what comes before it: RESET and the like."""
        for n in range(len(values[self._inputs[0].name])):
            now = {name: array[n : n + 1] for name, array in values.items()}
            last, self._last = self._last, {x.name: now[x.name].copy() for x in self._inputs}
            self.count += 1
            kinds = {
                RESET: self.count <= 2,
                LOWEST: bool(last) and at_end(self._inputs, last, "lo"),
                HIGHEST: bool(last) and at_end(self._inputs, last, "hi"),
                EQUAL: bool(last) and all(np.array_equal(last[name], now[name]) for name in last),
            }
            yield now, [after for after, found in kinds.items() if found]


def at_end(inputs: tuple[Value, ...], values: Values, end: str) -> bool:
    """Whether all inputs are at their end, "lo" or "hi", in these frames."""
    return all((values[x.name] == getattr(x.type, end)).all() for x in inputs)


def covergroup(graph: Graph, name: str) -> Covergroup:
    """Bins over the graph's inputs, under the name of the region."""
    succession, changed = Succession(graph), False

    def see(values: Values) -> Bools:
        nonlocal changed
        seen = np.zeros(3, dtype=bool)
        for now, afters in succession(values):
            seen[0] |= HIGHEST in afters and at_end(graph.inputs, now, "lo")
            seen[1] |= LOWEST in afters and at_end(graph.inputs, now, "hi")
            seen[2] |= EQUAL in afters and changed
            changed = succession.count > 1 and EQUAL not in afters
        return seen

    sentence = "opposite frames back to back both ways, and an equal frame again: no state leaks from frame to frame"
    group = Covergroup(name, KIND, sentence, (Axis("order", ORDERS),), see, history=True)
    if all(x.type.lo == x.type.hi for x in graph.inputs):
        group.exclude([2], "the inputs have one value only: all frames are equal")
    return group

"""Frames in their order: what is wrong in one alone, in frame 0 or after a certain one, would show there.

Every other group may be covered by frames that come later, when a design has long recovered. The bins of `FirstFrames`
are faults of one frame (`fault`, `leaks`): a frame hits one when the reference, made wrong in this way for this frame,
gives another result at the node.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

import numpy as np

from intinfer import reference
from intinfer.errors import RangeError
from intinfer.graph import Graph, Value

from ...ops import facts_of
from ..stimulus.textures import constant
from . import leaks
from .fault import AFTER, ENDS, EQUAL, HIGHEST, LOWEST, RESET, Faults, Site, reordered
from .forms import Prover
from .group import Axis, Bools, Covergroup, Values

FEW = 256
"""Where a region has no more frames than these, all are tried."""

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


def opposites(graph: Graph, name: str) -> Covergroup:
    """Bins over the graph's inputs, under the name of the region: frames behind which nothing is left unseen."""
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
    group = Covergroup(name, "frames", sentence, (Axis("order", ORDERS),), see, history=True)
    if all(x.type.lo == x.type.hi for x in graph.inputs):
        group.exclude([2], "the inputs have one value only: all frames are equal")
    return group


class FirstFrames(Covergroup):
    """Bins over all nodes of a region, under its name: a fault of one frame, in a frame that follows another of a
    certain kind."""

    def __init__(self, graph: Graph, name: str, prover: Prover) -> None:
        ends = {LOWEST: constant(graph, "lo"), HIGHEST: constant(graph, "hi")}
        self.before = {after: _trace(graph, {name: x[None] for name, x in end.items()}) for after, end in ends.items()}
        self.faults = [f for node in graph.nodes for f in _of(Site(graph, node, prover, self.before))]
        self._succession = Succession(graph)
        words = tuple(word for f in self.faults for word in f.words)
        afters = np.repeat([f.after for f in self.faults], [len(f.words) for f in self.faults])
        sentence = "a design that is wrong in this way in this frame alone gives another result at the node"
        axes = (Axis("after", AFTER), Axis("fault", words))
        coordinates = np.stack([afters, np.arange(len(words))], axis=1)
        super().__init__(name, "first frames", sentence, axes, self._seen, coordinates=coordinates, history=True)
        self._exclude(graph)

    def _seen(self, values: Values) -> Bools:
        seen = np.zeros(len(self.hit), dtype=bool)
        for now, afters in self._succession(values):
            for after in afters:
                seen |= self.shown(now, after)
        return seen

    def shown(self, values: Values, after: int, *, anew: bool = False) -> Bools:
        """The bins that a frame after such a frame hits, of those not hit so far, or `anew` of all.

        Faults that are proven hidden are tried as well: `observe` refutes a wrong proof.

        Args:
            values: the trace of the frame alone.
        """
        seen, waiting, stop = np.zeros(len(self.hit), dtype=bool), ~self.hit | anew, 0
        before = values if after == EQUAL else self.before.get(after, {})
        if before is None:  # there is no such frame
            return seen
        for faults in self.faults:
            own = slice(stop, stop + len(faults.words))
            stop = own.stop
            if faults.after == after and waiting[own].any():
                seen[own] = faults.seen(values, before)
        return seen & waiting

    def _exclude(self, graph: Graph) -> None:
        """By the proof of each fault, and by trying all frames where there are few."""
        hidden = [reason for faults in self.faults for reason in faults.hidden]
        for after, end in ENDS.items():
            traps = self.before[after] is None
            bins = (self.coordinates[:, 0] == after) & traps
            self.exclude(bins, f"the accumulator of a node traps on the frame of all {end}")
        for reason in dict.fromkeys(filter(None, hidden)):
            self.exclude([i for i, text in enumerate(hidden) if text == reason], reason)
        count = prod(min(FEW + 1, x.type.hi - x.type.lo + 1) ** min(x.size, FEW) for x in graph.inputs)
        if count > FEW or not self.open.any():
            return
        seen, tried = np.zeros(len(self.hit), dtype=bool), 0
        for values in _all_frames(graph):
            tried += 1
            for after in range(len(AFTER)):
                seen |= self.shown(values, after)
        self.exclude(~seen, f"none of the {tried} frames there are shows it")


def _of(site: Site) -> Iterator[Faults]:
    yield from leaks.results(site)
    facts = facts_of(site.graph, site.node)
    yield from reordered(site, facts.together(), facts.hidden)
    yield from facts.faults(site)


def _trace(graph: Graph, frame: Values) -> Values | None:
    """The trace of a frame with a batch axis; None when an accumulator traps on it."""
    try:
        return reference.trace(graph, frame)
    except RangeError:
        return None


def _all_frames(graph: Graph) -> Iterator[Values]:
    """The trace of every frame on which no accumulator traps."""
    spans = [range(x.type.lo, x.type.hi + 1) for x in graph.inputs for _ in range(x.size)]
    for numbers in product(*spans):
        frame, start = {}, 0
        for x in graph.inputs:
            frame[x.name] = np.array(numbers[start : start + x.size], dtype=np.int64).reshape(1, *x.shape)
            start += x.size
        if (values := _trace(graph, frame)) is not None:
            yield values

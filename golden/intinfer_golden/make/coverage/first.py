"""First frames: what is wrong in frame 0 alone, or only after a certain frame, would show there.

Every other group may be covered by frames that come later, when a design has long recovered. These bins are faults of
one frame (`reorder`, `leaks`): a frame hits one when the reference, made wrong in this way for this frame, gives
another result at the node.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from intinfer import reference
from intinfer.errors import RangeError
from intinfer.graph import Graph
from intinfer.types import IntArray

from ...ops import facts_of
from . import leaks, reorder
from .fault import AFTER, ENDS, EQUAL, HIGHEST, LOWEST, RESET, Before, Faults, Site
from .forms import Prover
from .group import Axis, Bools, Covergroup, Values

KIND = "first frames"
FEW = 256
"""Where a region has no more frames than these, all are tried."""


class FirstFrames(Covergroup):
    """Bins: a fault of one frame, in a frame that follows another of a certain kind.

    `shown` says what one frame would hit in a certain place.
    """

    faults: list[Faults]
    before: Before

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


class Order:
    """What each frame follows, across calls. A reset is followed by frame 0, or, in a test bench, by frame 1."""

    def __init__(self, graph: Graph) -> None:
        self._inputs = graph.inputs
        self._last: tuple[IntArray, ...] | None = None
        self._count = 0

    def __call__(self, values: Values, n: int) -> list[int]:
        now = tuple(values[x.name][n] for x in self._inputs)
        last, self._last = self._last, tuple(array.copy() for array in now)
        self._count += 1
        if last is None:
            return [RESET]
        reset = [RESET] if self._count == 2 else []
        kinds = [
            after
            for after, end in ((LOWEST, "lo"), (HIGHEST, "hi"))
            if all((array == getattr(x.type, end)).all() for array, x in zip(last, self._inputs, strict=True))
        ]
        same = all(np.array_equal(a, b) for a, b in zip(last, now, strict=True))
        return [*reset, *kinds, EQUAL] if same else [*reset, *kinds]


def covergroup(graph: Graph, name: str, prover: Prover) -> FirstFrames:
    """Over all nodes of a region, under its name."""
    before = {after: _end(graph, end) for after, end in ((LOWEST, "lo"), (HIGHEST, "hi"))}
    faults = [f for node in graph.nodes for f in _of(Site(graph, node, prover, before))]
    words = tuple(word for f in faults for word in f.words)
    afters = np.repeat([f.after for f in faults], [len(f.words) for f in faults])
    coordinates = np.stack([afters, np.arange(len(words))], axis=1)
    order = Order(graph)

    def see(values: Values) -> Bools:
        seen = np.zeros(len(words), dtype=bool)
        for n in range(len(values[graph.inputs[0].name])):
            for after in order(values, n):
                seen |= group.shown({name: array[n : n + 1] for name, array in values.items()}, after)
        return seen

    sentence = "a design that is wrong in this way in this frame alone gives another result at the node"
    axes = (Axis("after", AFTER), Axis("fault", words))
    group = FirstFrames(name, KIND, sentence, axes, coordinates, see, history=True)
    group.faults, group.before = faults, before
    _exclude(graph, group)
    return group


def _of(site: Site) -> Iterator[Faults]:
    yield from leaks.results(site)
    facts = facts_of(site.graph, site.node)
    yield from reorder.faults(site, facts.together(), facts.hidden)
    yield from facts.faults(site)


def _end(graph: Graph, end: str) -> Values | None:
    """The trace of the frame with all inputs at one end, None when an accumulator traps on it."""
    frame = {x.name: np.full((1, *x.shape), getattr(x.type, end), dtype=np.int64) for x in graph.inputs}
    try:
        return reference.trace(graph, frame)
    except RangeError:
        return None


def _exclude(graph: Graph, group: FirstFrames) -> None:
    """By the proof of each fault, and by trying all frames where there are few."""
    hidden = [reason for faults in group.faults for reason in faults.hidden]
    afters = group.coordinates[:, 0]
    for after, end in ENDS.items():
        if group.before[after] is None:
            group.exclude(afters == after, f"the accumulator of a node traps on the frame of all {end}")
    for reason in dict.fromkeys(filter(None, hidden)):
        group.exclude([i for i, text in enumerate(hidden) if text == reason], reason)
    count = 1
    for x in graph.inputs:
        count *= min(FEW + 1, x.type.hi - x.type.lo + 1) ** min(x.size, FEW)
    if count > FEW or not group.open.any():
        return
    seen = np.zeros(len(group.hit), dtype=bool)
    tried = 0
    for values in _all_frames(graph):
        tried += 1
        for after in range(len(AFTER)):
            seen |= group.shown(values, after)
    group.exclude(~seen, f"none of the {tried} frames there are shows it")


def _all_frames(graph: Graph) -> Iterator[Values]:
    """The trace of every frame on which no accumulator traps."""
    spans = [range(x.type.lo, x.type.hi + 1) for x in graph.inputs for _ in range(x.size)]
    for numbers in product(*spans):
        frame, start = {}, 0
        for x in graph.inputs:
            frame[x.name] = np.array(numbers[start : start + x.size], dtype=np.int64).reshape(1, *x.shape)
            start += x.size
        try:
            yield reference.trace(graph, frame)
        except RangeError:
            continue

"""Frames that show what is wrong in one frame only: every channel, tap, branch and select differs, sums stand tight."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from intinfer.graph import Graph, Value
from intinfer.types import IntArray

from ...ops import facts_of
from ...ops.base import Elementwise, PerChannel
from ..coverage.fault import RESET
from ..coverage.first import FirstFrames
from ..coverage.group import Values
from . import textures
from .alike import SearchCache
from .textures import Draw, Frame

COMPOSED = 6
"""Frames that are composed from scratch."""

CHANGED = 96
"""Times the best of them is changed, at most; fewer for large graphs."""

ELEMENTS = 2**20
"""Elements of all values that the changed frames may have together."""

NOISE = (2, 4, 0, 3, 4)
"""Elements of four that are noise, for each way to compose a frame but the last, which is sparse."""

SOME = 8
"""Numbers on which a channel's constants and those of another one differ that are kept."""

Trace = Callable[[list[Frame]], list[Values | None]]


class Telling:
    """Composes frames, and finds the one that hits most bins of a group in its place."""

    def __init__(
        self, graph: Graph, group: FirstFrames, trace: Trace, rng: np.random.Generator, found: SearchCache
    ) -> None:
        self._graph, self._group, self._trace, self._rng, self._found = graph, group, trace, rng, found
        self._numbers = {x.name: self._telling(x) for x in graph.inputs}
        size = sum(value.size for value in graph.values.values())
        self._changes = min(CHANGED, ELEMENTS // size)

    def best(self, afters: Sequence[int]) -> Frame | None:
        """The frame that hits most open bins after each of these; None when all frames that are tried trap."""
        wanted = int((self._group.open & np.isin(self._group.coordinates[:, 0], afters)).sum())
        return self._known(
            tuple(afters), lambda v: sum(int(self._group.shown(v, after).sum()) for after in afters), wanted, {}
        )

    def opposite(self, first: Frame) -> Frame | None:
        """The frame that hits most of what `first` left open after reset, then most of what it hit.

        Of nodes that read the inputs, selects and averages of each channel are the other way than in `first`.
        """
        group = self._group
        after_reset = group.coordinates[:, 0] == RESET
        unit = len(group.hit) + 1

        def score(values: Values) -> int:
            return unit * int(group.shown(values, RESET).sum()) + int(group.shown(values, RESET, anew=True).sum())

        wanted = (unit + 1) * int((group.open & after_reset).sum())
        return self._known("opposite", score, wanted + int((group.hit & after_reset).sum()) // 2, first)

    def _known(self, place: Hashable, score: Callable[[Values], int], wanted: int, first: Frame) -> Frame | None:
        """As `_search`, which is done once for graphs that are alike; `place` and `first` decide the score."""
        group, rng = self._group, self._rng
        before = tuple(array.tobytes() for array in (group.hit, group.unreachable, *first.values()))
        key = (place, before, repr(rng.bit_generator.state))
        return self._found.once(key, self._graph, rng, lambda: self._search(score, wanted, first))

    def _search(self, score: Callable[[Values], int], wanted: int, first: Frame) -> Frame | None:
        """The frame of highest score among those that are composed and changed; None when all of them trap."""
        best, most = None, -1
        for turn in range(COMPOSED + self._changes):
            frame = self._composed(turn, first) if turn < COMPOSED or best is None else self._changed(best, turn, first)
            (values,) = self._trace([frame])
            if values is None:
                continue
            if (reached := score(values)) >= most:
                best, most = frame, reached
            if most >= wanted:
                break
        return best

    def _composed(self, turn: int, first: Frame) -> Frame:
        """Noise and numbers that tell constants apart, in turn mixed, alone or sparse; then what each op asks for."""
        form = turn % COMPOSED
        if form == COMPOSED - 1:
            return textures.sparse(self._graph, self._rng, 2 ** (turn // COMPOSED))
        frame = {x.name: self._mixed(x, NOISE[form], uneven=form == 1) for x in self._graph.inputs}
        for node in self._graph.nodes:
            if set(node.inputs) <= set(frame) and turn % 4 < 3:
                facts_of(self._graph, node).compose(frame, Draw(self._rng, turn, first))
        return frame

    def _mixed(self, x: Value, noise: int, uneven: bool) -> IntArray:
        """Noise at so many elements of four; at the others each telling number of the channel, in turn.

        Uneven noise has another range in each channel: sums and means of channels are far apart.
        """
        rng, channels, type_, pixels = self._rng, x.shape[0], x.type, x.size // x.shape[0]
        lo, hi = np.full((channels, 1), type_.lo), np.full((channels, 1), type_.hi)
        if uneven:
            lo, hi = np.split(np.sort(rng.integers(type_.lo, type_.hi, (channels, 2), endpoint=True)), 2, axis=1)
        rows = rng.integers(lo, hi, (channels, pixels), endpoint=True)
        told = np.arange(-(-pixels * (4 - noise) // 4))
        places = rng.permutation(pixels)[: len(told)] + rng.integers(0, pixels, (channels, 1))
        numbers = rng.permuted(self._numbers[x.name], axis=1)
        np.put_along_axis(rows, places % pixels, numbers[:, told % numbers.shape[1]], axis=1)
        if pixels == 1 and noise == 2:
            levels = min(type_.hi - type_.lo + 1, 2**62)  # channels as different as the type allows
            rows[:, 0] = rng.permutation(type_.lo + np.arange(channels) % levels * max(1, levels // channels))
        return rows.reshape(x.shape)

    def _changed(self, frame: Frame, turn: int, first: Frame) -> Frame:
        """A copy in which a channel, a pixel or an element comes from another frame."""
        rng, other = self._rng, self._composed(turn, first)
        changed = {name: array.copy() for name, array in frame.items()}
        x = self._graph.inputs[int(rng.integers(len(self._graph.inputs)))]
        place: list[slice | int] = [int(rng.integers(extent)) for extent in x.shape]
        form = int(rng.integers(3))
        if form == 0:
            place[1:] = [slice(None)] * (len(x.shape) - 1)
        elif form == 1:
            place[0] = slice(None)
        changed[x.name][tuple(place)] = other[x.name][tuple(place)]
        return changed

    def _telling(self, x: Value) -> IntArray:
        """For each channel of an input its ends, and numbers at which the ops that read it change or give other results
        by the constants of channel 0 or the next: (C, K), repeated where a channel has fewer than another."""
        rows = [np.full((x.shape[0], 2), [x.type.lo, x.type.hi])]
        extra: list[list[int]] = [[] for _ in range(x.shape[0])]
        for node in self._graph.nodes:
            if node.inputs != (x.name,):
                continue
            facts = facts_of(self._graph, node)
            if isinstance(facts, Elementwise):
                rows += facts.turns()
            for exchange in facts.exchanges() if isinstance(facts, PerChannel) else ():
                for channel, own in enumerate(extra):
                    some = exchange.numbers[exchange.differ[:, channel], channel]
                    own += self._rng.permutation(some)[:SOME].tolist()
        told = [np.concatenate([*(part[c] for part in rows), np.array(extra[c], np.int64)]) for c in range(x.shape[0])]
        most = max(map(len, told))
        return np.stack([np.resize(numbers, most) for numbers in told])

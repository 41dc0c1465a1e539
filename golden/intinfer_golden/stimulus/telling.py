"""Frames that show what is wrong in one frame only: every channel, tap, branch and select differs, sums stand tight."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from intinfer.graph import Graph, Node, Value
from intinfer.ops import Clamp, MaxPool, Table, Tgap, Threshold
from intinfer.types import IntArray

from ..coverage.constants import telling_numbers, varies_between, with_rows
from ..coverage.fault import RESET
from ..coverage.first import FirstFrames
from ..coverage.group import Values
from ..coverage.reach import Sums
from . import textures
from .alike import Found
from .textures import Frame

COMPOSED = 6
"""Frames that are composed from scratch."""

CHANGED = 96
"""Times the best of them is changed, at most; fewer for large graphs."""

ELEMENTS = 2**20
"""Elements of all values that the changed frames may have together."""

NOISE = (2, 4, 0, 3, 4)
"""Elements of four that are noise, for each way to compose a frame but the last, which is sparse."""

Trace = Callable[[list[Frame]], list[Values | None]]


class Telling:
    """Composes frames, and finds the one that hits most bins of a group in its place."""

    def __init__(self, graph: Graph, group: FirstFrames, trace: Trace, rng: np.random.Generator, found: Found) -> None:
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
        if key not in self._found:
            self._found.keep(key, self._graph, self._search(score, wanted, first), rng)
        return self._found.take(key, self._graph, rng)

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
            shape = SHAPES.get(node.op.kind)
            if shape and set(node.inputs) <= set(frame) and turn % 4 < 3:
                shape(self._graph, node, frame, Draw(self._rng, turn, first))
        return frame

    def _mixed(self, x: Value, noise: int, uneven: bool) -> IntArray:
        """Noise at so many elements of four; at the others each telling number of the channel, in turn.

        Uneven noise has another range in each channel: sums and means of channels are far apart.
        """
        rng, channels, type_, pixels = self._rng, x.shape[0], x.type, x.size // x.shape[0]
        told = np.arange(-(-pixels * (4 - noise) // 4))
        rows = np.empty((channels, pixels), dtype=np.int64)
        for channel, numbers in enumerate(self._numbers[x.name]):
            lo, hi = (type_.lo, type_.hi)
            if uneven:
                lo, hi = sorted(rng.integers(lo, hi, 2, endpoint=True).tolist())
            rows[channel] = rng.integers(lo, hi, pixels, endpoint=True)
            places = rng.permutation(pixels)[: len(told)]
            rows[channel, places] = rng.permutation(numbers)[told % len(numbers)]
        if pixels == 1 and noise == 2:
            rows[:, 0] = self._distinct(channels, x)
        return rows.reshape(x.shape)

    def _distinct(self, count: int, x: Value) -> IntArray:
        """Numbers of a type as different as it allows."""
        levels = min(x.type.hi - x.type.lo + 1, 2**62)
        spread = x.type.lo + np.arange(count) % levels * max(1, levels // count)
        return self._rng.permutation(spread)

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

    def _telling(self, x: Value) -> list[IntArray]:
        """For each channel of an input numbers at which the ops that read it change, and its ends."""
        rows = [np.full((x.shape[0], 2), [x.type.lo, x.type.hi])]
        extra: list[list[int]] = [[] for _ in range(x.shape[0])]
        for node in self._graph.nodes:
            if node.inputs != (x.name,):
                continue
            if isinstance(node.op, Threshold):
                cuts = np.broadcast_to(node.op.thresholds.values, (x.shape[0], node.op.thresholds.shape[1]))
                rows += [(cuts + step).clip(x.type.lo, x.type.hi) for step in (-1, 0, 1)]
            if isinstance(node.op, Clamp):
                limits = np.array([node.op.lo - 1, node.op.lo, node.op.hi, node.op.hi + 1])
                rows.append(np.tile(limits.clip(x.type.lo, x.type.hi), (x.shape[0], 1)))
            if isinstance(node.op, Table):
                entries = np.broadcast_to(node.op.entries.values, (x.shape[0], node.op.entries.shape[1]))
                rows.append(node.op.start + np.stack([entries.argmin(axis=1), entries.argmax(axis=1)], axis=1))
            for channel, numbers in enumerate(self._between(node)):
                extra[channel] += numbers
        return [np.concatenate([*(part[c] for part in rows), np.array(extra[c], np.int64)]) for c in range(x.shape[0])]

    def _between(self, node: Node) -> list[list[int]]:
        """Numbers at which the constants of a channel and those of channel 0 or the next give different results."""
        channels = self._graph.values[node.inputs[0]].shape[0]
        found: list[list[int]] = [[] for _ in range(channels)]
        for order in (np.zeros(channels, dtype=np.int64), np.roll(np.arange(channels), -1)):
            wrong = with_rows(node.op, channels, order) if node.op.kind in BY_CHANNEL else None
            if wrong is None:
                continue
            numbers, _ = telling_numbers(self._graph, node, order)
            differ = varies_between(node.op, wrong, numbers)
            for channel in range(channels):
                some = numbers[differ[:, channel], channel]
                found[channel] += self._rng.permutation(some)[:SOME].tolist()
        return found


WINDOWS = 4
"""Windows of a channel that are looked at for each place that should win."""

SOME = 8
"""Numbers of a kind that are kept for each channel."""

BY_CHANNEL = ("threshold", "requant", "affine", "table")
"""Elementwise ops that may have constants for each channel."""


# ------------------------------------------------------------------------------------------- what an op asks for


@dataclass(frozen=True)
class Draw:
    """Where a frame gets its random numbers from.

    Attributes:
        turn: counts the frames that are composed for one place.
        first: the frame whose selects and averages are to be the other way; empty where there is none.
    """

    rng: np.random.Generator
    turn: int
    first: Frame

    def pattern(self, channels: int, before: Callable[[Frame], IntArray]) -> IntArray:
        """A bit for each channel, none as `before` gives it of the frame `first`.

        Without one: both bits, the first two different, and never the same backwards; first 1, then 0. One channel:
        both in turn.
        """
        if self.first:
            return np.asarray(1 - before(self.first))
        bits = self.rng.integers(0, 2, channels)
        bits[1:2] = bits[-1] = self.turn % 2
        bits[0] = 1 - self.turn % 2
        return bits


def _tgap(graph: Graph, node: Node, frame: Frame, draw: Draw) -> None:
    """Every sum on the last number that gives 0 or on the first that gives 1."""
    x = graph.values[node.inputs[0]]
    assert isinstance(node.op, Tgap)
    pixels = x.size // x.shape[0]
    ones, lo, hi = (np.full(pixels, n, dtype=np.int64) for n in (1, x.type.lo, x.type.hi))
    sums = Sums(ones, lo, hi)
    half = node.op.top * pixels // 2

    def averages(first: Frame) -> IntArray:
        return np.asarray((first[x.name].reshape(x.shape[0], -1).sum(axis=1) > half) * 1)

    for channel, bit in enumerate(draw.pattern(x.shape[0], averages).tolist()):
        numbers = sums.solve(min(half + bit, pixels * x.type.hi), draw.rng)
        if numbers is not None:
            frame[x.name][channel] = draw.rng.permutation(numbers).reshape(x.shape[1:])


def _mux(graph: Graph, node: Node, frame: Frame, draw: Draw) -> None:
    """Selects of both kinds, and branches that differ in every channel."""
    select, one, zero = (graph.values[name] for name in node.inputs)
    frame[select.name] = draw.pattern(select.shape[0], lambda first: first[select.name]).clip(
        select.type.lo, select.type.hi
    )
    equal = (frame[one.name] == frame[zero.name]).all(axis=(1, 2))
    if one.name == zero.name or not equal.any():
        return
    up = one.type.hi != zero.type.lo
    a, b = (one.type.hi, zero.type.lo) if up else (one.type.lo, zero.type.hi)
    frame[one.name][equal, 0, 0], frame[zero.name][equal, 0, 0] = a, b


def _argmax(graph: Graph, node: Node, frame: Frame, draw: Draw) -> None:
    """The last class wins at the first pixel, one above the lowest: a maximum that begins higher hides it."""
    x = graph.values[node.inputs[0]]
    if x.shape[0] == 1 or x.type.lo == x.type.hi:
        return
    first = frame[x.name].reshape(x.shape[0], -1)[:, 0]  # a view
    first[:] = x.type.lo
    first[-1] += 1


def _max_pool(graph: Graph, node: Node, frame: Frame, draw: Draw) -> None:
    """Each place of a window wins. In the last channel the first window holds the lowest number alone, and what only
    the last one holds is high."""
    x = graph.values[node.inputs[0]]
    assert isinstance(node.op, MaxPool)
    address = np.arange(x.size // x.shape[0]).reshape(1, 1, *x.shape[1:])
    windows = node.op.window.view(node.op.window.pad(address, -1))[0, 0]
    windows = windows.reshape(-1, node.op.kernel[0] * node.op.kernel[1])
    flat = frame[x.name].reshape(x.shape[0], -1)
    won = np.zeros(windows.shape[1], dtype=np.int64)
    for channel in range(x.shape[0]):
        _winners(flat[channel], draw.rng.permutation(windows), won, x)
    first, last = (np.unique(w[w >= 0]) for w in (windows[0], windows[-1]))
    flat[-1, np.setdiff1d(last, first)] = x.type.hi
    flat[-1, first] = x.type.lo


def _winners(channel: IntArray, windows: IntArray, won: IntArray, x: Value) -> None:
    """In windows apart from each other, one place after the other holds the maximum alone; `won` counts them."""
    taken = np.zeros(len(channel), dtype=bool)
    for window in windows[: WINDOWS * len(won)]:
        real = np.flatnonzero(window >= 0)
        if taken[window[real]].any():
            continue
        taken[window[real]] = True
        place = real[won[real].argmin()]
        won[place] += 1
        channel[window[real]] = np.minimum(channel[window[real]], max(x.type.lo, x.type.hi - 1))
        channel[window[place]] = min(x.type.hi, channel[window[real]].max() + 1)


SHAPES: dict[str, Callable[[Graph, Node, Frame, Draw], None]] = {
    "tgap": _tgap,
    "mux": _mux,
    "argmax": _argmax,
    "max_pool": _max_pool,
}

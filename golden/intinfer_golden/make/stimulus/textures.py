"""Frames that every region gets: extremes back to back, addresses, noise, one-hot pixels and channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from intinfer.graph import Graph, Value
from intinfer.types import IntArray, Mask

from ..coverage.combinations import Combinations

Frame = dict[str, IntArray]
"""One array (*shape) for each input of the graph."""

MAX_ONE_HOTS = 8
MAX_MASKS = 16
""""Only this channel" is asked for so often."""


def constant(graph: Graph, end: str) -> Frame:
    """All inputs at their end, "lo" or "hi"."""
    return {x.name: np.full(x.shape, getattr(x.type, end), dtype=np.int64) for x in graph.inputs}


def noise(graph: Graph, rng: np.random.Generator) -> Frame:
    """Any number of each input's type, evenly."""
    return {x.name: uniform(x, rng, x.shape) for x in graph.inputs}


def uniform(x: Value, rng: np.random.Generator, shape: tuple[int, ...]) -> IntArray:
    """Numbers of an input's type, each as likely as any other."""
    return rng.integers(x.type.lo, x.type.hi, shape, endpoint=True)


def quiet(x: Value) -> int:
    """The number nearest to 0."""
    return min(max(0, x.type.lo), x.type.hi)


def sparse(graph: Graph, rng: np.random.Generator, reach: int) -> Frame:
    """Mostly the number nearest to 0, one element of eight at most `reach` from it: sums stay small."""
    frame = {}
    for x in graph.inputs:
        rest = quiet(x)
        lo, hi = max(x.type.lo, rest - reach), min(x.type.hi, rest + reach)
        some = rng.integers(lo, hi, x.shape, endpoint=True)
        frame[x.name] = np.where(rng.integers(0, 8, x.shape) == 0, some, rest)
    return frame


def addresses(graph: Graph, rng: np.random.Generator) -> Iterator[Frame]:
    """As many frames as it takes to give each element its own sequence: the digits of its address.

    Addresses are shuffled, so that neighbours differ in many digits. An input of one value has no digits.
    """
    places = rng.permutation(sum(x.size for x in graph.inputs))
    levels = min((x.type.hi - x.type.lo + 1 for x in graph.inputs if x.type.lo < x.type.hi), default=1)
    levels = min(levels, 2**16)
    while levels > 1:
        frame, start = {}, 0
        for x in graph.inputs:
            digits = places[start : start + x.size].reshape(x.shape) % levels
            frame[x.name] = x.type.lo + digits * ((x.type.hi - x.type.lo) // (levels - 1))
            start += x.size
        yield frame
        places = places // levels
        if not places.any():
            return


def one_hots(graph: Graph) -> Iterator[Frame]:
    """Everything quiet but the corners of a map, each in a channel of its own; of a vector, one channel.

    The channels take turns, MAX_ONE_HOTS frames at most.
    """
    turns = max(min(x.shape[0], MAX_ONE_HOTS) for x in graph.inputs)
    for turn in range(turns):
        frame = {}
        for x in graph.inputs:
            frame[x.name] = np.full(x.shape, quiet(x), dtype=np.int64)
            loud = x.type.hi if x.type.hi != quiet(x) else x.type.lo
            if len(x.shape) == 1:
                frame[x.name][turn % x.shape[0]] = loud
                continue
            corners = [(y, z) for y in (0, x.shape[1] - 1) for z in (0, x.shape[2] - 1)]
            for k, (y, z) in enumerate(corners):
                frame[x.name][(turn * len(corners) + k) % x.shape[0], y, z] = loud
        yield frame


def combined(graph: Graph, group: Combinations, rng: np.random.Generator) -> Iterator[Frame]:
    """Frames in which the inputs hold every combination: in every channel, or somewhere."""
    value, count = graph.values[group.names[0]], len(group.numbers)
    places = np.arange(value.size).reshape(value.shape[0], -1)
    if group.by_channel:
        places = np.broadcast_to(places[:1], places.shape)
    for start in range(0, count, int(places.max()) + 1):
        frame = noise(graph, rng)
        for position, name in enumerate(group.names):
            frame[name] = group.numbers[(start + places) % count, position].reshape(frame[name].shape)
        yield frame


def masks(channels: int, rng: np.random.Generator) -> Iterator[tuple[str, Mask]]:
    """Given demand, (label, (C,)): none, all, each second channel both ways, one alone, random, the first half; none
    twice in a row. The last one is another one from the last channel to the first: benches begin with it once."""
    index = np.arange(channels)
    yield "none", index < 0
    yield "all", index >= 0
    yield "none", index < 0
    yield "even", index % 2 == 0
    yield "odd", index % 2 == 1
    for chosen in np.unique(np.linspace(0, channels - 1, min(channels, MAX_MASKS)).astype(np.int64)).tolist():
        yield f"only {chosen}", index == chosen
    for turn in range(4):
        yield f"random {turn}", rng.integers(0, 2, channels) == 1
    yield "first half", index < (channels + 1) // 2


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

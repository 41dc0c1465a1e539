"""Seeded search for what no linear form tells: frames are changed at random towards open bins, round by round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intinfer.graph import Graph
from intinfer.types import IntArray

from ..coverage.collect import Coverage
from ..coverage.group import Intervals, Values
from .textures import Frame, noise, uniform

FOCUSES = 4
"""Open bins that are aimed at in a round."""

MUTANTS = 6
"""Changed frames for each."""

PATIENCE = 12
"""Rounds without coming nearer after which another bin is aimed at."""


@dataclass(eq=False)
class Focus:
    """An open bin, the frame that comes nearest to it so far, and how near: |value - interval|."""

    group: Intervals
    bin: int
    frame: Frame
    distance: int | None = None
    waited: int = 0


class Search:
    """Makes a batch of frames a round, and learns from their values."""

    def __init__(self, graph: Graph, coverage: Coverage, rng: np.random.Generator) -> None:
        self._graph, self._coverage, self._rng = graph, coverage, rng
        self._focuses: list[Focus] = []

    def batch(self, pool: list[Frame]) -> list[Frame]:
        """Changed frames: MUTANTS for each focus, or as many of any frames when no bin can be aimed at."""
        self._focuses = [f for f in self._focuses if f.waited < PATIENCE and f.group.open[f.bin]]
        targets = [g for g in self._coverage.groups if isinstance(g, Intervals) and not g.exact and g.open.any()]
        while targets and len(self._focuses) < FOCUSES:
            group = targets[int(self._rng.integers(len(targets)))]
            index = int(self._rng.choice(group.open.nonzero()[0]))
            self._focuses.append(Focus(group, index, pool[int(self._rng.integers(len(pool)))]))
        starts = [focus.frame for focus in self._focuses] or [pool[int(self._rng.integers(len(pool)))]]
        return [self._changed(start, pool) for start in starts for _ in range(MUTANTS)]

    def learn(self, frames: list[Frame], values: list[Values | None]) -> None:
        """Move each focus to the nearest of its changed frames. `values` are None where a frame trapped."""
        for k, focus in enumerate(self._focuses):
            own = range(k * MUTANTS, (k + 1) * MUTANTS)
            reached = [(_distance(focus, v), i) for i in own if (v := values[i]) is not None]
            focus.waited += 1
            if reached and (focus.distance is None or min(reached)[0] <= focus.distance):
                distance, best = min(reached)
                if focus.distance is None or distance < focus.distance:
                    focus.waited = 0
                focus.distance, focus.frame = distance, frames[best]

    def _changed(self, frame: Frame, pool: list[Frame]) -> Frame:
        """A copy with a patch of one input replaced: noise, one number, a patch of another frame, a step up or down."""
        rng = self._rng
        if rng.integers(16) == 0:
            return noise(self._graph, rng)
        changed = {name: array.copy() for name, array in frame.items()}
        x = self._graph.inputs[int(rng.integers(len(self._graph.inputs)))]
        place = tuple(self._cut(extent) for extent in x.shape)
        patch = changed[x.name][place]
        form = int(rng.integers(4))
        if form == 0:
            new: IntArray = uniform(x, rng, patch.shape)
        elif form == 1:
            new = np.full(patch.shape, uniform(x, rng, ()), dtype=np.int64)
        elif form == 2:
            new = pool[int(rng.integers(len(pool)))][x.name][place]
        else:
            width = (x.type.hi - x.type.lo) // int(rng.integers(2, 16)) + 1
            new = (patch + rng.integers(-width, width, endpoint=True)).clip(x.type.lo, x.type.hi)
        changed[x.name][place] = new
        return changed

    def _cut(self, extent: int) -> slice:
        """Any part of an axis; all of it half of the time."""
        if self._rng.integers(2):
            return slice(None)
        start = int(self._rng.integers(extent))
        return slice(start, start + 1 + int(self._rng.integers(extent - start)))


def _distance(focus: Focus, values: Values) -> int:
    group, index = focus.group, focus.bin
    channel = values[group.value][:, int(group.channel[index])]
    below, above = int(group.lo[index]) - channel, channel - int(group.hi[index])
    return int(np.maximum(np.maximum(below, above), 0).min())

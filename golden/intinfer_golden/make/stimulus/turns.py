"""Goals for `Shown`: inputs with which an accumulator stands where a change of it shows at the result."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.graph import Graph

from ..coverage.changes import Changes
from ..coverage.shown import Rest, Shown
from ..coverage.turning import Turning
from .pack import Goal

TRIES = 8
"""Numbers, and elements, that are tried for a goal."""


class Turns:
    """Makes goals of open bins; a bin none of whose sums depends linearly on inputs has none."""

    def __init__(self, graph: Graph, turning: Turning, rng: np.random.Generator) -> None:
        self._turning, self._rng = turning, rng
        self._inputs = {x.name for x in graph.inputs}

    def goals(self, group: Shown) -> Iterator[Goal]:
        """A goal for each open bin, exactly at the element whose form was solved."""
        for index in group.open.nonzero()[0].tolist():
            changes = group.changes.of_way(index)
            for k in self._rng.permutation(len(changes.way))[:TRIES].tolist():
                goal = self._goal(group.rest, changes, k)
                if goal is not None:
                    yield goal
                    break

    def _goal(self, rest: Rest, changes: Changes, k: int) -> Goal | None:
        numbers = self._turning.numbers(rest, int(changes.channel[k]), int(changes.delta[k]))
        form = self._turning.form(rest, changes, k)
        if form.linear.ancestor not in self._inputs or not len(form.linear.indices):
            return None
        lo, hi = form.sums.range
        inside = numbers[(numbers >= lo) & (numbers <= hi)]
        for number in self._rng.permutation(inside)[:TRIES].tolist():
            solved = form.sums.solve(number, self._rng)
            if solved is not None:
                still = np.zeros((1, form.linear.indices.shape[1]), dtype=np.int64)
                return Goal(form.linear.ancestor, form.linear.indices, solved, still)
        return None

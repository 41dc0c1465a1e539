"""Goals for `Shown`: inputs with which an accumulator stands where a change of it shows at the result."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.graph import Graph
from intinfer.types import IntArray

from ...ops import facts_of
from ...ops.base import Elementwise
from ..coverage.changes import Changes
from ..coverage.forms import Form, Prover
from ..coverage.shown import Rest, Shown
from .pack import Goal

NUMBERS = 2**22
"""Numbers of all channels that are looked at one by one; of more only those at which the first node turns."""

TRIES = 8
"""Numbers, and elements, that are tried for a goal."""

PROVEN = 256
"""Numbers of all elements of a bin, at most, that are looked at to prove that it cannot be hit."""


class Turns:
    """Makes goals of open bins and proves others unreachable."""

    def __init__(self, graph: Graph, prover: Prover, rng: np.random.Generator) -> None:
        self._graph, self._prover, self._rng = graph, prover, rng
        self._inputs = {x.name for x in graph.inputs}
        self._known: dict[tuple[str, int, int], IntArray] = {}
        self._results: dict[str, IntArray] = {}
        self._never: dict[tuple[object, ...], bool] = {}

    def goals(self, group: Shown) -> Iterator[Goal]:
        """A goal for each open bin, exactly at the element whose form was solved."""
        for index in group.open.nonzero()[0].tolist():
            changes = group.changes.of_way(index)
            for k in self._rng.permutation(len(changes.way))[:TRIES].tolist():
                goal = self._goal(group.rest, changes, k)
                if goal is not None:
                    yield goal
                    break

    def prove(self, group: Shown) -> None:
        """Exclude open bins none of whose accumulators can stand where the change shows."""
        for index in group.open.nonzero()[0].tolist():
            changes = group.changes.of_way(index)
            if all(self._hidden(group.rest, changes, k) for k in range(len(changes.way))):
                group.exclude([index], "no sum that the accumulators take here lies where the result changes")

    def _form(self, rest: Rest, changes: Changes, k: int) -> Form:
        place = (int(changes.channel[k]), int(changes.row[k]), int(changes.column[k]))
        name = rest.value.name
        return self._prover.forms(name, False).at(name, place[: len(rest.value.output.shape)])

    def _goal(self, rest: Rest, changes: Changes, k: int) -> Goal | None:
        numbers = self._turning(rest, int(changes.channel[k]), int(changes.delta[k]))
        form = self._form(rest, changes, k)
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

    def _hidden(self, rest: Rest, changes: Changes, k: int) -> bool:
        """Whether the element is proven to hold no number at which this change shows."""
        if not self._complete(rest):
            return False
        channel, delta = int(changes.channel[k]), int(changes.delta[k])
        form = self._form(rest, changes, k)
        linear = form.linear
        key = (rest.value.name, channel, delta, linear.constant, linear.coefficients.tobytes(), len(linear.indices))
        if key not in self._never:
            lo, hi = form.sums.range
            numbers = self._turning(rest, channel, delta)
            inside = numbers[(numbers >= lo) & (numbers <= hi)].tolist()
            found = (form.sums.find(number, number) for number in inside)
            self._never[key] = len(inside) <= PROVEN and all(one.number is None and one.proven for one in found)
        return self._never[key]

    def _complete(self, rest: Rest) -> bool:
        type_ = rest.value.output.type
        return (type_.hi - type_.lo + 1) * rest.channels <= NUMBERS

    def _turning(self, rest: Rest, channel: int, delta: int) -> IntArray:
        """Numbers of a channel for which the result is another one when `delta` is added; not all, if not complete."""
        key = (rest.value.name, channel, delta)
        if key not in self._known:
            type_ = rest.value.output.type
            if self._complete(rest):
                results = self._all(rest)[channel]
                numbers = np.arange(type_.lo, type_.hi + 1)
                wrong = results[(numbers + delta).clip(type_.lo, type_.hi) - type_.lo]
                self._known[key] = numbers[wrong != results]
            else:
                numbers = self._near(rest, channel, delta)
                where = np.full(len(numbers), channel)
                self._known[key] = numbers[rest(where, numbers) != rest(where, numbers + delta)]
        return self._known[key]

    def _all(self, rest: Rest) -> IntArray:
        """The result for every number of the type, (C, numbers)."""
        name, type_ = rest.value.name, rest.value.output.type
        if name not in self._results:
            numbers = np.arange(type_.lo, type_.hi + 1)
            where = np.arange(rest.channels).repeat(len(numbers))
            self._results[name] = rest(where, np.tile(numbers, rest.channels)).reshape(rest.channels, -1)
        return self._results[name]

    def _near(self, rest: Rest, channel: int, delta: int) -> IntArray:
        """Numbers at which the node behind the value turns, and those that a change brings there."""
        facts = facts_of(self._graph, rest.nodes[0])
        type_ = rest.value.output.type
        if not isinstance(facts, Elementwise):
            return np.zeros(0, dtype=np.int64)
        turns = np.concatenate([part[channel] for part in facts.turns()])
        return np.unique(np.concatenate([turns, turns - delta])).clip(type_.lo, type_.hi)

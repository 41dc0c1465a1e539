"""Where a change of an accumulator shows at the result, and proofs that it never stands there."""

from __future__ import annotations

import numpy as np

from intinfer.graph import Graph
from intinfer.types import IntArray

from ...ops import facts_of
from ...ops.base import Elementwise
from .changes import Changes
from .forms import Form, Prover
from .shown import Rest, Shown

NUMBERS = 2**22
"""Numbers of all channels that are looked at one by one; of more only those at which the first node turns."""

PROVEN = 256
"""Numbers of all elements of a bin, at most, that are looked at to prove that it cannot be hit."""


class Turning:
    """Numbers at which results turn, by channel and change; each is looked for once."""

    def __init__(self, graph: Graph, prover: Prover) -> None:
        self._graph, self._prover = graph, prover
        self._known: dict[tuple[str, int, int], IntArray] = {}
        self._results: dict[str, IntArray] = {}
        self._never: dict[tuple[object, ...], bool] = {}

    def prove(self, group: Shown) -> None:
        """Exclude open bins none of whose accumulators can stand where the change shows."""
        for index in group.open.nonzero()[0].tolist():
            changes = group.changes.of_way(index)
            if all(self._hidden(group.rest, changes, k) for k in range(len(changes.way))):
                group.exclude([index], "no sum that the accumulators take here lies where the result changes")

    def form(self, rest: Rest, changes: Changes, k: int) -> Form:
        """The linear form of the element of a change."""
        place = (int(changes.channel[k]), int(changes.row[k]), int(changes.column[k]))
        name = rest.value.name
        return self._prover.forms(name, False).at(name, place[: len(rest.value.output.shape)])

    def _hidden(self, rest: Rest, changes: Changes, k: int) -> bool:
        """Whether the element is proven to hold no number at which this change shows."""
        if not self._complete(rest):
            return False
        channel, delta = int(changes.channel[k]), int(changes.delta[k])
        form = self.form(rest, changes, k)
        linear = form.linear
        reads = linear.indices[:, 0].tobytes()  # the ranges of what the form reads are those of its channels
        key = (rest.value.name, channel, delta, linear.ancestor, linear.constant, linear.coefficients.tobytes(), reads)
        if key not in self._never:
            inside = self.inside(form, rest, changes, k).tolist()
            found = (form.sums.find(number, number) for number in inside)
            self._never[key] = len(inside) <= PROVEN and all(one.number is None and one.proven for one in found)
        return self._never[key]

    def _complete(self, rest: Rest) -> bool:
        type_ = rest.value.output.type
        return (type_.hi - type_.lo + 1) * rest.channels <= NUMBERS

    def inside(self, form: Form, rest: Rest, changes: Changes, k: int) -> IntArray:
        """Numbers in the range of an element's form at which its change shows; not all, if they are too many."""
        lo, hi = form.sums.range
        numbers = self._numbers(rest, int(changes.channel[k]), int(changes.delta[k]))
        return numbers[(numbers >= lo) & (numbers <= hi)]

    def _numbers(self, rest: Rest, channel: int, delta: int) -> IntArray:
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

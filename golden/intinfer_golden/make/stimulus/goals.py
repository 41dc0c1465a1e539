"""Goals for bins: inputs with which a value holds a wanted number, solved on the linear form of the value."""

from __future__ import annotations

from itertools import product

import numpy as np

from intinfer.graph import Graph
from intinfer.types import IntArray

from ..coverage.collect import Coverage
from ..coverage.forms import Form, Forms
from ..coverage.group import Covergroup, Intervals
from ..coverage.running import Excursion, Running
from ..coverage.shown import Shown
from .pack import Goal

FEW = 9
"""Places in a frame below which windows cut by the border are used as well: they are smaller, and more of them fit."""

TRIES = 8
"""Numbers, and elements, that are tried for a goal of `Shown`."""


class Goals:
    """Makes goals of open bins; a bin of a value that does not depend linearly on inputs has none."""

    def __init__(self, graph: Graph, coverage: Coverage, rng: np.random.Generator) -> None:
        self._inputs = {x.name for x in graph.inputs}
        self._prover, self._turning, self._rng = coverage.prover, coverage.turning, rng
        self._shifts: dict[tuple[str, bool, int], IntArray] = {}

    def of(self, group: Covergroup, *, exactly: bool) -> list[Goal]:
        """A goal for each open bin of `Intervals`, `Shown` or `Running`.

        Args:
            exactly: at the element whose form was solved, as those of the other two always are, not moved elsewhere.
        """
        bins = group.open.nonzero()[0].tolist()
        found: list[Goal | None] = []
        if isinstance(group, Intervals):
            found = [self._number(group, index, exactly) for index in bins]
        elif isinstance(group, Shown):
            found = [self._turn(group, index) for index in bins]
        elif isinstance(group, Running):
            found = [self._excursion(excursion) for excursion in dict.fromkeys(group.excursions[i] for i in bins)]
        return [goal for goal in found if goal is not None]

    def _number(self, group: Intervals, index: int, exactly: bool) -> Goal | None:
        """A value holds a number of the bin's interval."""
        answer = self._prover.find(group, index)
        if answer.form is not None and len(self._moves(group, answer.form)) < FEW:
            answer = self._prover.find(group, index, turn=int(self._rng.integers(FEW)))
        if answer.form is None or not self._free(answer.form):
            return None
        return self._solved(answer.form, answer.number, None if exactly else self._moves(group, answer.form))

    def _turn(self, group: Shown, index: int) -> Goal | None:
        """An accumulator stands where a change of it shows at the result."""
        changes = group.changes.of_way(index)
        for k in self._rng.permutation(len(changes.way))[:TRIES].tolist():
            form = self._turning.form(group.rest, changes, k)
            if self._free(form):
                numbers = self._turning.inside(form, group.rest, changes, k)
                for number in self._rng.permutation(numbers)[:TRIES].tolist():
                    if (goal := self._solved(form, number)) is not None:
                        return goal
        return None

    def _excursion(self, excursion: Excursion) -> Goal:
        """A running sum goes far out and comes back."""
        indices = excursion.indices
        return Goal(excursion.input, indices, excursion.numbers, _still(indices))

    def _free(self, form: Form) -> bool:
        """Whether the form is one of a graph's input, of some of its elements."""
        return form.linear.ancestor in self._inputs and len(form.linear.indices) > 0

    def _solved(self, form: Form, number: int, shifts: IntArray | None = None) -> Goal | None:
        """The goal that a form gives a number, which can be moved by `shifts`; None when no inputs are found."""
        indices, numbers = form.linear.indices, form.sums.solve(number, self._rng)
        if numbers is None:
            return None
        return Goal(form.linear.ancestor, indices, numbers, _still(indices) if shifts is None else shifts)

    def _moves(self, group: Intervals, form: Form) -> IntArray:
        """How far the window of an element can move, found on one channel: windows apart from each other first."""
        key = (group.value, group.exact, hash(form.place[1:]))
        if key not in self._shifts:
            forms = self._prover.forms(group.value, group.exact)
            axes = [_along(forms, group.value, form, axis) for axis in range(1, len(form.place))]
            moves = np.array(list(product((0,), *axes)), dtype=np.int64)  # no channel shift
            self._shifts[key] = moves if axes else _still(form.linear.indices)
        return self._shifts[key]


def _still(indices: IntArray) -> IntArray:
    return np.zeros((1, indices.shape[1]), dtype=np.int64)


def _along(forms: Forms, value: str, form: Form, axis: int) -> list[int]:
    """Shifts along one axis of the ancestor at which an element has the same form, apart from each other."""
    shifts, indices = {0}, form.linear.indices
    for at in range(forms.graph.values[value].shape[axis]) if len(indices) else ():
        other = forms.linear(value, (*form.place[:axis], at, *form.place[axis + 1 :]))
        if other.indices.shape == indices.shape and other.constant == form.linear.constant:
            moved = other.indices - indices
            moved[:, axis] -= moved[0, axis]
            if not moved.any() and np.array_equal(other.coefficients, form.linear.coefficients):
                shifts.add(int(other.indices[0, axis] - indices[0, axis]))
    extent = int(np.ptp(indices[:, axis])) + 1 if len(indices) else 1
    apart = [min(shifts)]
    for shift in sorted(shifts):
        if shift - apart[-1] >= extent:
            apart.append(shift)
    return apart

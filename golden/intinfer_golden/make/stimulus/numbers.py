"""Goals for `Intervals`: inputs with which a value holds a wanted number, by the linear form of the value."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from intinfer.graph import Graph
from intinfer.types import IntArray

from ..coverage.forms import Form, Forms, Prover
from ..coverage.group import Intervals
from .pack import Goal

FEW = 9
"""Places in a frame below which windows cut by the border are used as well: they are smaller, and more of them fit."""


class Numbers:
    """Makes goals of open bins; a bin of a value that does not depend linearly on inputs has none."""

    def __init__(self, graph: Graph, prover: Prover, rng: np.random.Generator) -> None:
        self._inputs = {x.name for x in graph.inputs}
        self._prover, self._rng = prover, rng
        self._shifts: dict[tuple[str, bool, int], IntArray] = {}

    def goals(self, group: Intervals, *, exactly: bool) -> Iterator[Goal]:
        """A goal for each open bin; `exactly` at the element whose form was solved, not moved elsewhere."""
        for index in group.open.nonzero()[0].tolist():
            answer = self._prover.find(group, index)
            if answer.form is not None and len(self.shifts(group.value, group.exact, answer.form)) < FEW:
                answer = self._prover.find(group, index, turn=int(self._rng.integers(FEW)))
            form = answer.form
            if form is None or form.linear.ancestor not in self._inputs:
                continue
            numbers = form.sums.solve(answer.number, self._rng)
            if numbers is not None and len(numbers):
                indices = form.linear.indices
                shifts = self._still(indices) if exactly else self.shifts(group.value, group.exact, form)
                yield Goal(form.linear.ancestor, indices, numbers, shifts)

    @staticmethod
    def _still(indices: IntArray) -> IntArray:
        return np.zeros((1, indices.shape[1]), dtype=np.int64)

    def shifts(self, value: str, exact: bool, form: Form) -> IntArray:
        """How far the window of an element can move, found on one channel: windows apart from each other first."""
        key = (value, exact, hash(form.place[1:]))
        if key not in self._shifts:
            rule = self._prover.forms(value, exact)
            axes = [_along(rule, value, form, axis) for axis in range(1, len(form.place))]
            moves = np.array(list(product((0,), *axes)), dtype=np.int64)  # no channel shift
            self._shifts[key] = moves if axes else self._still(form.linear.indices)
        return self._shifts[key]


def _along(forms: Forms, value: str, form: Form, axis: int) -> list[int]:
    """Shifts along one axis of the ancestor at which an element has the same form."""
    shifts = []
    indices = form.linear.indices
    for at in range(forms.graph.values[value].shape[axis]):
        place = (*form.place[:axis], at, *form.place[axis + 1 :])
        other = forms.linear(value, place)
        if other.indices.shape != indices.shape or other.constant != form.linear.constant or not len(indices):
            continue
        shift = int(other.indices[0, axis] - indices[0, axis])
        moved = indices.copy()
        moved[:, axis] += shift
        if np.array_equal(moved, other.indices) and np.array_equal(other.coefficients, form.linear.coefficients):
            shifts.append(shift)
    shifts = sorted(set(shifts)) or [0]
    extent = int(np.ptp(indices[:, axis])) + 1 if len(indices) else 1
    apart, last = [], None
    for shift in shifts:
        if last is None or shift - last >= extent:
            apart.append(shift)
            last = shift
    return apart

"""Which mistakes are looked for at a node: those that its op's facts list, those that any op can make, and those whose
numbers the dump tells."""

from __future__ import annotations

from collections.abc import Iterator

from intinfer.ops import Add, Affine, Clamp, Conv2d, Dense, Gather, Op, Requant, SumPool, Table, Tgap, Threshold

from ...designs import Mistake
from ...ops import facts_of
from . import history, operands, results, solve
from .suspect import Family, Suspect

_OF_ANY: tuple[Family, ...] = (operands.mistakes, history.mistakes, results.mistakes)
_WEIGHTS = (solve.weights.mistakes, solve.inputs.permuted, solve.channels.groups, solve.inputs.read_anywhere)
_CHANNELS = solve.channels.mistakes

SOLVED: dict[type[Op], tuple[Family, ...]] = {
    Conv2d: (*_WEIGHTS, _CHANNELS, solve.sums.convolution),
    Dense: (*_WEIGHTS, _CHANNELS, solve.sums.constant),
    Threshold: (solve.constants.threshold, _CHANNELS),
    Requant: (solve.constants.scalars, _CHANNELS),
    Affine: (solve.constants.scalars, _CHANNELS, solve.sums.constant),
    Table: (solve.constants.entry, _CHANNELS),
    Tgap: (solve.constants.limit, _CHANNELS),
    Clamp: (solve.constants.limits, _CHANNELS),
    Gather: (solve.constants.fill, _CHANNELS),
    Add: (_CHANNELS, solve.sums.add),
    SumPool: (_CHANNELS, solve.sums.constant),
}
"""Solvers for the constants of an op; at any other op channels alone are solved for."""


def families_of(suspect: Suspect) -> Iterator[Iterator[Mistake]]:
    """In the order in which they are told."""
    yield from facts_of(suspect.scene.graph, suspect.node).families()
    for family in (*_OF_ANY, *SOLVED.get(type(suspect.op), (_CHANNELS,))):
        yield family(suspect, suspect.op)

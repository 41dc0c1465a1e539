"""All that explains a dump: every usual mistake of every node is tried, the dump's own node first.

Of a node those that its op's facts list, those that any op can make, and those whose numbers the dump tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from intinfer.errors import IntinferError
from intinfer.ops import Add, Affine, Clamp, Conv2d, Dense, Gather, Op, Requant, SumPool, Table, Tgap, Threshold

from ...designs import Mistake
from ...ops import facts_of
from ..hints import Case
from . import operands, results, solve
from .left_over import explains_later
from .scene import Scene, Values, WorkBudget
from .suspect import Family, Suspect, suspects

MAX_VALUES = 2**24
"""Values that are diagnosed; several copies of them are held in memory."""
SHOWN = 8
"""Explanations that are told."""
OF_A_FAMILY = 3
"""Of them, of one node and family: what explains little is explained by many that are alike."""

_OF_ANY: tuple[Family, ...] = (operands.mistakes, results.of_frames, results.mistakes)
_WEIGHTS = (solve.weights.mistakes, solve.inputs.permuted, solve.channels.groups, solve.inputs.read_anywhere)
_CHANNELS = solve.channels.mistakes

SOLVED: dict[type[Op], tuple[Family, ...]] = {
    Conv2d: (*_WEIGHTS, _CHANNELS, solve.sums.convolution, solve.first.sums),
    Dense: (*_WEIGHTS, _CHANNELS, solve.sums.constant, solve.first.sums),
    Threshold: (solve.constants.threshold, _CHANNELS),
    Requant: (solve.constants.scalars, _CHANNELS),
    Affine: (solve.constants.scalars, _CHANNELS, solve.sums.constant),
    Table: (solve.constants.entry, _CHANNELS),
    Tgap: (solve.constants.limit, _CHANNELS),
    Clamp: (solve.constants.limits, _CHANNELS),
    Gather: (solve.constants.fill, _CHANNELS),
    Add: (_CHANNELS, solve.sums.add),
    SumPool: (_CHANNELS, solve.sums.constant, solve.first.sums),
}
"""Solvers for the constants of an op; at any other op channels alone are solved for."""


@dataclass
class Diagnoses:
    """The causes of several dumps, with as much work for all of them together as for one.

    Attributes:
        causes: whether mistakes are looked for at all.
    """

    causes: bool = True
    _budget: WorkBudget = field(default_factory=WorkBudget)
    _values: dict[Path, Values] = field(default_factory=dict)

    def of(self, case: Case) -> tuple[str, ...]:
        """Mistakes that explain all differences of a dump, each after the node that makes it; none where none is known,
        or one that says why none is looked for."""
        if not self.causes or not case.complete:
            return ()
        if len(case.expected) > MAX_VALUES:
            return (f"none is looked for: two frames have {len(case.expected):,} values, more than {MAX_VALUES:,}",)
        try:
            vectors = case.vectors
            if vectors.directory not in self._values:
                self._values[vectors.directory] = Values(vectors.graph(), vectors)
            values = self._values[vectors.directory]
            scene = Scene.of(case, values.graph, values, self._budget)
            return tuple(told(scene)) if scene is not None and scene.wrong.any() else ()
        except IntinferError as error:
            return (f"none is looked for: {error}",)


def told(scene: Scene) -> list[str]:
    """The mistakes that explain a dump, those made all over first; the node of the dump before those that it reads."""
    found: dict[str, bool] = {}
    for suspect in suspects(scene):
        for text, partly in _explanations(suspect):
            found.setdefault(text, partly)
        if sum(not partly for partly in found.values()) >= SHOWN:
            break
    return sorted(found, key=lambda text: found[text])[:SHOWN]


def _explanations(suspect: Suspect) -> Iterator[tuple[str, bool]]:
    """What explains the dump, and whether it does so in some frames, channels, rows or columns alone."""
    solvers = (*_OF_ANY, *SOLVED.get(type(suspect.op), (_CHANNELS,)))
    listed = facts_of(suspect.scene.graph, suspect.node).families()
    for family in chain(listed, (solver(suspect, suspect.op) for solver in solvers)):
        for text, partly in islice(_of_family(suspect, family), OF_A_FAMILY):
            yield f"{suspect.node.name}: {text}{partly}", bool(partly)


def _of_family(suspect: Suspect, family: Iterator[Mistake]) -> Iterator[tuple[str, str]]:
    """Mistakes of a family that explain the dump, and in which part of it, of a kind the first alone; where none does,
    those that do so but for what was left before the first frame."""
    alone = len(suspect.scene.frames) < 2
    histories: list[Mistake] = []
    kinds: set[str] = set()
    found = False
    for mistake in family:
        if mistake.kind in kinds or (mistake.history and alone):
            continue
        if scope := suspect.explains(mistake):
            yield mistake.text, f", {scope.text}" if scope.text else ""
            found, kinds = True, kinds | {mistake.kind} - {""}
        elif mistake.history:
            histories.append(mistake)
    for mistake in histories if not found else ():
        if mistake.kind not in kinds and (scope := explains_later(suspect, mistake)):
            left = f", and in frame {suspect.scene.numbers[0]} what was left before it"
            yield mistake.text, (f", {scope.text}" if scope.text else "") + left
            kinds |= {mistake.kind} - {""}

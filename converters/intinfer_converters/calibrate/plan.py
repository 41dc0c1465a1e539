"""Where a float net needs activation quantisers so that every op has an exact integer meaning.

A walk keeps, for each node, what `lower` would have there: integers on one grid, or something that needs a quantiser
before it can be read by a convolution, a pool or a merge. Quantisers whose results meet in an add, a concat or a MUX
form a group: their scales must be a power of two apart, so that the merge is exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from .. import floatnet as f
from ..evaluator import Chain, affine_of


class Status(Enum):
    """What a node's value is before quantisers are added."""

    LEVELS = "integers on one grid that holds 0"
    MIXED = "integers, the channels on several grids a power of two apart"
    RAW = "an exact affine of integers, a channel: a sum, an average"
    CURVED = "a float chain that is not affine"


@dataclass(frozen=True)
class State:
    """A value: its status, its grid scale * integer + offset when no new quantiser made it, the new quantisers that
    made it, whether it is never negative, and whether only pointwise ops stand between it and the input."""

    status: Status
    grid: tuple[Fraction, Fraction] | None = None
    origins: frozenset[str] = frozenset()
    positive: bool = False
    early: bool = False


@dataclass(frozen=True)
class Point:
    """A quantiser to put behind the node `source`."""

    source: str
    signed: bool
    of_input: bool


@dataclass
class Plan:
    """Attributes:
    points: node name -> the quantiser behind it.
    reads: (node, input number) of every edge that reads the quantised value.
    outputs: names of outputs that are quantised.
    groups: sets of points whose scales are a power of two apart; `equal` those whose scales are the same.
    """

    points: dict[str, Point] = field(default_factory=dict)
    reads: set[tuple[str, int]] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)
    groups: list[frozenset[str]] = field(default_factory=list)
    equal: set[str] = field(default_factory=set)


READERS_OF_LEVELS = (f.Conv, f.Dense, f.AveragePool, f.GlobalAverage, f.GlobalSum, f.MaximumPool, f.ThresholdedMean)
MERGES = (f.Sum, f.Concatenate, f.Multiplex, f.BitshiftMean)
REARRANGEMENTS = (f.Gather, f.FlattenMap)
EXACT = (Status.LEVELS, Status.MIXED)


def make_plan(net: f.FloatNet) -> Plan:
    """The quantisers that `net` needs."""
    return _Planner(net).run()


class _Planner:
    def __init__(self, net: f.FloatNet) -> None:
        self.net = net
        self.plan = Plan()
        self.states: dict[str, State] = {}
        self.feeds = _feeds_quantised(net)

    def run(self) -> Plan:
        for node in self.net.nodes:
            inputs = [self.states[name] for name in node.inputs]
            for number in self._needed(node, inputs):
                inputs[number] = self._quantised(node.inputs[number])
                self.plan.reads.add((node.name, number))
            if isinstance(node.op, MERGES):
                self._group(node.op, inputs)
            self.states[node.name] = _state(node, inputs)
        for name, source in self.net.outputs.items():
            if self.states[source].status is Status.CURVED:
                self._quantised(source)
                self.plan.outputs.add(name)
        grouped = frozenset(name for group in self.plan.groups for name in group)
        self.plan.groups += [frozenset({name}) for name in self.plan.points if name not in grouped]
        return self.plan

    def _quantised(self, source: str) -> State:
        state = self.states[source]
        self.plan.points.setdefault(source, Point(source, not state.positive, state.early))
        return State(Status.LEVELS, None, frozenset({source}), state.positive)

    def _needed(self, node: f.FloatNode, inputs: list[State]) -> Iterable[int]:
        """The inputs that need a quantiser."""
        if isinstance(node.op, READERS_OF_LEVELS):
            return [i for i, x in enumerate(inputs) if x.status not in EXACT]
        if isinstance(node.op, REARRANGEMENTS):
            needed = node.name in self.feeds
            return [i for i, x in enumerate(inputs) if needed and x.status not in EXACT]
        if isinstance(node.op, MERGES):
            first = 1 if isinstance(node.op, f.Multiplex) else 0
            merged = inputs[first:]
            if all(x.status is Status.LEVELS and x.grid == merged[0].grid is not None for x in merged):
                return [0] if first and inputs[0].status is not Status.LEVELS else []
            allowed = EXACT if isinstance(node.op, f.Concatenate) else (Status.LEVELS,)
            return [i for i, x in enumerate(inputs) if x.status not in allowed or (i >= first and not x.origins)]
        return []

    def _group(self, op: f.FloatOp, inputs: list[State]) -> None:
        merged = inputs[1:] if isinstance(op, f.Multiplex) else inputs
        together = frozenset[str]().union(*(x.origins for x in merged))
        if not isinstance(op, f.Sum | f.Concatenate):
            self.plan.equal |= together
        if not together:
            return
        meeting = [group for group in self.plan.groups if group & together]
        self.plan.groups = [group for group in self.plan.groups if not group & together]
        self.plan.groups.append(together.union(*meeting))


def _feeds_quantised(net: f.FloatNet) -> set[str]:
    """Nodes behind which, through pointwise ops and rearrangements, something comes that reads levels."""
    found: set[str] = set()
    for node in reversed(net.nodes):
        passing = isinstance(node.op, (f.Pointwise, f.SelectChannels, *REARRANGEMENTS))
        if not passing or node.name in found:
            found.update(node.inputs)
    return found


def _state(node: f.FloatNode, inputs: list[State]) -> State:
    op = node.op
    if isinstance(op, f.Pixels):
        return State(Status.LEVELS, (Fraction(1), Fraction(0)), positive=op.lo >= 0, early=True)
    if isinstance(op, f.Pointwise):
        return _pointwise(op.chain, inputs[0], node.shape[0])
    if isinstance(op, f.Quantise):
        return State(Status.LEVELS, (Fraction(1), Fraction(0)), positive=_positive(op.chain, inputs[0].positive))
    if isinstance(op, f.ThresholdedMean | f.IntegerOp):
        return State(Status.LEVELS, (Fraction(1), Fraction(0)), positive=isinstance(op, f.ThresholdedMean))
    if isinstance(op, f.MaximumPool | f.SelectChannels | f.Gather | f.FlattenMap):
        positive = inputs[0].positive and not (isinstance(op, f.Gather) and op.fill < 0)
        return State(inputs[0].status, inputs[0].grid, inputs[0].origins, positive, inputs[0].early)
    merged = inputs[1:] if isinstance(op, f.Multiplex) else inputs
    positive = all(x.positive for x in merged)
    origins = frozenset[str]().union(*(x.origins for x in merged))
    if isinstance(op, f.Concatenate):
        return State(Status.LEVELS if len(origins) < 2 else Status.MIXED, merged[0].grid, origins, positive)
    if isinstance(op, f.Multiplex | f.BitshiftMean):
        return State(Status.LEVELS, merged[0].grid, origins, positive)
    if isinstance(op, f.Conv | f.Dense):
        positive = False
    if isinstance(op, f.Sum) and any(sign < 0 for sign in op.signs):
        positive = False
    return State(Status.RAW, positive=positive)


def _pointwise(chain: Chain, x: State, channels: int) -> State:
    """An affine keeps the levels when all channels share it and real 0 stays on the grid."""
    positive = _positive(chain, x.positive)
    affine = affine_of(chain, channels)
    if affine is None or x.status is Status.CURVED:
        return State(Status.CURVED, positive=positive, early=x.early)
    scale, offset = affine
    if x.status is Status.LEVELS and len(set(scale)) == len(set(offset)) == 1 and scale[0] > 0:
        if x.grid is None and offset[0] == 0:
            return State(Status.LEVELS, None, frozenset(), positive)
        if x.grid is not None:
            grid = (scale[0] * x.grid[0], scale[0] * x.grid[1] + offset[0])
            if (grid[1] / grid[0]).denominator == 1:
                return State(Status.LEVELS, grid, frozenset(), positive, x.early)
    return State(Status.RAW, positive=positive, early=x.early)


def _positive(chain: Chain, positive: bool) -> bool:
    """Whether the chain's result is never negative, shown from its primitives."""
    for primitive in chain:
        positive = primitive.positive(positive)
    return positive

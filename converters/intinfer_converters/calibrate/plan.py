"""Where a float net needs activation quantisers so that every op has an exact integer meaning.

A walk keeps, for each node, what `lower` would have there: integers on one grid, or something that needs a quantiser
before it can be read by a convolution, a pool or a merge. Quantisers whose results meet in an add, a concat or a MUX
form a group: their scales must be a power of two apart, so that the merge is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .. import floatnet as f
from ..floatnet.grids import OnGrid, Reads, Status


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


EXACT = (Status.LEVELS, Status.MIXED)
MERGES = (Reads.SUMMED, Reads.JOINED, Reads.CHOSEN)


def make_plan(net: f.FloatNet) -> Plan:
    """The quantisers that `net` needs."""
    return _Planner(net).run()


class _Planner:
    def __init__(self, net: f.FloatNet) -> None:
        self.net = net
        self.plan = Plan()
        self.states: dict[str, OnGrid] = {}
        self.feeds = _feeds_quantised(net)

    def run(self) -> Plan:
        for node in self.net.nodes:
            inputs = [self.states[name] for name in node.inputs]
            for number in self._needed(node, inputs):
                inputs[number] = self._quantised(node.inputs[number])
                self.plan.reads.add((node.name, number))
            if node.op.reads in MERGES:
                self._group(node.op, inputs)
            self.states[node.name] = node.op.on_grid(node.shape[0], *inputs)
        for name, source in self.net.outputs.items():
            if self.states[source].status is Status.CURVED:
                self._quantised(source)
                self.plan.outputs.add(name)
        grouped = frozenset(name for group in self.plan.groups for name in group)
        self.plan.groups += [frozenset({name}) for name in self.plan.points if name not in grouped]
        return self.plan

    def _quantised(self, source: str) -> OnGrid:
        state = self.states[source]
        self.plan.points.setdefault(source, Point(source, not state.positive, state.early))
        return OnGrid(Status.LEVELS, None, frozenset({source}), state.positive)

    def _needed(self, node: f.FloatNode, inputs: list[OnGrid]) -> list[int]:
        """The inputs that need a quantiser."""
        reads, first = node.op.reads, node.op.selects
        if reads is Reads.LEVELS or (reads is Reads.PASSED and node.name in self.feeds):
            return [i for i, x in enumerate(inputs) if x.status not in EXACT]
        if reads not in MERGES:
            return []
        merged = inputs[first:]
        if all(x.status is Status.LEVELS and x.grid == merged[0].grid is not None for x in merged):
            return [i for i in range(first) if inputs[i].status is not Status.LEVELS]
        allowed = EXACT if reads is Reads.JOINED else (Status.LEVELS,)
        return [i for i, x in enumerate(inputs) if x.status not in allowed or (i >= first and not x.origins)]

    def _group(self, op: f.FloatOp, inputs: list[OnGrid]) -> None:
        together = frozenset[str]().union(*(x.origins for x in inputs[op.selects :]))
        if op.reads is Reads.CHOSEN:
            self.plan.equal |= together
        if together:
            meeting = [group for group in self.plan.groups if group & together]
            self.plan.groups = [group for group in self.plan.groups if not group & together]
            self.plan.groups.append(together.union(*meeting))


def _feeds_quantised(net: f.FloatNet) -> set[str]:
    """Nodes behind which, through pointwise ops and rearrangements, something comes that reads levels."""
    found: set[str] = set()
    for node in reversed(net.nodes):
        passing = node.op.reads in (Reads.WAITING, Reads.PASSED)
        if not passing or node.name in found:
            found.update(node.inputs)
    return found

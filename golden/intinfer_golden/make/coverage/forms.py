"""What a channel of a value can hold, decided on its linear form over the nearest independent value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from intinfer.accumulator import Accumulator, Overflow
from intinfer.bounds import LinearForm, bounds_of
from intinfer.graph import Graph
from intinfer.ops.mac import Accumulating

from .group import Intervals
from .reach import Found, Sums

Place = tuple[int, ...]


@dataclass(frozen=True)
class Form:
    """The linear form of one element, and the sums it takes when its ancestor's elements are free in their ranges."""

    place: Place
    linear: LinearForm
    sums: Sums


class Answer(NamedTuple):
    """A form that takes a number of the interval, or none; `proven` when no form at all takes one."""

    form: Form | None
    number: int
    proven: bool


class Forms:
    """Linear forms of a graph, each made once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._ranges = bounds_of(graph).channels
        self._linear: dict[tuple[str, Place], LinearForm] = {}
        self._forms: dict[tuple[str, Place], Form] = {}
        self._places: dict[str, list[list[Place]]] = {}

    def places(self, value: str, channel: int) -> list[Place]:
        """Elements that stand for all of a channel, the one with the largest window first."""
        if value not in self._places:
            found = bounds_of(self.graph).forms(value)
            self._linear |= {(value, place): linear for row in found for place, linear in row}
            self._places[value] = [[place for place, _ in row] for row in found]
        return self._places[value][channel]

    def linear(self, value: str, place: Place) -> LinearForm:
        """The linear form of one element of a value."""
        return self._linear.get((value, place)) or bounds_of(self.graph).form(value, place)

    def at(self, value: str, place: Place) -> Form:
        """The form of one element of a value, and its sums."""
        key = (value, place)
        if key not in self._forms:
            linear = self.linear(value, place)
            lo, hi = (ends[linear.indices[:, 0]] for ends in self._ranges[linear.ancestor])
            self._forms[key] = Form(place, linear, Sums(linear.coefficients, lo, hi, linear.constant))
        return self._forms[key]

    def ends(self, value: str, channel: int) -> tuple[int, int]:
        """The lowest and highest number of a channel, as `bounds` proves them: never wider than what its forms span."""
        lo, hi = self._ranges[value]
        return int(lo[channel]), int(hi[channel])

    def find(self, value: str, channel: int, lo: int, hi: int, turn: int = 0) -> Answer:
        """An element of a channel, with a number of lo..hi that it takes; `turn` is the place to look at first."""
        proven = True
        places = self.places(value, channel)
        turn %= len(places)
        for place in (*places[turn:], *places[:turn]):
            form = self.at(value, place)
            found: Found = form.sums.find(lo, hi)
            if found.number is not None:
                return Answer(form, found.number, True)
            proven &= found.proven
        return Answer(None, 0, proven)


def without_overflow(graph: Graph, name: str) -> Graph:
    """The graph in which a node's accumulator is wide enough for every sum. Nothing is read behind the node."""
    op = graph.node(name).op
    assert isinstance(op, Accumulating)
    wide = op.accumulating(Accumulator.prove(62))
    return graph.up_to(name).with_ops(lambda node, _: wide if node.name == name else node.op)


def overflows(graph: Graph, name: str) -> Overflow | None:
    """The rule of a node whose sums may leave its accumulator; None when they never do."""
    node = graph.node_by_name.get(name)
    if node is None or not isinstance(node.op, Accumulating):
        return None
    return None if bounds_of(graph).fits(name) else node.op.accumulator.overflow


class Prover:
    """Marks the bins of `Intervals` that no input can hit, and finds numbers for the others."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._forms = {"": Forms(graph)}

    def forms(self, value: str, exact: bool) -> Forms:
        """The forms of a value, or of the exact sums of the node that makes it."""
        key = value if exact else ""
        if key not in self._forms:
            self._forms[key] = Forms(without_overflow(self._graph, value))
        return self._forms[key]

    def find(self, group: Intervals, index: int, turn: int = 0) -> Answer:
        """A form and number for a bin. A wrapping accumulator takes a number by any of its exact sums."""
        value, channel = group.value, int(group.channel[index])
        lo, hi = int(group.lo[index]), int(group.hi[index])
        rule = None if group.exact else overflows(self._graph, value)
        forms = self.forms(value, group.exact or rule is not None)
        if rule is None:
            return forms.find(value, channel, lo, hi, turn)
        accumulator = self._graph.node(value).op.accumulator.type  # type: ignore[attr-defined]
        inside = (max(lo, accumulator.lo), min(hi, accumulator.hi))
        if inside[0] > inside[1]:
            return Answer(None, 0, True)
        if rule is not Overflow.WRAP:  # partial sums may be clipped on the way: that exact sums miss it proves nothing
            answer = forms.find(value, channel, *inside)
            return answer if answer.form is not None else Answer(None, 0, False)
        span = accumulator.hi - accumulator.lo + 1
        least, most = forms.ends(value, channel)
        turns = range((least - inside[1]) // span, (most - inside[0]) // span + 1)
        proven = True
        for turn in sorted(turns, key=abs)[:MAX_TURNS]:
            answer = forms.find(value, channel, inside[0] + turn * span, inside[1] + turn * span)
            if answer.form is not None:
                return answer
            proven &= answer.proven
        return Answer(None, 0, proven and len(turns) <= MAX_TURNS)

    def prove(self, group: Intervals) -> None:
        """Exclude every open bin whose interval holds no number that the channel takes."""
        for index in group.open.nonzero()[0].tolist():
            answer = self.find(group, index)
            if answer.form is None and answer.proven:
                group.exclude([index], self._reason(group, index))

    def _reason(self, group: Intervals, index: int) -> str:
        channel, lo, hi = int(group.channel[index]), int(group.lo[index]), int(group.hi[index])
        what = f"{group.value!r} never holds {lo}" if lo == hi else f"{group.value!r} never lies in {lo}..{hi}"
        if lo > hi:
            return f"channel {channel}: no number lies between these thresholds"
        forms = self.forms(group.value, group.exact or overflows(self._graph, group.value) is not None)
        least, most = forms.ends(group.value, channel)
        units = {forms.at(group.value, place).sums.unit for place in forms.places(group.value, channel)}
        step = f" in steps of {units.pop()}" if len(units) == 1 and units != {1} else ""
        sums = "exact sums of " if group.exact else ""
        return f"{what}: {sums}channel {channel} reach {least}..{most}{step}"


MAX_TURNS = 256
"""Times a wrapping accumulator may go round before a number is searched instead of decided."""

"""`Bounds`: the proven range of every channel of every value, and of the sums inside accumulators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..accumulator import Accumulator, Overflow
from ..errors import GraphError
from ..graph import Graph, Node
from ..types import IntArray
from .forms import LINEAR, Box, Range, Sums, one_hot, pull_back, step
from .partial import partial_range
from .table import Table, of_single_elements
from .transfer import transfer
from .windows import Windows, representatives

Place = tuple[int, ...]
"""An element: (c, y, x), or (c,) of a vector."""

MAX_COEFFICIENTS = 2**20
"""Coefficients of one value held at once; sums of more are taken in several steps."""


@dataclass(frozen=True, eq=False)
class LinearForm:
    """value[at] = constant + sum over m of coefficients[m] * ancestor[indices[m]], for every input of the graph.

    Attributes:
        ancestor: a value's name: the nearest one that is an input of the graph, made by a node that is not linear
            (an accumulator that may overflow counts as such), or that joins several of these.
        indices: (M, ndim of the ancestor), all different, in order.
        coefficients: (M,), none of them 0.
        constant: what padding and offsets add.
    """

    ancestor: str
    indices: IntArray
    coefficients: IntArray
    constant: int

    def range(self, lo: int, hi: int) -> tuple[int, int]:
        """The lowest and the highest value when each element of the ancestor is any integer of lo..hi."""
        positive = sum(c for c in self.coefficients.tolist() if c > 0)
        negative = sum(c for c in self.coefficients.tolist() if c < 0)
        return self.constant + positive * lo + negative * hi, self.constant + positive * hi + negative * lo


class Bounds:
    """What is proven about a graph. Everything is computed when it is first asked for, and kept.

    The elements of the values that linear chains begin with count as independent, each anywhere in its channel's
    range; on that assumption the ranges of linear nodes are exact.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._ends = {value.name for value in graph.inputs}  # what linear chains begin with; _analyse adds to it
        self._ends |= {node.name for node in graph.nodes if node.op.kind not in LINEAR}
        self._analysed = False
        self._ranges: dict[str, Range] = {}
        self._sums: dict[str, Range] = {}
        self._windows = Windows(graph, self._ends, 0), Windows(graph, self._ends, 1)

    @property
    def channels(self) -> dict[str, Range]:
        """Proven range of each channel of each value, inputs included: lo and hi, (C,)."""
        self._analyse()
        return self._ranges

    def sums(self, name: str) -> Range:
        """Of each channel of a conv2d or dense node: the range of its exact sums, before the accumulator's rule."""
        self._analyse()
        return self._sums[name]

    def partial_sums(self, name: str, rule: Accumulator) -> Range:
        """Of each channel of a conv2d or dense node: the range of its partial sums after each fold of `rule` (which
        need not be the node's), the last included, while none of them overflows. Of very long chains, an outer
        bound."""
        self._analyse()
        return self._partial_sums(self.graph.node(name), rule)

    def fits(self, name: str) -> bool:
        """Whether the accumulator of a conv2d or dense node is proven never to overflow."""
        self._analyse()
        return name not in self._ends

    def form(self, value: str, at: tuple[int, ...]) -> LinearForm:
        """See `linear_form`."""
        shape = self._shape(value)
        if len(at) != len(shape) or not all(0 <= i < extent for i, extent in zip(at, shape, strict=True)):
            raise GraphError(f"value {value!r} has shape {shape}: there is no element {at}")
        return self._forms_at(value, np.array(at[:1]), at[1:])[0][0]

    def forms(self, value: str) -> list[list[tuple[Place, LinearForm]]]:
        """Of each channel, the places that `positions` lists with their forms; many times as fast as one by one."""
        shape = self._shape(value)
        found: list[list[tuple[Place, LinearForm]]] = [[] for _ in range(shape[0])]
        for pixel in self._pixels(value):
            start, count = 0, 1
            while start < shape[0]:  # the first channel alone tells how many to take at once
                part = np.arange(start, min(start + count, shape[0]))
                forms, widest = self._forms_at(value, part, pixel)
                for channel, form in zip(part.tolist(), forms, strict=True):
                    found[channel].append(((channel, *pixel), form))
                start, count = start + count, max(1, MAX_COEFFICIENTS // max(widest, shape[0]))
        return [sorted(forms, key=lambda form: -len(form[1].coefficients)) for forms in found]

    def _forms_at(self, value: str, channels: IntArray, pixel: tuple[int, ...]) -> tuple[list[LinearForm], int]:
        """The forms of some channels at a pixel, and how many coefficients of one were held on the way."""
        start = one_hot(channels, self.graph.values[value], *pixel)
        zero = np.zeros(len(channels), dtype=np.int64)
        sums = pull_back(self.graph, self._single_ends, Sums(zero, {value: start}))
        ancestor = self._ancestors[value] or value
        ndim = len(self._shape(ancestor))
        box = sums.boxes.get(ancestor, Box(0, 0, np.zeros((len(channels), 1, 1, 1), dtype=np.int64)))
        corner = np.array([0, box.top, box.left])
        forms = []
        for row, constant in zip(box.coefficients, sums.constant.tolist(), strict=True):
            places = np.argwhere(row)
            forms.append(LinearForm(ancestor, (places + corner)[:, :ndim], row[tuple(places.T)], constant))
        return forms, sums.widest

    def positions(self, value: str, channel: int) -> list[Place]:
        """See `positions`."""
        shape = self._shape(value)
        if not 0 <= channel < shape[0]:
            raise GraphError(f"value {value!r} has {shape[0]} channels: there is no channel {channel}")
        found: list[Place] = [(channel, *pixel) for pixel in self._pixels(value)]
        return sorted(found, key=lambda at: -len(self.form(value, at).coefficients))

    def _pixels(self, value: str) -> list[tuple[int, ...]]:
        """One pixel (y, x) for each pattern of taps; () of a vector."""
        if len(self._shape(value)) == 1:
            return [()]
        rows, columns = (representatives(windows.classes(value)) for windows in self._single_windows)
        return [(y, x) for y in rows for x in columns]

    def _shape(self, value: str) -> tuple[int, ...]:
        if value not in self.graph.values:
            raise GraphError(f"no value named {value!r} in the graph")
        return self.graph.values[value].shape

    @cached_property
    def _ancestors(self) -> dict[str, str | None]:
        """The one value that the form of each value is on; None for a constant."""
        self._settle_ends()
        found: dict[str, str | None] = {}
        for name, value in self.graph.values.items():
            if value.type.lo == value.type.hi:
                found[name] = None
            elif name in self._ends:
                found[name] = name
            else:
                begins = {found[i] for i in self.graph.node_by_name[name].inputs} - {None}
                found[name] = begins.pop() if len(begins) == 1 else name
        return found

    @cached_property
    def _single_ends(self) -> set[str]:
        return {name for name, ancestor in self._ancestors.items() if name == ancestor}

    @cached_property
    def _single_windows(self) -> tuple[Windows, Windows]:
        return Windows(self.graph, self._single_ends, 0), Windows(self.graph, self._single_ends, 1)

    def _settle_ends(self) -> None:
        """Ranges are needed only to see whether an accumulator may overflow that is not proven by its type."""
        rules = (_rule(node) for node in self.graph.nodes)
        if any(rule is not None and rule.overflow is not Overflow.PROVE for rule in rules):
            self._analyse()

    def _analyse(self) -> None:
        if self._analysed:
            return
        tables: dict[str, Table] = {}
        for value in self.graph.inputs:
            channels = np.ones(value.shape[0], dtype=np.int64)
            self._ranges[value.name] = channels * value.type.lo, channels * value.type.hi
        for node in self.graph.nodes:
            self._ranges[node.name] = self._node(node, tables)
        self._analysed = True

    def _node(self, node: Node, tables: dict[str, Table]) -> Range:
        inputs = [self.graph.values[name] for name in node.inputs]
        if node.op.kind not in LINEAR:
            return transfer(node, inputs, [self._ranges[name] for name in node.inputs])
        if node.op.kind == "flatten" and node.inputs[0] in tables:
            return tables[node.inputs[0]].elements()
        table = self._linear(node, tables)
        sums = table.channels()
        rule = _rule(node)
        if rule is not None:
            self._sums[node.name] = sums
            overflows = self._overflows(node, rule)
            if overflows.any():
                self._ends.add(node.name)
                return _after_overflow(sums, rule, overflows)
        tables[node.name] = table
        return sums

    def _linear(self, node: Node, tables: Mapping[str, Table]) -> Table:
        """The table of a linear node's sums."""
        rows, columns = (windows.classes_of_reads(node.name) for windows in self._windows)
        ys, xs = representatives(rows), representatives(columns)
        lo = np.empty((node.output.shape[0], len(ys), len(xs)), dtype=np.int64)
        hi = np.empty_like(lo)
        for i, y in enumerate(ys):
            for j, x in enumerate(xs):
                lo[:, i, j], hi[:, i, j] = self._at(node, y, x, tables)
        return Table(lo, hi, rows, columns)

    def _at(self, node: Node, y: int, x: int, tables: Mapping[str, Table]) -> Range:
        """The range of each channel's sum at one pixel."""
        channels = node.output.shape[0]
        lo, hi = np.empty(channels, dtype=np.int64), np.empty(channels, dtype=np.int64)
        start, count = 0, 1
        most = max(32, channels // getattr(node.op, "groups", 1))  # one group at a time is faster, if it is large
        while start < channels:  # the first channel alone tells how many to take at once
            part = np.arange(start, min(start + count, channels))
            first = step(self.graph, node, one_hot(part, node.output, y, x))
            known, widest = of_single_elements(first, tables), channels
            if known is None:
                sums = pull_back(self.graph, self._ends, first)
                known, widest = sums.extremes(self._ranges), sums.widest
            lo[part], hi[part] = known
            start, count = start + count, max(1, min(most, MAX_COEFFICIENTS // max(widest, channels)))
        return lo, hi

    def _overflows(self, node: Node, rule: Accumulator) -> Any:
        """Of each channel: whether its accumulator may overflow."""
        if rule.overflow is Overflow.PROVE:
            return np.zeros(node.output.shape[0], dtype=bool)
        overflows = _outside(self._sums[node.name], rule)
        if not rule.sequential:
            return overflows
        # Partial sums take long, and where a channel overflows already the chain ends here whatever they are.
        return overflows | True if overflows.any() else _outside(self._partial_sums(node, rule), rule)

    def _partial_sums(self, node: Node, rule: Accumulator) -> Range:
        ys, xs = (representatives(windows.classes_of_reads(node.name)) for windows in self._windows)
        found = [partial_range(self.graph, self._ends, self._ranges, node, rule, y, x) for y in ys for x in xs]
        return np.min([lo for lo, _ in found], axis=0), np.max([hi for _, hi in found], axis=0)


def _rule(node: Node) -> Accumulator | None:
    rule: Accumulator | None = getattr(node.op, "accumulator", None)
    return rule


def _outside(sums: Range, rule: Accumulator) -> Any:
    return (sums[0] < rule.type.lo) | (sums[1] > rule.type.hi)


def _after_overflow(sums: Range, rule: Accumulator, overflows: Any) -> Range:
    """A wrapped or saturated channel may hold anything; one that traps holds an exact sum whenever a run ends."""
    lo, hi = np.clip(sums[0], rule.type.lo, rule.type.hi), np.clip(sums[1], rule.type.lo, rule.type.hi)
    if rule.overflow is Overflow.TRAP:
        return lo, hi
    return np.where(overflows, rule.type.lo, lo), np.where(overflows, rule.type.hi, hi)

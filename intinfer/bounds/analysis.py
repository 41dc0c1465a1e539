"""`Bounds`: the proven range of every channel of every value, and of the sums inside accumulators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..accumulator import Accumulator, Overflow
from ..errors import GraphError
from ..graph import Graph, Node
from ..ops import Conv2d, Flatten
from ..ops.base import Nonlinear
from ..ops.linear import Box
from ..ops.mac import Accumulating
from ..types import IntArray, Range
from .forms import LinearSums, RangeTable, of_single_elements, one_hot, pull_back, step
from .partial import partial_range
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
        self._ends |= {node.name for node in graph.nodes if not node.op.linear}
        self._analysed = False
        self._ranges: dict[str, Range] = {}
        self._sums: dict[str, Range] = {}
        self._windows = Windows(graph, self._ends, 0), Windows(graph, self._ends, 1)

    @property
    def channels(self) -> dict[str, Range]:
        """The proven lowest and highest value of each channel of every value by name, inputs included, int64 (C,) each.

        Never wider than the value's type. Exact along linear chains, over all border patterns, when what the chain
        begins with may be anything in the range of its channel.
        """
        self._analyse()
        return self._ranges

    def sums(self, name: str) -> Range:
        """Give for each channel of a conv2d or dense node the range of its sums, before the accumulator's rule."""
        self._analyse()
        return self._sums[name]

    def partial_sums(self, name: str, rule: Accumulator) -> Range:
        """Give for each channel of a conv2d or dense node the range of its partial sums after each fold of `rule`
        (which need not be the node's), the last included, while none of them overflows; for very long chains an outer
        bound."""
        self._analyse()
        return self._partial_sums(self.graph.node(name), rule)

    def fits(self, name: str) -> bool:
        """Tell whether the accumulator of a conv2d or dense node is proven never to overflow."""
        self._analyse()
        return name not in self._ends

    def form(self, value: str, at: tuple[int, ...]) -> LinearForm:
        """Say what one element of a value is in terms of the nearest value before it that is not linear.

        Which ops are linear these say themselves (`ops.linear.Linear`); conv2d and dense are where their accumulator is
        proven not to overflow. A value that joins several values which are not linear (an add of two activations)
        ends the form, as does one that is itself an input or made by another op: its form is the element itself.

        Args:
            at: (c, y, x), or (c,) of a vector.

        Raises:
            GraphError: no such value or element.
        """
        shape = self._shape(value)
        if len(at) != len(shape) or not all(0 <= i < extent for i, extent in zip(at, shape, strict=True)):
            raise GraphError(f"value {value!r} has shape {shape}: there is no element {at}")
        (sums,) = self._pulled(value, np.array(at[:1]), at[1:])
        return next(self._forms(value, sums))

    def forms(self, value: str) -> list[list[tuple[Place, LinearForm]]]:
        """List for each channel of a value (element, its `form`) for each of its `positions`, in their order: much
        faster than one by one. Raises GraphError when there is no such value."""
        pixels = self._pixels(value)
        rows = zip(*(self.forms_at(value, pixel) for pixel in pixels), strict=True)
        found = [
            [((channel, *pixel), form) for pixel, form in zip(pixels, row, strict=True)]
            for channel, row in enumerate(rows)
        ]
        return [sorted(forms, key=lambda form: -len(form[1].coefficients)) for forms in found]

    def forms_at(self, value: str, pixel: Place) -> list[LinearForm]:
        """Give for each channel the form of its element at a pixel (y, x), () of a vector."""
        channels = np.arange(self._shape(value)[0])
        return [form for sums in self._pulled(value, channels, pixel) for form in self._forms(value, sums)]

    def ranges_at(self, value: str, pixel: Place) -> Range:
        """Give for each channel of a value the range of the `form` of its element at a pixel (y, x), () of a vector.

        Raises GraphError when there is no such value.
        """
        self._analyse()
        channels = np.arange(self._shape(value)[0])
        found = [sums.extremes(self._ranges) for sums in self._pulled(value, channels, pixel)]
        return np.concatenate([lo for lo, _ in found]), np.concatenate([hi for _, hi in found])

    def _pulled(self, value: str, channels: IntArray, pixel: Place) -> Iterator[LinearSums]:
        """Elements of some channels at a pixel in terms of their ancestor."""
        start, count = 0, 1
        while start < len(channels):  # the first channel alone tells how many to take at once
            part = channels[start : start + count]
            box = one_hot(part, self.graph.values[value], *pixel)
            zero = np.zeros(len(part), dtype=np.int64)
            sums = pull_back(self.graph, self._single_ends, LinearSums(zero, {value: box}))
            yield sums
            start, count = start + count, max(1, MAX_COEFFICIENTS // max(sums.widest, self._shape(value)[0]))

    def _forms(self, value: str, sums: LinearSums) -> Iterator[LinearForm]:
        """Give one form for each sum."""
        ancestor, rows = self._ancestors[value] or value, len(sums.constant)
        box = sums.boxes.get(ancestor, Box(0, 0, np.zeros((rows, 1, 1, 1), dtype=np.int64)))
        row, *places = box.coefficients.nonzero()
        indices = np.stack(places, axis=1) + np.array([0, box.top, box.left])
        coefficients = box.coefficients[row, *places]
        ends = row.searchsorted(np.arange(1, rows))
        parts = zip(np.split(indices, ends), np.split(coefficients, ends), sums.constant.tolist(), strict=True)
        ndim = len(self._shape(ancestor))
        return (LinearForm(ancestor, some[:, :ndim], numbers, constant) for some, numbers, constant in parts)

    def positions(self, value: str, channel: int) -> list[Place]:
        """A few elements (c, y, x) of a channel whose forms stand for all of the channel, up to a shift: one for each
        pattern of taps inside the map and in the padding, the largest form first. Of a vector: (c,) alone.

        Raises:
            GraphError: no such value or channel.
        """
        shape = self._shape(value)
        if not 0 <= channel < shape[0]:
            raise GraphError(f"value {value!r} has {shape[0]} channels: there is no channel {channel}")
        found: list[Place] = [(channel, *pixel) for pixel in self._pixels(value)]
        return sorted(found, key=lambda at: -len(self.form(value, at).coefficients))

    def _pixels(self, value: str) -> list[tuple[int, ...]]:
        """Choose one pixel (y, x) for each pattern of taps; () of a vector."""
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
        tables: dict[str, RangeTable] = {}
        for value in self.graph.inputs:
            channels = np.ones(value.shape[0], dtype=np.int64)
            self._ranges[value.name] = channels * value.type.lo, channels * value.type.hi
        for node in self.graph.nodes:
            self._ranges[node.name] = self._node(node, tables)
        self._analysed = True

    def _node(self, node: Node, tables: dict[str, RangeTable]) -> Range:
        if isinstance(node.op, Nonlinear):
            inputs = [self.graph.values[name] for name in node.inputs]
            lo, hi = node.op.channel_range(inputs, [self._ranges[name] for name in node.inputs])
            return np.maximum(lo, node.output.type.lo), np.minimum(hi, node.output.type.hi)
        if isinstance(node.op, Flatten) and node.inputs[0] in tables:
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

    def _linear(self, node: Node, tables: Mapping[str, RangeTable]) -> RangeTable:
        """The table of a linear node's sums."""
        rows, columns = (windows.classes_of_reads(node.name) for windows in self._windows)
        ys, xs = representatives(rows), representatives(columns)
        lo = np.empty((node.output.shape[0], len(ys), len(xs)), dtype=np.int64)
        hi = np.empty_like(lo)
        for i, y in enumerate(ys):
            for j, x in enumerate(xs):
                lo[:, i, j], hi[:, i, j] = self._at(node, y, x, tables)
        return RangeTable(lo, hi, rows, columns)

    def _at(self, node: Node, y: int, x: int, tables: Mapping[str, RangeTable]) -> Range:
        """The range of each channel's sum at one pixel."""
        channels = node.output.shape[0]
        lo, hi = np.empty(channels, dtype=np.int64), np.empty(channels, dtype=np.int64)
        start, count = 0, 1
        groups = node.op.groups if isinstance(node.op, Conv2d) else 1
        most = max(32, channels // groups)  # one group at a time is faster, if it is large
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
        """Tell for each channel whether its accumulator may overflow."""
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
    return node.op.accumulator if isinstance(node.op, Accumulating) else None


def _outside(sums: Range, rule: Accumulator) -> Any:
    return (sums[0] < rule.type.lo) | (sums[1] > rule.type.hi)


def _after_overflow(sums: Range, rule: Accumulator, overflows: Any) -> Range:
    """A wrapped or saturated channel may hold anything; one that traps holds an exact sum whenever a run ends."""
    lo, hi = np.clip(sums[0], rule.type.lo, rule.type.hi), np.clip(sums[1], rule.type.lo, rule.type.hi)
    if rule.overflow is Overflow.TRAP:
        return lo, hi
    return np.where(overflows, rule.type.lo, lo), np.where(overflows, rule.type.hi, hi)

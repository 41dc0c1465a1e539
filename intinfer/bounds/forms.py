"""Linear forms pulled back through linear nodes: what a value is in terms of the values that its chain begins with.

Reverse accumulation: the coefficients on a node's output become coefficients on its inputs and a constant. All of
it is int64 modulo 2^64, which is exact: values are proven to stay within ±2^62, so the merged coefficients on a
value of at least two integers do too, and reduction modulo 2^64 commutes with every sum and product on the way.
A value of one integer only (lo = hi) is taken as the constant it is.

What follows without composing anything is read off a `RangeTable`, the ranges of a value by channel and class of pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..graph import Graph, Node, Value
from ..ops.linear import Box, Linear
from ..types import IntArray, Range


@dataclass(frozen=True, eq=False)
class LinearSums:
    """R sums: `constant` (R,) and, by the name of a value, the coefficients on it.

    `widest` is the largest number of coefficients a sum that was held on the way.
    """

    constant: IntArray
    boxes: Mapping[str, Box]
    widest: int = 0

    def extremes(self, ranges: Mapping[str, Range]) -> Range:
        """The lowest and the highest value of each sum, (R,), from the range of each channel of the values."""
        lo, hi = self.constant.copy(), self.constant.copy()
        for name, box in self.boxes.items():
            low, high = ranges[name]
            positive = np.maximum(box.coefficients, 0).sum(axis=(2, 3))
            negative = np.minimum(box.coefficients, 0).sum(axis=(2, 3))
            lo += positive @ low + negative @ high
            hi += positive @ high + negative @ low
        return lo, hi


def one_hot(channels: IntArray, value: Value, y: int = 0, x: int = 0) -> Box:
    """The values value[channels[r], y, x] themselves."""
    coefficients = np.zeros((len(channels), value.shape[0], 1, 1), dtype=np.int64)
    coefficients[np.arange(len(channels)), channels] = 1
    return Box(y, x, coefficients)


def pull_back(graph: Graph, ends: frozenset[str] | set[str], start: LinearSums) -> LinearSums:
    """`start` in terms of the values in `ends`; every other value on the way is made by a linear node.

    A box on a value in `ends` stays where it is, unless the value is a constant.
    """
    waiting = dict(start.boxes)
    done: dict[str, Box] = {}
    constant, widest = start.constant.copy(), 0
    while waiting:
        name = max(waiting, key=graph.place.__getitem__)  # its readers have all been pulled back
        box, type_ = waiting.pop(name), graph.values[name].type
        widest = max(widest, box.coefficients[:1].size)
        if type_.lo == type_.hi:
            constant += box.coefficients.sum(axis=(1, 2, 3)) * np.int64(type_.lo)
        elif name in ends:
            done[name] = box
        else:
            found = step(graph, graph.node_by_name[name], box)
            constant += found.constant
            for source, more in found.boxes.items():
                waiting[source] = waiting[source].merged(more) if source in waiting else more
    return LinearSums(constant, done, widest)


def step(graph: Graph, node: Node, box: Box) -> LinearSums:
    """Coefficients on the output of a linear node as coefficients on its inputs, overflow left out of account."""
    assert isinstance(node.op, Linear)
    constant, found = node.op.pull_back([graph.values[name] for name in node.inputs], box)
    boxes: dict[str, Box] = {}
    for name, part in zip(node.inputs, found, strict=True):
        if part is not None:
            boxes[name] = boxes[name].merged(part) if name in boxes else part
    return LinearSums(np.broadcast_to(constant, len(box.coefficients)), boxes)


@dataclass(frozen=True, eq=False)
class RangeTable:
    """Ranges of a value by channel and class of pixel: lo and hi (C, classes of rows, classes of columns)."""

    lo: IntArray
    hi: IntArray
    rows: IntArray
    columns: IntArray

    def channels(self) -> Range:
        """Give the range of each channel, over all classes of pixels."""
        return self.lo.min(axis=(1, 2)), self.hi.max(axis=(1, 2))

    def elements(self) -> Range:
        """Give the range of every element, in the order of `flatten`."""
        lo, hi = (ends[:, self.rows][:, :, self.columns].reshape(-1) for ends in (self.lo, self.hi))
        return lo, hi


def of_single_elements(sums: LinearSums, tables: Mapping[str, RangeTable]) -> Range | None:
    """The range of sums that are each of one element of one value, from that element's; None for any others.

    Nothing has to be composed there: however long a chain of such nodes is, each takes the time of one.
    """
    if len(sums.boxes) != 1:
        return None
    ((name, box),) = sums.boxes.items()
    table = tables.get(name)
    flat = box.coefficients.reshape(len(box.coefficients), -1)
    if table is None or (np.count_nonzero(flat, axis=1) > 1).any():
        return None
    place = (flat != 0).argmax(axis=1)
    channel, y, x = np.unravel_index(place, box.coefficients.shape[1:])
    at = channel, table.rows[box.top + y], table.columns[box.left + x]
    factor = flat[np.arange(len(flat)), place]
    ends = sums.constant + factor * table.lo[at], sums.constant + factor * table.hi[at]
    return np.minimum(*ends), np.maximum(*ends)

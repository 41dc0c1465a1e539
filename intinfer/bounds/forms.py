"""Linear forms pulled back through linear nodes: what a value is in terms of the values that its chain begins with.

Reverse accumulation: the coefficients on a node's output become coefficients on its inputs and a constant. All of
it is int64 modulo 2^64, which is exact: values are proven to stay within ±2^62, so the merged coefficients on a
value of at least two integers do too, and reduction modulo 2^64 commutes with every sum and product on the way.
A value of one integer only (lo = hi) is taken as the constant it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..graph import Graph, Node, Value
from ..ops.linear import Box, Linear
from ..types import IntArray, Range


@dataclass(frozen=True, eq=False)
class Sums:
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


def pull_back(graph: Graph, ends: frozenset[str] | set[str], start: Sums) -> Sums:
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
    return Sums(constant, done, widest)


def step(graph: Graph, node: Node, box: Box) -> Sums:
    """Coefficients on the output of a linear node as coefficients on its inputs, overflow left out of account."""
    assert isinstance(node.op, Linear)
    constant, found = node.op.pull_back([graph.values[name] for name in node.inputs], box)
    boxes: dict[str, Box] = {}
    for name, part in zip(node.inputs, found, strict=True):
        if part is not None:
            boxes[name] = boxes[name].merged(part) if name in boxes else part
    return Sums(np.broadcast_to(constant, len(box.coefficients)), boxes)

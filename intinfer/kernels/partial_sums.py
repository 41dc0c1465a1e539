"""What an accumulator holds on the way: the extremes of its partial sums, and where they leave a width first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..accumulator import Accumulator
from ..graph import Node, Value
from ..ops import Dense
from .base import Array
from .compiled import compiled
from .conv2d_portable import Conv2dPortable
from .dense_as_conv2d import as_conv2d


@dataclass(frozen=True, slots=True)
class Held:
    """What an accumulator held for one image: the lowest and the highest value, and the first that left the width.

    `first` is (channel, y, x, value, products added), by channel, then row, then column.
    """

    lo: int
    hi: int
    first: tuple[int, int, int, int, int] | None


class PartialSums:
    """The exact sums of a conv2d or dense node under an accumulator that need not be the node's.

    With a sequential rule, sums after each of its folds count; else the final ones only. No sum is wrapped, clipped
    or stopped.
    """

    def __init__(self, node: Node, inputs: Sequence[Value], rule: Accumulator) -> None:
        op: Any = node.op
        node = replace(node, op=replace(op, accumulator=rule))
        self.vector = isinstance(op, Dense)
        if self.vector:
            node, inputs = as_conv2d(node, inputs)
        self._plain = Conv2dPortable(node, inputs, None)
        self.products = len(self._plain.taps)
        self._fold = self._plain.fold if rule.sequential else self.products
        self._ends = np.int64(rule.type.lo), np.int64(rule.type.hi)
        self._shape = node.output.shape

    def look(self, x: Array) -> Held:
        """Follow the sums of one image, the node's input (C, H, W) or (C,)."""
        maps = x[:, None, None] if self.vector else x
        plain = self._plain
        found = _look(
            maps, plain.weights, plain.taps, plain.pad_values, *plain.geometry, self._fold, *self._ends, self._shape
        )
        lo, hi, *first = (int(number) for number in found)
        return Held(lo, hi, None if first[0] < 0 else (first[0], first[1], first[2], first[3], first[4]))


@compiled()
def _look(
    x, weights, taps, pad_values, sy, sx, top, left, dy, dx, group_outputs, group_inputs, fold, low, high, shape
):  # fmt: skip
    """Returns lowest, highest, and (channel, y, x, sum, products) of the first sum outside low..high, or -1s."""
    count = taps.shape[0]
    lowest, highest = np.int64(2**62), np.int64(-(2**62))
    first = np.int64(-1), np.int64(-1), np.int64(-1), np.int64(0), np.int64(0)
    for o in range(shape[0]):
        base = (o // group_outputs) * group_inputs
        for y in range(shape[1]):
            for q in range(shape[2]):
                total = np.int64(0)
                for t in range(count):
                    c = base + taps[t, 0]
                    row, column = y * sy + taps[t, 1] * dy - top, q * sx + taps[t, 2] * dx - left
                    inside = 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
                    total += weights[o, t] * (np.int64(x[c, row, column]) if inside else pad_values[c])
                    if t % fold == fold - 1 or t == count - 1:
                        lowest, highest = min(lowest, total), max(highest, total)
                        if first[0] < 0 and (total < low or total > high):
                            first = np.int64(o), np.int64(y), np.int64(q), total, np.int64(t + 1)
    return lowest, highest, first[0], first[1], first[2], first[3], first[4]

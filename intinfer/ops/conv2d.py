"""Convolution: acc[o, y, x] = sum over c, i, j of w[o, c, i, j] * pad(a)[group(o)*C/g + c, y*sy + i*dy, x*sx + j*dx].

The value *is* the accumulator after its overflow rule: thresholds are nodes of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..accumulator import Accumulator, TapOrder
from ..errors import GraphError
from ..graph import Shape, Value
from ..tensor import Weights
from ..types import LIMIT, IntArray, IntType
from .base import Op, OpCost, need_map
from .geometry import Pads, Pair, Window
from .mac import sum_range, weighted_sums


@dataclass(frozen=True, eq=False)
class Conv2d(Op):
    """2-D cross-correlation with any groups, stride, dilation and four pads.

    Attributes:
        weight: (O, I/groups, KH, KW).
        stride, dilation: (y, x).
        pads: (top, left, bottom, right).
        pad_value: the integer the border holds, one for all channels or one a channel; inside the input's type
            where there is a border.
        groups: divides input and output channels.
        accumulator: width and overflow rule.
    """

    kind: ClassVar[str] = "conv2d"
    weight: Weights
    stride: Pair
    pads: Pads
    pad_value: tuple[int, ...]
    dilation: Pair
    groups: int
    accumulator: Accumulator

    @property
    def window(self) -> Window:
        kernel = self.weight.shape[2:]
        return Window((kernel[0], kernel[1]), self.stride, self.pads, self.dilation)

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        (x,) = inputs
        channels, height, width = need_map(x)
        if len(self.weight.shape) != 4 or 0 in self.weight.shape:
            raise GraphError(f"weight has shape {self.weight.shape}, (O, I/groups, KH, KW) is needed")
        out_channels, group_channels = self.weight.shape[:2]
        if self.groups < 1 or channels != group_channels * self.groups or out_channels % self.groups:
            raise GraphError(
                f"{channels} input channels, weight {self.weight.shape} and {self.groups} groups do not fit: "
                "I = weight.shape[1] * groups, and groups must divide O"
            )
        if len(self.pad_value) not in (1, channels):
            raise GraphError(f"{len(self.pad_value)} pad values for {channels} channels; give 1 or one a channel")
        for value in self.pad_value:
            if abs(value) > LIMIT:  # without a border it is never read, but it is stored
                raise GraphError(f"pad value {value} is beyond ±2^62")
            if self.window.padded and not x.type.lo <= value <= x.type.hi:
                raise GraphError(f"pad value {value} is outside the input's type {x.type}")
        proven = sum_range(self.weight.values.reshape(out_channels, -1), x.type)
        return (out_channels, *self.window.output(height, width)), self.accumulator.infer(proven)

    def reference(self, *inputs: IntArray) -> IntArray:
        (x,) = inputs
        windows = self.window.view(self.window.pad(x, np.array(self.pad_value, dtype=np.int64)))
        images, channels, height, width = windows.shape[:4]
        grouped = windows.reshape(images, self.groups, channels // self.groups, *windows.shape[2:])
        weights = self.weight.values.reshape(self.groups, -1, *self.weight.shape[1:])
        if self.accumulator.order is TapOrder.KKC:  # taps: kernel row, kernel column, channel
            grouped, weights = grouped.transpose(0, 1, 3, 4, 5, 6, 2), weights.transpose(0, 1, 3, 4, 2)
        else:  # taps: channel, kernel row, kernel column
            grouped = grouped.transpose(0, 1, 3, 4, 2, 5, 6)
        taps = self.weight.values[0].size
        columns = grouped.reshape(images, self.groups, height * width, taps)
        weights = weights.reshape(self.groups, self.weight.shape[0] // self.groups, taps)
        sums = weighted_sums(columns, weights, self.accumulator, width)
        return sums.reshape(images, self.weight.shape[0], height, width)

    def cost(self, inputs: tuple[Value, ...], output: Value) -> OpCost:
        taps = self.weight.shape[1] * self.weight.shape[2] * self.weight.shape[3]
        macs = taps * output.size
        stored = self.weight.shape[0] * taps if self.weight.stored_bits else 0
        bops = macs * self.weight.encoding.bits * inputs[0].type.bits
        return OpCost(macs, stored, self.weight.stored_bits, bops)

"""Convolution: acc[o, y, x] = sum over c, i, j of w[o, c, i, j] * pad(a)[group(o)*C/g + c, y*sy + i*dy, x*sx + j*dx].

The value *is* the accumulator after its overflow rule: thresholds are nodes of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..accumulator import Accumulator, TapOrder
from ..errors import GraphError
from ..graph import Shape, Value
from ..matmul import integer_matmul
from ..tensor import IntTensor, Weights
from ..types import LIMIT, IntArray, IntType, Mask
from .base import Example, need_map
from .geometry import Pads, Pair, Window
from .linear import Box, Pulled, WindowedLinear
from .mac import Accumulating, Taps, largest, sum_range, weighted_sums


@dataclass(frozen=True, eq=False)
class Conv2d(WindowedLinear, Accumulating):
    """2-D cross-correlation with any groups, stride, dilation and four pads.

    Attributes:
        weight: (O, I/groups, KH, KW).
        stride, dilation: (y, x).
        pads: (top, left, bottom, right).
        pad_value: the integer the border holds, one for all channels or one a channel; inside the input's type
            where there is a border.
        groups: divides input and output channels.
        accumulator: width and overflow rule.

    Result:
        (O, OH, OW) with OH = floor((H + top + bottom - (dilation_y * (KH - 1) + 1)) / stride_y) + 1, OW likewise.
        With P the sum of a channel's positive weights and Q that of its negative ones, its exact sums lie in P * lo
        + Q * hi .. P * hi + Q * lo; the accumulator rule makes the result's range of the smallest that holds those
        of all channels (`types.md`).
    """

    kind = "conv2d"
    since = 1
    weight: Weights
    stride: Pair
    pads: Pads
    pad_value: tuple[int, ...]
    dilation: Pair
    groups: int
    accumulator: Accumulator

    @property
    def window(self) -> Window:
        """Kernel, stride, pads and dilation. Raises GraphError for a weight that has no kernel."""
        if len(self.weight.shape) != 4 or 0 in self.weight.shape:
            raise GraphError(f"weight has shape {self.weight.shape}, (O, I/groups, KH, KW) is needed")
        return Window((self.weight.shape[2], self.weight.shape[3]), self.stride, self.pads, self.dilation)

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse weights and groups that do not fit, pad values outside the input's type, and what the accumulator
        refuses."""
        (x,) = inputs
        channels, height, width = need_map(x)
        window = self.window
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
            if window.padded and not x.type.lo <= value <= x.type.hi:
                raise GraphError(f"pad value {value} is outside the input's type {x.type}")
        proven = sum_range(self.rows, x.type)
        return (out_channels, *window.output(height, width)), self.accumulator.infer(proven)

    def reference(self, *inputs: IntArray) -> IntArray:
        """Sum the products of each window under the accumulator's rule."""
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

    def rule_steps(self, height: int, width: int) -> int:
        """The type rule looks at weights only."""
        return 0

    def demand(self, inputs: Sequence[Value], out: Mask, select: Mask | None = None) -> tuple[Mask, ...]:
        """A live output channel reads its whole group."""
        live = np.asarray(out.reshape(self.groups, -1).any(axis=1))
        return (np.repeat(live, inputs[0].shape[0] // self.groups),)

    def taps(self, x: Value, order: TapOrder | None, y: int, column: int) -> Iterator[Taps]:
        """List the products of the sums at one pixel, a group of channels at a time."""
        channels, height, width = x.shape
        outputs, a_group, kh, kw = self.weight.shape
        taps = [(c, i, j) for c in range(a_group) for i in range(kh) for j in range(kw)]
        if order is TapOrder.KKC:
            taps.sort(key=lambda tap: (tap[1], tap[2], tap[0]))
        c, i, j = np.array(taps, dtype=np.int64).T
        ys = y * self.stride[0] + i * self.dilation[0] - self.pads[0]
        xs = column * self.stride[1] + j * self.dilation[1] - self.pads[1]
        outside = (ys < 0) | (ys >= height) | (xs < 0) | (xs >= width)
        pad_value = np.broadcast_to(np.array(self.pad_value, dtype=np.int64), (channels,))
        for group in range(self.groups):
            part = slice(group * outputs // self.groups, (group + 1) * outputs // self.groups)
            channel = group * a_group + c
            elements = np.stack([channel, np.where(outside, -1, ys), np.where(outside, -1, xs)], axis=1)
            yield Taps(part, self.weight.values[part][:, c, i, j], elements, np.where(outside, pad_value[channel], 0))

    def pull_back(self, inputs: Sequence[Value], box: Box) -> Pulled:
        """Spread the coefficients over the window that each sum reads; the border adds a constant."""
        (x,) = inputs
        channels = box.picked
        taps = self._taps(x, box.coefficients) if channels is None else self._taps_of_sums(x, channels)
        return self.spread(x, box, lambda i, j: taps[i, j], np.array(self.pad_value, dtype=np.int64))

    def _taps(self, x: Value, coefficients: IntArray) -> IntArray:
        """(KH, KW, R, C, h, w): coefficients on what each tap reads, from those (R, O, h, w) on the sums."""
        rows, outputs, height, width = coefficients.shape
        groups, (group_inputs, kh, kw) = self.groups, self.weight.shape[1:]
        weights = self.weight.values.reshape(groups, outputs // groups, group_inputs * kh * kw)
        columns = coefficients.reshape(rows, groups, outputs // groups, height * width)
        if groups == 1:  # behind a grouped convolution, a sum reads the channels of its group only
            used = coefficients.any(axis=(0, 2, 3))
            weights, columns = weights[:, used], columns[:, :, used]
        flat = columns.transpose(1, 0, 3, 2).reshape(groups, rows * height * width, columns.shape[2])
        product = integer_matmul(flat, weights, largest(flat) * largest(weights) * flat.shape[2])
        taps = product.reshape(groups, rows, height, width, group_inputs, kh, kw).transpose(5, 6, 1, 0, 4, 2, 3)
        return taps.reshape(kh, kw, rows, x.shape[0], height, width)

    def _taps_of_sums(self, x: Value, channels: IntArray) -> IntArray:
        """(KH, KW, R, C, 1, 1): the same for the sums of these channels themselves."""
        group_inputs, kh, kw = self.weight.shape[1:]
        taps = np.zeros((kh, kw, len(channels), x.shape[0], 1, 1), dtype=np.int64)
        for row, channel in enumerate(channels.tolist()):
            first = channel * self.groups // self.weight.shape[0] * group_inputs
            taps[:, :, row, first : first + group_inputs, 0, 0] = self.weight.values[channel].transpose(1, 2, 0)
        return taps

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        weight = IntTensor([[[[1, 0, -1]], [[1, 1, 1]]]], "ternary")
        return cls(weight, (2, 1), (0, 1, 0, 1), (0,), (1, 1), 1, Accumulator.prove(8)), (((2, 4, 5), IntType(0, 7)),)

"""A convolution or dense layer opened up: its taps as an array, and their weighted sum with anything changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from intinfer.accumulator import Accumulator, Overflow, TapOrder
from intinfer.ops import Conv2d, Dense
from intinfer.ops.geometry import Window
from intinfer.ops.mac import weighted_sums
from intinfer.types import IntArray

TAPS = 2**23
"""Taps that are held at a time."""
EXACT = Accumulator.prove(62)


@dataclass(frozen=True, eq=False)
class Mac:
    """Of a dense layer: a convolution of one pixel.

    Attributes:
        weight: (O, I/groups, KH, KW).
        rule: of the accumulator; a trap is not a design's affair, so exact.
        bounds: lowest and highest weight of the code.
    """

    weight: IntArray
    groups: int
    rule: Accumulator
    window: Window
    pad_value: npt.NDArray[np.int64]
    bounds: tuple[int, int]
    dense: bool

    @classmethod
    def of(cls, op: Conv2d | Dense) -> Mac:
        rule = EXACT if op.accumulator.overflow in (Overflow.PROVE, Overflow.TRAP) else op.accumulator
        bounds = op.weight.encoding.lo, op.weight.encoding.hi
        if isinstance(op, Dense):
            weight = op.weight.values[:, :, None, None]
            return cls(weight, 1, rule, Window((1, 1), (1, 1), (0, 0, 0, 0)), np.zeros(1, np.int64), bounds, True)
        pad = np.array(op.pad_value, dtype=np.int64)
        return cls(op.weight.values, op.groups, rule, op.window, pad, bounds, False)

    @property
    def inputs(self) -> int:
        """Channels of the input."""
        return int(self.weight.shape[1]) * self.groups

    def taps(self, x: IntArray) -> IntArray:
        """(N, C, OH, OW, KH, KW): what each weight of each output is multiplied with."""
        maps = x[:, :, None, None] if self.dense else x
        return self.window.view(self.window.pad(maps, self.pad_value))

    def sums(self, taps: IntArray, weight: IntArray | None = None, rule: Accumulator | None = None) -> IntArray:
        """What the node gives for these taps; with other weights or another accumulator where they are given."""
        weight, rule = self.weight if weight is None else weight, rule or self.rule
        images, channels, height, width = taps.shape[:4]
        grouped = taps.reshape(images, self.groups, channels // self.groups, *taps.shape[2:])
        weights = weight.reshape(self.groups, -1, *weight.shape[1:])
        if rule.order is TapOrder.KKC:
            grouped, weights = grouped.transpose(0, 1, 3, 4, 5, 6, 2), weights.transpose(0, 1, 3, 4, 2)
        else:
            grouped = grouped.transpose(0, 1, 3, 4, 2, 5, 6)
        count = int(np.prod(weight.shape[1:]))
        columns = grouped.reshape(images, self.groups, height * width, count)
        sums = weighted_sums(columns, weights.reshape(self.groups, -1, count), rule)
        return sums[:, :, 0] if self.dense else sums.reshape(images, len(weight), height, width)

    def run(self, x: IntArray, weight: IntArray | None = None, rule: Accumulator | None = None) -> IntArray:
        """The node with other weights or another accumulator; some frames at a time, as their taps take memory."""
        step = max(1, TAPS // max(1, self.taps(x[:1]).size))
        parts = [self.sums(self.taps(x[i : i + step]), weight, rule) for i in range(0, len(x), step)]
        return np.concatenate(parts)

    def finish(self, total: IntArray) -> IntArray:
        """The rule at the end of exact sums."""
        if self.rule is EXACT:
            return total
        if self.rule.overflow is Overflow.WRAP:
            return self.rule.wrap_sum(total)
        return np.clip(total, self.rule.type.lo, self.rule.type.hi)

    def one_output(self, channel: int) -> Mac:
        """Output `channel` alone, of the input channels of its group."""
        pad = self.pad_value[self.group_of(channel)] if len(self.pad_value) > 1 else self.pad_value
        return replace(self, weight=self.weight[channel : channel + 1], groups=1, pad_value=pad)

    def group_of(self, channel: int) -> slice:
        """The input channels that an output reads."""
        size = self.weight.shape[1]
        group = channel // (len(self.weight) // self.groups)
        return slice(group * size, (group + 1) * size)

    def place(self, channel: int, tap: int) -> str:
        """A weight of an output channel by its indices in the tensor."""
        at = [channel, *map(int, np.unravel_index(tap, self.weight.shape[1:]))]
        return f"weight[{','.join(map(str, at[:2] if self.dense else at))}]"

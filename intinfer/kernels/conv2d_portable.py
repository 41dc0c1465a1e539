"""Convolution as the definition reads: one product after the other, in the stated order, under any rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..accumulator import Overflow, TapOrder
from ..errors import RangeError
from ..graph import Node, Value
from ..types import IntArray
from .base import Array, UnfusedKernel, steps
from .compiled import compiled

RULES = (Overflow.PROVE, Overflow.WRAP, Overflow.SATURATE, Overflow.TRAP)


class Conv2dPortable(UnfusedKernel, op="conv2d"):
    """Every geometry, weight and accumulator rule, in int64."""

    name: ClassVar[str] = "conv2d_portable"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        self.bits = op.accumulator.bits
        self.rule = RULES.index(op.accumulator.overflow)
        outputs, a_group, kh, kw = op.weight.shape
        taps = [(c, i, j) for c in range(a_group) for i in range(kh) for j in range(kw)]
        if op.accumulator.order is TapOrder.KKC:
            taps.sort(key=lambda tap: (tap[1], tap[2], tap[0]))
        self.fold = min(op.accumulator.fold or 1, len(taps))
        self.taps = np.array(taps, dtype=np.int64)
        self.weights = np.stack([op.weight.values[:, c, i, j] for c, i, j in taps], axis=1).astype(np.int64)
        channels = inputs[0].shape[0]
        self.pad_values = np.broadcast_to(np.array(op.pad_value, dtype=np.int64), (channels,)).copy()
        stride, dilation = steps(op.window, node.output.shape)
        self.geometry = (*stride, op.pads[0], op.pads[1], *dilation, outputs // op.groups, a_group)

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        where = convolve(
            inputs[0], self.weights, self.taps, self.pad_values, *self.geometry,
            self.bits, self.rule, self.fold, channels, out,
        )  # fmt: skip
        if where[0] >= 0:
            raise RangeError(
                f"accumulator of {self.bits} bits reaches {where[3]} after {where[4]} of {len(self.taps)} products at "
                f"channel {where[0]}, pixel (y={where[1]}, x={where[2]})"
            )


@compiled()
def convolve(
    x, weights, taps, pad_values, sy, sx, top, left, dy, dx, group_outputs, group_inputs,
    bits, rule, fold, channels, out,
):  # fmt: skip
    """Returns (channel, y, x, sum, products) of the first trap, or -1s."""
    low, high = -(np.int64(1) << (bits - 1)), (np.int64(1) << (bits - 1)) - 1
    count = taps.shape[0]
    for k in range(channels.size):
        o = channels[k]
        base = (o // group_outputs) * group_inputs
        for y in range(out.shape[1]):
            for q in range(out.shape[2]):
                total = np.int64(0)
                for t in range(count):
                    c = base + taps[t, 0]
                    row, column = y * sy + taps[t, 1] * dy - top, q * sx + taps[t, 2] * dx - left
                    inside = 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
                    total += weights[o, t] * (np.int64(x[c, row, column]) if inside else pad_values[c])
                    if rule >= 2 and (t % fold == fold - 1 or t == count - 1):
                        if rule == 2:
                            total = min(max(total, low), high)
                        elif total < low or total > high:
                            return o, y, q, total, t + 1
                if rule == 1:
                    total = ((total - low) & ((np.int64(1) << bits) - 1)) + low
                out[o, y, q] = total
    return np.int64(-1), np.int64(-1), np.int64(-1), np.int64(0), np.int64(0)

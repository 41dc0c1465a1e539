"""Windows without weights: max pool, sum pool, and the thresholded global average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..graph import Node, Value
from ..types import LIMIT, IntArray
from .base import Array, UnfusedKernel, planes, steps
from .compiled import compiled


class _Pool(UnfusedKernel):
    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        window = op.window
        stride, dilation = steps(window, node.output.shape)
        self.geometry = (*window.kernel, *stride, window.pads[0], window.pads[1], *dilation)


class MaxPoolWindow(_Pool, op="max_pool"):
    name: ClassVar[str] = "max_pool_window"

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        pool(inputs[0], channels, True, *self.geometry, out)


class SumPoolWindow(_Pool, op="sum_pool"):
    name: ClassVar[str] = "sum_pool_window"

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        pool(inputs[0], channels, False, *self.geometry, out)


@compiled()
def pool(x, channels, largest, kh, kw, sy, sx, top, left, dy, dx, out):
    """Padded positions take no part: they add 0 to a sum and never win a maximum."""
    for k in range(channels.size):
        c = channels[k]
        for y in range(out.shape[1]):
            for q in range(out.shape[2]):
                total, best = np.int64(0), np.int64(np.iinfo(np.int64).min)
                for i in range(kh):
                    row = y * sy + i * dy - top
                    if row < 0 or row >= x.shape[1]:
                        continue
                    for j in range(kw):
                        column = q * sx + j * dx - left
                        if 0 <= column < x.shape[2]:
                            value = np.int64(x[c, row, column])
                            total += value
                            if value > best:
                                best = value
                out[c, y, q] = best if largest else total


class TgapSum(UnfusedKernel, op="tgap"):
    name: ClassVar[str] = "tgap_sum"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        _, height, width = inputs[0].shape
        # 2 * sum > N * h * w is sum > floor(N * h * w / 2). No sum exceeds LIMIT, the right side may leave int64.
        self.half = min(op.top * height * width // 2, LIMIT)

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        above_half(planes(inputs[0]), channels, self.half, out)


@compiled()
def above_half(x, channels, half, out):
    for k in range(channels.size):
        c = channels[k]
        total = np.int64(0)
        for p in range(x.shape[1]):
            total += np.int64(x[c, p])
        out[c] = 1 if total > half else 0

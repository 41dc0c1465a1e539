"""Convolution by shifted planes: no multiplication for ternary and binary weights, zero taps cost nothing.

The padded input is laid out as one plane a channel and stride phase, with a fixed pitch. For every tap of the
kernel, what the taps of all output pixels read is then one contiguous run of memory at a constant offset, so an
output channel is a sum of shifted runs: vector additions, whatever the map's size. The runs cross row ends; the
columns between them are computed and dropped.

Sums are taken modulo 2^16, 2^32 or 2^64. That is exact as soon as the *final* sum fits, which its type proves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..accumulator import Overflow
from ..graph import Node, Value
from ..ops import Conv2d, Threshold
from ..ops.geometry import Pair
from ..types import IntArray
from .base import Array, Kernel, steps
from .compiled import compiled
from .threshold_count import ThresholdTable, comparison_type, count_row

BLOCK = 1024
"""Pixels of one pass: the accumulator row stays in the first-level cache."""


class Conv2dPlanes(Kernel, op="conv2d"):
    """Any geometry and groups, accumulators that are proven to fit, optionally with its threshold."""

    name: ClassVar[str] = "conv2d_planes"

    @classmethod
    def refuses(cls, node: Node, inputs: Sequence[Value], fused: Node | None) -> str | None:
        assert isinstance(node.op, Conv2d)
        if node.op.accumulator.overflow is not Overflow.PROVE:
            return f"its accumulator may {node.op.accumulator.overflow}"
        if fused is not None and not isinstance(fused.op, Threshold):
            return f"it does not take {fused.op.kind} behind it"
        return None

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        self.accumulator = comparison_type(node.output.type)
        (sy, sx), dilation = steps(op.window, node.output.shape)
        channels, height, width = inputs[0].shape
        top, left, bottom, right = op.pads
        self.rows = -(-(height + top + bottom) // sy)
        self.pitch = -(-(width + left + right) // sx)
        out_height, out_width = node.output.shape[1:]
        self.run_length = (out_height - 1) * self.pitch + out_width
        self.plane = self.rows * self.pitch
        self.geometry = (top, left, sy, sx)
        self.planes_shape = (sy * sx * channels, self.rows, self.pitch)
        self.pad_values = np.broadcast_to(np.array(op.pad_value), (channels,)).astype(self.accumulator)
        self.offsets, self.weights, self.first, self.positive = self._taps(op, (sy, sx), dilation, channels)
        # Asked of the graph's weights: in the accumulator's container a large one may have become ±1.
        self.unit = bool(((op.weight.values >= -1) & (op.weight.values <= 1)).all())
        self.table = ThresholdTable(fused.op, node.output, self.accumulator) if fused is not None else None

    def _taps(self, op: Any, stride: Pair, dilation: Pair, channels: int) -> tuple[IntArray, Array, IntArray, IntArray]:
        """List for each output channel the offsets of its non-zero taps, positive weights first."""
        weight = op.weight.values
        outputs, a_group = weight.shape[:2]
        (sy, sx), (dy, dx) = stride, dilation
        o, c, i, j = np.nonzero(weight)
        channel = (o * op.groups // outputs) * a_group + c
        phase = (i * dy % sy) * sx + j * dx % sx
        offset = (phase * channels + channel) * self.plane + (i * dy // sy) * self.pitch + j * dx // sx
        value = weight[o, c, i, j]
        order = np.lexsort((offset, value < 0, o))
        count = np.bincount(o, minlength=outputs)
        positive = np.bincount(o[value > 0], minlength=outputs)
        first = np.concatenate([[0], np.cumsum(count)])
        return offset[order], value[order].astype(self.accumulator), first, positive

    def scratch(self) -> tuple[Array, ...]:
        planes = np.empty(self.planes_shape, dtype=self.accumulator).reshape(-1)
        counts = self.accumulator if self.table is None else self.table.counts
        return planes, np.empty(BLOCK, dtype=self.accumulator), np.empty(BLOCK, dtype=counts)

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        planes, row, counts = scratch
        lay_out(inputs[0], self.pad_values, self.geometry, planes.reshape(self.planes_shape))
        if self.table is None:
            # One compilation for all sums that are held alike, however few bits they need in the end.
            sums = out if out.dtype == self.accumulator else np.empty(out.shape, dtype=self.accumulator)
            convolve(
                planes, self.offsets, self.weights, self.first, self.positive, self.unit,
                channels, self.run_length, self.pitch, row, sums,
            )  # fmt: skip
            if sums is not out:
                out[channels] = sums[channels]
        else:
            convolve_and_count(
                planes, self.offsets, self.weights, self.first, self.positive, self.unit,
                channels, self.run_length, self.pitch, row, counts, *self.table.arrays, out,
            )  # fmt: skip


def lay_out(x: Array, pad_values: Array, geometry: tuple[int, int, int, int], planes: Array) -> None:
    """Padded input as `planes` [phase][channel][row][column], phase = (y mod sy) * sx + x mod sx."""
    top, left, sy, sx = geometry
    rows, pitch = planes.shape[1:]
    phases = planes.reshape(sy, sx, len(x), rows, pitch)
    phases[...] = pad_values[:, None, None]
    for py in range(sy):
        first_y = (py - top) % sy  # the first row of the map in this phase stands in row (first_y + top - py) / sy
        for px in range(sx):
            first_x = (px - left) % sx
            part = x[:, first_y::sy, first_x::sx]
            r, q = (first_y + top - py) // sy, (first_x + left - px) // sx
            target = phases[py, px, :, r : r + part.shape[1], q : q + part.shape[2]]
            target[...] = part[:, : target.shape[1], : target.shape[2]]


@compiled(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def add_runs(planes, start, n, offsets, first, last, row):
    """row[:n] += the runs first..last, four at a time."""
    t = first
    while t + 4 <= last:
        a = planes[start + offsets[t] : start + offsets[t] + n]
        b = planes[start + offsets[t + 1] : start + offsets[t + 1] + n]
        c = planes[start + offsets[t + 2] : start + offsets[t + 2] + n]
        d = planes[start + offsets[t + 3] : start + offsets[t + 3] + n]
        for x in range(n):
            row[x] += a[x] + b[x] + c[x] + d[x]
        t += 4
    for u in range(t, last):
        a = planes[start + offsets[u] : start + offsets[u] + n]
        for x in range(n):
            row[x] += a[x]


@compiled(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def sum_run(planes, start, n, offsets, weights, first, middle, last, unit, row):
    """row[:n] = the weighted sum of the runs first..last; with unit weights first..middle add, the rest subtract."""
    for x in range(n):
        row[x] = 0
    if unit:
        add_runs(planes, start, n, offsets, middle, last, row)
        for x in range(n):
            row[x] = -row[x]
        add_runs(planes, start, n, offsets, first, middle, row)
        return
    for t in range(first, last):
        w = weights[t]
        a = planes[start + offsets[t] : start + offsets[t] + n]
        for x in range(n):
            row[x] += w * a[x]


@compiled()
def convolve(planes, offsets, weights, first, positive, unit, channels, length, pitch, row, out):
    """Sums of the listed output channels, rows cut out of the runs."""
    width = out.shape[2]
    for start in range(0, length, row.size):
        n = min(row.size, length - start)
        for k in range(channels.size):
            o = channels[k]
            sum_run(planes, start, n, offsets, weights, first[o], first[o] + positive[o], first[o + 1], unit, row)
            _store(row, start, n, pitch, width, 0, 1, out[o])


@compiled()
def convolve_and_count(
    planes, offsets, weights, first, positive, unit, channels, length, pitch, row, counts, limits, down, base, step, out
):
    """Convolve as `convolve` does, then the thresholds' codes."""
    width = out.shape[2]
    for start in range(0, length, row.size):
        n = min(row.size, length - start)
        for k in range(channels.size):
            o = channels[k]
            sum_run(planes, start, n, offsets, weights, first[o], first[o] + positive[o], first[o + 1], unit, row)
            count_row(row, n, limits[o], down[o], counts)
            _store(counts, start, n, pitch, width, base, step, out[o])


@compiled(inline="always")
def _store(row, start, n, pitch, width, base, step, out):
    """out = base + step * row at the pixels of a run that are not between two rows."""
    y = start // pitch
    x = start - y * pitch
    i = 0
    while i < n:
        keep = min(width - x, n - i)
        for q in range(keep):
            out[y, x + q] = base + step * row[i + q]
        i += pitch - x
        y += 1
        x = 0

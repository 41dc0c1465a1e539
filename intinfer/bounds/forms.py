"""Linear forms pulled back through linear nodes: what a value is in terms of the values that its chain begins with.

Reverse accumulation: the coefficients on a node's output become coefficients on its inputs and a constant. All of
it is int64 modulo 2^64, which is exact: values are proven to stay within ±2^62, so the merged coefficients on a
value of at least two integers do too, and reduction modulo 2^64 commutes with every sum and product on the way.
A value of one integer only (lo = hi) is taken as the constant it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph import Graph, Node, Value
from ..matmul import integer_matmul
from ..ops.geometry import Window
from ..types import IntArray

Range = tuple[IntArray, IntArray]
"""Lowest and highest value of each channel, (C,) each."""

LINEAR = ("conv2d", "dense", "affine", "add", "concat", "channel_select", "sum_pool", "flatten")
"""The ops that are linear; conv2d and dense are where nothing overflows."""


@dataclass(frozen=True, eq=False)
class Box:
    """Coefficients of R sums on part of a value: `coefficients[r, c, y - top, x - left]`, 0 outside the box.

    A vector is a map of one pixel.
    """

    top: int
    left: int
    coefficients: IntArray

    def merged(self, other: Box) -> Box:
        """The sum of both, in a box that covers them."""
        top, left = min(self.top, other.top), min(self.left, other.left)
        bottom = max(box.top + box.coefficients.shape[2] for box in (self, other))
        right = max(box.left + box.coefficients.shape[3] for box in (self, other))
        total = np.zeros((*self.coefficients.shape[:2], bottom - top, right - left), dtype=np.int64)
        for box in (self, other):
            height, width = box.coefficients.shape[2:]
            y, x = box.top - top, box.left - left
            total[:, :, y : y + height, x : x + width] += box.coefficients
        return Box(top, left, total)


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
    inputs = [graph.values[name] for name in node.inputs]
    constant, found = _STEPS[node.op.kind](node.op, inputs, box)
    boxes: dict[str, Box] = {}
    for name, part in found:
        boxes[name] = boxes[name].merged(part) if name in boxes else part
    return Sums(constant, boxes)


_Found = tuple[IntArray, list[tuple[str, Box]]]


def _zero(box: Box) -> IntArray:
    return np.zeros(len(box.coefficients), dtype=np.int64)


def _conv2d(op: Any, inputs: list[Value], box: Box) -> _Found:
    (x,) = inputs
    picked = _picked(box.coefficients)
    taps = _taps_of_sums(op, x, picked) if picked is not None else _taps(op, x, box.coefficients)
    pad_value = np.broadcast_to(np.array(op.pad_value, dtype=np.int64), (x.shape[0],))
    return _spread(op.window, x, box, lambda i, j: taps[i, j], pad_value)


def _taps(op: Any, x: Value, coefficients: IntArray) -> IntArray:
    """(KH, KW, R, C, h, w): coefficients on what each tap reads, from those (R, O, h, w) on the sums."""
    rows, outputs, height, width = coefficients.shape
    group_inputs, kh, kw = op.weight.shape[1:]
    weights = op.weight.values.reshape(op.groups, outputs // op.groups, group_inputs * kh * kw)
    columns = coefficients.reshape(rows, op.groups, outputs // op.groups, height * width)
    if op.groups == 1:  # behind a grouped convolution, a sum reads the channels of its group only
        used = coefficients.any(axis=(0, 2, 3))
        weights, columns = weights[:, used], columns[:, :, used]
    flat = columns.transpose(1, 0, 3, 2).reshape(op.groups, rows * height * width, columns.shape[2])
    product = integer_matmul(flat, weights, _largest(flat) * _largest(weights) * flat.shape[2])
    taps = product.reshape(op.groups, rows, height, width, group_inputs, kh, kw).transpose(5, 6, 1, 0, 4, 2, 3)
    return taps.reshape(kh, kw, rows, x.shape[0], height, width)


def _taps_of_sums(op: Any, x: Value, channels: IntArray) -> IntArray:
    """(KH, KW, R, C, 1, 1): the same for the sums of these channels themselves."""
    group_inputs, kh, kw = op.weight.shape[1:]
    taps = np.zeros((kh, kw, len(channels), x.shape[0], 1, 1), dtype=np.int64)
    for row, channel in enumerate(channels.tolist()):
        first = channel * op.groups // op.weight.shape[0] * group_inputs
        taps[:, :, row, first : first + group_inputs, 0, 0] = op.weight.values[channel].transpose(1, 2, 0)
    return taps


def _picked(coefficients: IntArray) -> IntArray | None:
    """The channel of each row where every row is one channel of one pixel, as it stands."""
    rows, _, height, width = coefficients.shape
    if height * width != 1 or np.count_nonzero(coefficients) != rows:
        return None
    channels = coefficients[:, :, 0, 0].argmax(axis=1)
    return channels if (coefficients[np.arange(rows), channels] == 1).all() else None


def _sum_pool(op: Any, inputs: list[Value], box: Box) -> _Found:
    (x,) = inputs
    return _spread(op.window, x, box, lambda i, j: box.coefficients, np.zeros(x.shape[0], dtype=np.int64))


def _spread(window: Window, x: Value, box: Box, tap: Callable[[int, int], IntArray], pad_value: IntArray) -> _Found:
    """Add `tap(i, j)` (R, C, h, w), the coefficients of one tap over the box's pixels, up at the pixels it reads."""
    rows, channels, (height, width) = len(box.coefficients), x.shape[0], box.coefficients.shape[2:]
    ys = [_reads(box.top, height, window, 0, i, x.shape[1]) for i in range(window.kernel[0])]
    xs = [_reads(box.left, width, window, 1, j, x.shape[2]) for j in range(window.kernel[1])]
    top, bottom = _span(ys, window.stride[0])
    left, right = _span(xs, window.stride[1])
    target = np.zeros((rows, channels, max(0, bottom - top), max(0, right - left)), dtype=np.int64)
    padding = np.zeros((rows, channels), dtype=np.int64)
    for i, (y_part, y_first) in enumerate(ys):
        for j, (x_part, x_first) in enumerate(xs):
            coefficients = tap(i, j)
            inside = coefficients[:, :, y_part, x_part]
            if inside.size:
                y, x_ = y_first - top, x_first - left
                part = target[:, :, y :: window.stride[0], x_ :: window.stride[1]]
                part[:, :, : inside.shape[2], : inside.shape[3]] += inside
            if inside.shape[2:] != (height, width):
                padding += coefficients.sum(axis=(2, 3)) - inside.sum(axis=(2, 3))
    return padding @ pad_value, [(x.name, Box(top, left, target))] if target.size else []


def _reads(first: int, count: int, window: Window, axis: int, tap: int, extent: int) -> tuple[slice, int]:
    """Which of the pixels first .. first + count - 1 have this tap inside the map, and what the first of them reads."""
    stride, offset = window.stride[axis], tap * window.dilation[axis] - window.pads[axis]
    start = max(first, -(offset // stride))  # the first pixel with pixel * stride + offset >= 0
    stop = min(first + count, (extent - 1 - offset) // stride + 1)
    return slice(start - first, max(start, stop) - first), start * stride + offset


def _span(reads: Iterable[tuple[slice, int]], stride: int) -> tuple[int, int]:
    """First and behind the last pixel read by any tap."""
    ends = [(y, y + (part.stop - part.start - 1) * stride + 1) for part, y in reads if part.stop > part.start]
    return (min(y for y, _ in ends), max(y for _, y in ends)) if ends else (0, 0)


def _dense(op: Any, inputs: list[Value], box: Box) -> _Found:
    (x,) = inputs
    columns, matrix = box.coefficients[:, :, 0, 0], op.weight.values
    product = integer_matmul(columns, matrix, _largest(columns) * _largest(matrix) * columns.shape[1])
    return _zero(box), [(x.name, Box(0, 0, product[:, :, None, None]))]


def _affine(op: Any, inputs: list[Value], box: Box) -> _Found:
    constant = box.coefficients.sum(axis=(2, 3)) @ op.offset.values
    return constant, [(inputs[0].name, _scaled(box, op.multiplier.values[:, None, None]))]


def _add(op: Any, inputs: list[Value], box: Box) -> _Found:
    pairs = zip(op.multipliers, inputs, strict=True)
    return _zero(box), [(x.name, _scaled(box, np.int64(multiplier))) for multiplier, x in pairs]


def _scaled(box: Box, factor: Any) -> Box:
    return Box(box.top, box.left, box.coefficients * factor)


def _concat(op: Any, inputs: list[Value], box: Box) -> _Found:
    ends = np.cumsum([x.shape[0] for x in inputs])[:-1]
    parts = np.split(box.coefficients, ends, axis=1)
    return _zero(box), [(x.name, Box(box.top, box.left, part)) for x, part in zip(inputs, parts, strict=True)]


def _channel_select(op: Any, inputs: list[Value], box: Box) -> _Found:
    (x,) = inputs
    rows, _, height, width = box.coefficients.shape
    target = np.zeros((rows, x.shape[0], height, width), dtype=np.int64)
    indices = op.indices.values
    if len(np.unique(indices)) == len(indices):
        target[:, indices] = box.coefficients
    else:
        for channel, source in enumerate(indices.tolist()):
            target[:, source] += box.coefficients[:, channel]
    return _zero(box), [(x.name, Box(box.top, box.left, target))]


def _flatten(op: Any, inputs: list[Value], box: Box) -> _Found:
    (x,) = inputs
    shape = x.shape if len(x.shape) == 3 else (*x.shape, 1, 1)
    return _zero(box), [(x.name, Box(0, 0, box.coefficients.reshape(-1, *shape)))]


def _largest(array: IntArray) -> int:
    return max(int(array.max(initial=0)), -int(array.min(initial=0)))


_STEPS: dict[str, Callable[[Any, list[Value], Box], _Found]] = {
    "conv2d": _conv2d,
    "dense": _dense,
    "affine": _affine,
    "add": _add,
    "concat": _concat,
    "channel_select": _channel_select,
    "sum_pool": _sum_pool,
    "flatten": _flatten,
}

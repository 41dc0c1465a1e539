"""Convolution on planes, with what stands behind it: strides 1 and 2, padding in the margins, groups in any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..accumulator import Overflow
from ..graph import Node, Value
from ..ops import Conv2d
from ..ops.geometry import Pads
from ..types import IntArray, IntType
from .base import Array, steps
from .dot import SHAPES, DotKernel
from .dot import refuses as dot_refuses
from .planes import WIDEST, WORD, Encoding, Layout, Packing, map_shape, narrowest
from .rows import Arrangement

LARGEST = 2**28
"""Bytes of the planes of a value: places in them have 32 bits, and a graph has many."""


def operand(type_: IntType, weights: IntType) -> Encoding | None:
    """The encoding of most channels a plane with which products of inputs of a type and weights of a range are exact,
    or None where there is none."""
    if type_.hi - type_.lo <= 255 and weights.lo >= -128 and weights.hi <= 127:
        return narrowest(type_)
    if weights.lo < WORD.lo or weights.hi > WORD.hi:
        return None
    if type_.hi - type_.lo <= 65535:
        inside = WORD.lo <= type_.lo and type_.hi <= WORD.hi
        return Encoding(Packing.WORDS, 0 if inside else type_.lo - WORD.lo)
    for digit in range(15, 0, -1):
        if _digits_fit(digit, type_, weights):
            return Encoding(Packing.DIGITS, 0, digit)
    return None


def _digits_fit(digit: int, type_: IntType, weights: IntType) -> bool:
    upper = (weights.lo << digit, weights.hi << digit, type_.lo >> digit, type_.hi >> digit)
    return WORD.lo <= min(upper) and max(upper) <= WORD.hi


def _takes(encoding: Encoding, type_: IntType, weights: IntType) -> bool:
    """Whether products of inputs in this encoding, with weights of a range, are exact."""
    if encoding.packing is Packing.BYTES:
        return weights.lo >= -128 and weights.hi <= 127
    if encoding.packing is Packing.WORDS:
        return WORD.lo <= weights.lo and weights.hi <= WORD.hi
    return encoding.packing is Packing.DIGITS and _digits_fit(encoding.digit, type_, weights)


class Conv2dDot(DotKernel, op="conv2d"):
    """Strides 1 and 2 and groups; weights of 8 or 16 bits, sums of 32 that are proven to fit, thresholds if any."""

    name: ClassVar[str] = "conv2d_dot"

    @classmethod
    def convolution(cls, node: Node, inputs: Sequence[Value]) -> tuple[Node, Value]:
        """The node as a convolution, and its map."""
        return node, inputs[0]

    @classmethod
    def refuses(cls, node: Node, inputs: Sequence[Value], fused: Node | None) -> str | None:
        node, x = cls.convolution(node, inputs)
        op: Any = node.op
        if op.accumulator.overflow is not Overflow.PROVE:
            return f"its accumulator may {op.accumulator.overflow}"
        if (reason := dot_refuses(node.output.type, fused)) is not None:
            return reason
        if operand(x.type, weight_range(op)) is None:
            return f"no words hold inputs {x.type} and weights {weight_range(op)}"
        if max(op.pads) > WIDEST:
            return f"pads {op.pads} are wider than {WIDEST}"
        (_, stride), _ = steps(op.window, node.output.shape)
        if stride > 2:
            return f"it takes no stride of {stride} along x"
        _, height, width = x.shape
        pixels = (height + 2 * WIDEST) * (width + 2 * WIDEST)
        if 4 * pixels * max(len(op.weight.values), x.shape[0]) > LARGEST:
            return f"planes of {pixels} pixels are too large"
        return None

    @classmethod
    def wish(cls, node: Node, inputs: Sequence[Value]) -> Encoding | None:
        node, x = cls.convolution(node, inputs)
        assert isinstance(node.op, Conv2d)
        return operand(x.type, weight_range(node.op))

    @classmethod
    def padding(cls, node: Node, inputs: Sequence[Value]) -> tuple[Pads, tuple[int, ...]]:
        op: Any = cls.convolution(node, inputs)[0].op
        return op.pads, tuple(dict.fromkeys(op.pad_value)) if any(op.pads) else ()

    @classmethod
    def pad_values(cls, node: Node, inputs: Sequence[Value], encoding: Encoding) -> IntArray:
        node, x = cls.convolution(node, inputs)
        op: Any = node.op
        padding = op.pad_value if any(op.pads) else (encoding.base,)
        return np.array(np.broadcast_to(np.array(padding, dtype=np.int64), (x.shape[0],)))

    @classmethod
    def misplaced(cls, node: Node, inputs: Sequence[Value], maps: Sequence[Layout]) -> str | None:
        pads, values = cls.padding(node, inputs)
        node, value = cls.convolution(node, inputs)
        op: Any = node.op
        (x,) = maps
        if not _takes(x.encoding, value.type, weight_range(op)):
            return f"its input is stored as {x.encoding}"
        if any(pads) and values != (x.margin,):
            return f"the margins hold {x.margin}, not {values}"
        if x.repeats:
            return "a channel stands for two"
        natural = -(-len(x.planes) // x.encoding.packing.channels)
        if len(x.distinct) > natural * 4 // 3:
            return f"{len(x.planes)} channels lie in {len(x.distinct)} planes"
        return None

    @classmethod
    def arrange(cls, node: Node, maps: Sequence[Layout], output: Value, per_plane: int) -> Arrangement:
        """In natural order, or one map a channel in the order of the input's."""
        op: Any = cls.convolution(node, [Value("", map_shape(node.output.shape), output.type)])[0].op
        (x,) = maps
        order = _order(op, x, per_plane)
        (channels, _), _ = _tile(op, x, order)
        place = np.empty(output.shape[0], dtype=np.int64)
        place[order[order >= 0]] = np.flatnonzero(order >= 0)
        blocks = -(-len(order) // channels)
        return Arrangement(place // per_plane, place % per_plane, -(-blocks * channels // per_plane))

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        node, x = self.convolution(node, inputs)
        super().__init__(node, [x], fused)

    def bind(self, maps: Sequence[Layout], numbers: Sequence[int], output: Any) -> None:
        op: Any = self._node.op
        (x,) = maps
        order = _order(op, x, output.encoding.packing.channels)
        stride, _ = steps(op.window, self._node.output.shape)
        self._fill(maps, output, order, _tile(op, x, order)[0], stride, op.weight.values)

    def _types(self) -> Sequence[IntType]:
        return [self._inputs[0].type]

    def _bias(self, maps: Sequence[Layout], weight: IntArray) -> IntArray:
        return np.asarray(weight.reshape(len(weight), -1).sum(axis=1) * maps[0].encoding.base)

    def _steps(self, maps: Sequence[Layout], outputs: IntArray, weight: IntArray) -> tuple[IntArray, Array]:
        op: Any = self._node.op
        (x,) = maps
        channels, _, *kernel = weight.shape
        _, dilation = steps(op.window, self._node.output.shape)
        read = _read(op, outputs)
        planes = np.unique(x.planes[read])
        inside = np.zeros((channels, len(planes), x.encoding.packing.channels, *kernel), dtype=np.int64)
        inside[np.arange(channels)[:, None], np.searchsorted(planes, x.planes[read]), x.lanes[read]] = weight
        lanes = inside.transpose(3, 4, 1, 0, 2)
        row, column, plane = np.nonzero(lanes.any(axis=(3, 4)))
        used = lanes[row, column, plane]
        if x.encoding.packing is Packing.DIGITS:
            used = np.concatenate([used, used << x.encoding.digit], axis=-1)
        words = np.ascontiguousarray(used, dtype=np.int8 if x.encoding.packing is Packing.BYTES else np.int16)
        pixel = (row * dilation[0] - op.pads[0]) * x.geometry.pitch + column * dilation[1] - op.pads[1]
        return x.starts[planes[plane]] + 4 * (x.geometry.origin + pixel), words.view(np.int32)


def _read(op: Conv2d, outputs: IntArray) -> IntArray:
    """(outputs, inputs of a group) the input channels that output channels read."""
    total, group_inputs = op.weight.shape[:2]
    return outputs[:, None] * op.groups // total * group_inputs + np.arange(group_inputs)


def _order(op: Conv2d, x: Layout, per_plane: int) -> IntArray:
    """Output channels in the order in which they are written, -1 where there is none."""
    outputs, group_inputs = op.weight.shape[:2]
    if group_inputs > 1 or outputs != op.groups or per_plane != x.encoding.packing.channels:
        return np.arange(outputs)
    distinct = x.distinct
    order = np.full(len(distinct) * per_plane, -1)
    order[np.searchsorted(distinct, x.planes) * per_plane + x.lanes] = np.arange(outputs)
    return order


def _tile(op: Conv2d, x: Layout, order: IntArray) -> tuple[tuple[int, int], list[IntArray]]:
    """The shape of tiles that takes the fewest products and loads, with each block's planes of the input."""
    best: tuple[int, tuple[int, int], list[IntArray]] | None = None
    for shape in SHAPES:
        blocks = []
        for first in range(0, len(order), shape[0]):
            outputs = order[first : first + shape[0]]
            blocks.append(np.unique(x.planes[_read(op, outputs[outputs >= 0])]))
        cost = sum(map(len, blocks)) * (shape[0] + 1)
        if best is None or cost < best[0]:
            best = cost, shape, blocks
    assert best is not None
    return best[1], best[2]


def weight_range(op: Conv2d) -> IntType:
    """Of all weights and of their opposites, which descending channels take."""
    most = int(np.abs(op.weight.values).max(initial=0))
    return IntType(-most, most)

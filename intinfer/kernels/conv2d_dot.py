"""Convolution by dot products: planes in, planes out, sums and thresholds in registers between them.

A tile of output channels and pixels takes one step for each (tap, plane of the input): the step's offset says what is
read for 16 pixels at a time, the padding in the margins makes that a constant; a pixel has four channels as bytes, two
as words, or the two digits of a wide one. A multiply-and-add instruction gives each output channel of the tile its
share. Which steps there are is a table of offsets, so that kernel sizes, dilations, groups, digits and orders of
channels are one loop; steps that meet no weight but 0 are left out. Sums are taken modulo 2^32: exact as soon as the
final sum fits, which its type proves.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ..accumulator import Overflow
from ..graph import Node, Value
from ..ops import Conv2d
from ..ops.geometry import Pads
from ..types import IntArray, IntType
from .base import Array, steps
from .compiled import compiled
from .cpu import Products, products
from .levels import levels
from .levels import refuses as levels_refuse
from .planes import INT32, WIDEST, WORD, Encoding, Layout, Packing, map_shape, narrowest
from .quantisers import Form, Quantiser
from .rows import PLACE_BYTES, Arrangement, Column, Kept, PlanesKernel, vectors_of
from .tiles import tile_operations
from .vectors import number

LARGEST = 2**28
"""Bytes of the planes of a value: places in them have 32 bits, and a graph has many."""
SHAPES = {Products.VNNI: ((16, 1), (8, 2), (4, 4))}.get(products(), ((4, 1),) * 3)
"""Output channels and vectors of the tiles that the registers hold, by kind; four channels and one vector elsewhere."""


class Block(IntEnum):
    """Columns of a table of blocks, 64 bits each: addresses, and how many steps. A block is a tile's channels."""

    STEPS = 0
    OFFSETS = 1
    WEIGHTS = 2
    CONSTANTS = 3
    PLANES = 4


@lru_cache(maxsize=8)
def convolution(channels: int, count: int) -> Any:
    """The compiled function for tiles of `channels` output channels at `count` vectors.

    Columns of its row beside those of all: stride along x (1 or 2), packing of the input, of the output, its digit.
    """
    ops = tile_operations(channels, count)  # Numba knows functions by names of their own only
    biased, add_bytes, add_words = ops.biased, ops.add_bytes, ops.add_words
    add_even_bytes, add_even_words = ops.add_even_bytes, ops.add_even_words
    shifted, shifted_wide, counted, scaled = ops.shifted, ops.shifted_wide, ops.counted, ops.scaled
    put_bytes, put_words, put_dwords, put_digits = ops.put_bytes, ops.put_words, ops.put_dwords, ops.put_digits
    block_bytes, step_bytes, tile_bytes = 8 * len(Block), 4 * channels, PLACE_BYTES * count
    offsets_at, weights_at, constants_at, planes_at = (8 * column for column in list(Block)[1:])
    items_at, places_at, count_at, masks_at = (
        8 * column for column in (Column.ITEMS, Column.PLACES, Column.VECTORS, Column.MASKS)
    )
    stride_at, input_at, output_at, digit_at = (
        8 * column for column in (Column.FIRST, Column.SECOND, Column.THIRD, Column.FOURTH)
    )
    as_bytes, as_words, as_digits = (int(packing) for packing in (Packing.BYTES, Packing.WORDS, Packing.DIGITS))
    shift, wide_shift, count_form = (int(form) for form in (Form.SHIFT, Form.WIDE_SHIFT, Form.COUNT))

    @compiled(variant=f"{channels}x{count}")
    def convolve(row, chosen, memory):
        blocks, places, masks = number(row + items_at), number(row + places_at), number(row + masks_at)
        tiles, narrow, even = number(row + count_at), number(row + input_at) == as_bytes, number(row + stride_at) == 2
        packing, digit = number(row + output_at), number(row + digit_at)
        for k in range(number(chosen)):
            block = blocks + block_bytes * number(chosen + 8 + 8 * k)
            offsets, weights = number(block + offsets_at), number(block + weights_at)
            constants, planes = number(block + constants_at), number(block + planes_at)
            end = offsets + 8 * number(block)
            form, thresholds = number(constants), number(constants + 8)
            step, base = number(constants + 16), number(constants + 24)
            for t in range(tiles):
                place = places + tile_bytes * t
                sums = biased(constants)
                offset, weight = offsets, weights
                if narrow and not even:
                    while offset < end:
                        sums = add_bytes(sums, place, memory + number(offset), weight)
                        offset += 8
                        weight += step_bytes
                elif narrow:
                    while offset < end:
                        sums = add_even_bytes(sums, place, memory + number(offset), weight)
                        offset += 8
                        weight += step_bytes
                elif not even:
                    while offset < end:
                        sums = add_words(sums, place, memory + number(offset), weight)
                        offset += 8
                        weight += step_bytes
                else:
                    while offset < end:
                        sums = add_even_words(sums, place, memory + number(offset), weight)
                        offset += 8
                        weight += step_bytes
                if form == shift:
                    sums = shifted(sums, constants)
                elif form == wide_shift:
                    sums = shifted_wide(sums, constants)
                elif form == count_form:
                    sums = counted(sums, constants, thresholds)
                if step != 1 or base != 0:
                    sums = scaled(sums, step, base)
                if packing == as_bytes:
                    put_bytes(sums, place, planes, memory, masks)
                elif packing == as_words:
                    put_words(sums, place, planes, memory, masks)
                elif packing == as_digits:
                    put_digits(sums, place, planes, memory, masks, digit)
                else:
                    put_dwords(sums, place, planes, memory, masks)

    return convolve


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


class Conv2dDot(PlanesKernel, op="conv2d"):
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
        sums = node.output.type
        if sums.lo < -INT32.hi or sums.hi >= INT32.hi:  # both signs are compared with a limit one beyond
            return f"its sums {sums} leave 32 bits"
        if operand(x.type, weight_range(op)) is None:
            return f"no words hold inputs {x.type} and weights {weight_range(op)}"
        if fused is not None:
            if (reason := levels_refuse(fused.op, sums)) is not None:
                return reason
            if max(abs(fused.output.type.lo), abs(fused.output.type.hi)) > INT32.hi:
                return f"codes {fused.output.type} leave 32 bits"
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
        self._node, self._input = self.convolution(node, inputs)
        self._fused, self._kept = fused, Kept()

    def bind(self, maps: Sequence[Layout], numbers: Sequence[int], output: Any) -> None:
        op: Any = self._node.op
        (x,) = maps
        per_plane = output.encoding.packing.channels
        order = _order(op, x, per_plane)
        (channels, count), groups = _tile(op, x, order)
        order = np.concatenate([order, np.full(-len(order) % channels, -1)])
        weight, quantiser, bias = self._constants(op, x, output)
        first = int(output.starts[output.planes.min()])
        table = np.zeros((len(groups), len(Block)), dtype=np.int64)
        for i, (row, planes) in enumerate(zip(table, groups, strict=True)):
            block = order[i * channels : (i + 1) * channels]
            some = np.where(block < 0, block.max(), block)  # nobody reads what is computed for none
            offsets, dwords = self._steps(
                op, x, np.where(block[:, None, None, None] < 0, 0, weight[some]), some, planes
            )
            numbers = i * channels // per_plane + np.arange(-(-channels // per_plane))
            row[:] = [
                len(offsets), self._kept(offsets), self._kept(dwords),
                self._kept(quantiser.constants(some, bias[some])),
                self._kept(first + numbers * output.geometry.nbytes),
            ]  # fmt: skip
        stride, _ = steps(op.window, self._node.output.shape)
        places, masks = vectors_of(x.geometry, output, stride)
        places = np.concatenate([places, np.repeat(places[-1:], -len(places) % count, axis=0)])
        self.row = np.zeros(len(Column), dtype=np.int64)
        self.row[Column.KIND] = SHAPES.index((channels, count))
        self.row[Column.ITEMS] = self._kept(table)
        self.row[Column.PLACES] = self._kept(places.astype(np.int32))
        self.row[Column.VECTORS] = len(places) // count
        self.row[Column.MASKS] = self._kept(masks)
        self.row[Column.FIRST : Column.FOURTH + 1] = [
            stride[1],
            x.encoding.packing,
            output.encoding.packing,
            output.encoding.digit,
        ]
        self.items = np.empty(len(weight), dtype=np.int64)
        self.items[order[order >= 0]] = np.flatnonzero(order >= 0) // channels

    def _constants(self, op: Any, x: Layout, output: Layout) -> tuple[IntArray, Quantiser, IntArray]:
        """Weights, with the sign that makes thresholds rise; how sums become codes; and what sums start at."""
        weight, base, code = op.weight.values, x.encoding.base, output.encoding.base
        if self._fused is None:
            return weight, Quantiser.none(-code), weight.reshape(len(weight), -1).sum(axis=1) * base
        behind = levels(self._fused.op, len(weight))
        signed = np.where(behind.flipped[:, None, None, None], -weight, weight)
        flat = signed.reshape(len(signed), -1)
        positive, negative = (np.clip(flat, *ends).sum(axis=1) for ends in _SIGNS)
        type_ = self._input.type
        lo, hi = positive * type_.lo + negative * type_.hi, positive * type_.hi + negative * type_.lo
        quantiser = Quantiser.of(behind.limits, lo, hi, behind.step, behind.base - code)
        return signed, quantiser, flat.sum(axis=1) * base

    def _steps(
        self, op: Any, x: Layout, weight: IntArray, outputs: IntArray, planes: IntArray
    ) -> tuple[IntArray, Array]:
        """Offsets (S,) of what the steps of a block read, and their weights (S, channels) of 32 bits."""
        channels, _, *kernel = weight.shape
        _, dilation = steps(op.window, self._node.output.shape)
        read = _read(op, outputs)
        inside = np.zeros((channels, len(planes), x.encoding.packing.channels, *kernel), dtype=np.int64)
        inside[np.arange(channels)[:, None], np.searchsorted(planes, x.planes[read]), x.lanes[read]] = weight
        lanes = inside.transpose(3, 4, 1, 0, 2)
        row, column, plane = np.nonzero(lanes.any(axis=(3, 4)))
        used = lanes[row, column, plane]
        if x.encoding.packing is Packing.DIGITS:
            used = np.concatenate([used, used << x.encoding.digit], axis=-1)
        words = np.ascontiguousarray(used, dtype=np.int8 if x.encoding.packing is Packing.BYTES else np.int16)
        geometry = x.geometry
        pixel = (row * dilation[0] - op.pads[0]) * geometry.pitch + column * dilation[1] - op.pads[1]
        return x.starts[planes[plane]] + 4 * (geometry.origin + pixel), words.view(np.int32)


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


_SIGNS = ((0, None), (None, 0))


def weight_range(op: Conv2d) -> IntType:
    """Of all weights and of their opposites, which descending channels take."""
    most = int(np.abs(op.weight.values).max(initial=0))
    return IntType(-most, most)

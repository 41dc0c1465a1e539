"""Convolution by dot products of narrow numbers, a tile of outputs and pixels in registers, thresholds included.

A step of the innermost loop reads one vector of 16 pixels, 32 bits of each: four channels as bytes, two as words, or
the two digits of a wide one. A multiply-and-add instruction gives each output channel of the tile its share. Which
steps there are is a table of offsets, so that kernel sizes, dilations, groups and digits are one loop; steps that meet
no weight but 0 are left out. Sums are taken modulo 2^32: exact as soon as the final sum fits, which its type proves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ..accumulator import Overflow
from ..graph import Node, Shape, Value
from ..ops import Conv2d, Threshold
from ..types import IntArray, IntType
from .base import Array, Kernel, steps
from .compiled import compiled
from .cpu import Products, products
from .planes import Packing, Planes, pack, unpack
from .quantisers import MOST, Form, Quantiser
from .tiles import MASK_BYTES, PLACE_BYTES, Place, tile_operations
from .vectors import LANES, number

INT32 = IntType.twos_complement(32)
LARGEST = 2**30
"""Bytes of all planes of a value: offsets have 32 bits."""
SHAPES = {Products.VNNI: ((16, 1), (8, 2), (4, 4))}
"""Output channels and vectors of the tiles that the registers hold; four channels and one vector elsewhere."""
PACKINGS = tuple(Packing)


class Block(IntEnum):
    """Columns of a table of blocks, 64 bits each: addresses, and how many steps. A block is a tile's channels."""

    STEPS = 0
    OFFSETS = 1
    WEIGHTS = 2
    CONSTANTS = 3
    PLANES = 4


@lru_cache(maxsize=8)
def convolution(channels: int, count: int) -> Any:
    """The compiled function for tiles of `channels` output channels at `count` vectors."""
    ops = tile_operations(channels, count)  # Numba knows functions by names of their own only
    biased, add_bytes, add_words = ops.biased, ops.add_bytes, ops.add_words
    shifted, shifted_wide, counted, scaled = ops.shifted, ops.shifted_wide, ops.counted, ops.scaled
    put_bytes, put_words, put_dwords = ops.put_bytes, ops.put_words, ops.put_dwords
    block_bytes, step_bytes, tile_bytes = 8 * len(Block), 4 * channels, PLACE_BYTES * count
    offsets_at, weights_at, constants_at, planes_at = (8 * column for column in list(Block)[1:])
    as_bytes, as_words = PACKINGS.index(Packing.BYTES), PACKINGS.index(Packing.WORDS)
    shift, wide_shift, count_form = (int(form) for form in (Form.SHIFT, Form.WIDE_SHIFT, Form.COUNT))

    @compiled(variant=f"{channels}x{count}")
    def convolve(blocks, chosen, block_count, x, narrow, places, tiles, masks, out, packing):
        for k in range(block_count):
            block = blocks + block_bytes * number(chosen + 8 * k)
            offsets, weights = number(block + offsets_at), number(block + weights_at)
            constants, planes = number(block + constants_at), number(block + planes_at)
            end = offsets + 8 * number(block)
            form, thresholds = number(constants), number(constants + 8)
            step, base = number(constants + 16), number(constants + 24)
            for t in range(tiles):
                place = places + tile_bytes * t
                sums = biased(constants)
                offset, weight = offsets, weights
                if narrow:
                    while offset < end:
                        sums = add_bytes(sums, place, x + number(offset), weight)
                        offset += 8
                        weight += step_bytes
                else:
                    while offset < end:
                        sums = add_words(sums, place, x + number(offset), weight)
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
                    put_bytes(sums, place, planes, out, masks)
                elif packing == as_words:
                    put_words(sums, place, planes, out, masks)
                else:
                    put_dwords(sums, place, planes, out, masks)

    return convolve


@dataclass(frozen=True)
class Operand:
    """How the input is packed so that products with these weights are exact: see `Packing`."""

    packing: Packing
    base: int = 0
    digit: int = 0


def operand(type_: IntType, weights: IntType) -> Operand | None:
    """The narrowest packing for inputs of a type and weights of a range, or None where there is none."""
    spread = type_.hi - type_.lo
    if spread <= 255 and weights.lo >= -128 and weights.hi <= 127:
        return Operand(Packing.BYTES, _byte_base(type_))
    word = IntType.twos_complement(16)
    if weights.lo < word.lo or weights.hi > word.hi:
        return None
    if spread <= 65535:
        inside = word.lo <= type_.lo and type_.hi <= word.hi
        return Operand(Packing.WORDS, 0 if inside else type_.lo - word.lo)
    for digit in range(15, 0, -1):
        upper = (weights.lo << digit, weights.hi << digit, type_.lo >> digit, type_.hi >> digit)
        if word.lo <= min(upper) and max(upper) <= word.hi:
            return Operand(Packing.DIGITS, 0, digit)
    return None


class Conv2dDot(Kernel, op="conv2d"):
    """Any geometry and groups; weights of 8 or 16 bits, sums of 32 that are proven to fit, thresholds if any."""

    name: ClassVar[str] = "conv2d_dot"

    @classmethod
    def refuses(cls, node: Node, inputs: Sequence[Value], fused: Node | None) -> str | None:
        op = node.op
        assert isinstance(op, Conv2d)
        if op.accumulator.overflow is not Overflow.PROVE:
            return f"its accumulator may {op.accumulator.overflow}"
        sums = node.output.type
        if sums.lo < -INT32.hi or sums.hi >= INT32.hi:  # both signs are compared with a limit one beyond
            return f"its sums {sums} leave 32 bits"
        if operand(inputs[0].type, _weight_range(op)) is None:
            return f"no words hold inputs {inputs[0].type} and weights {_weight_range(op)}"
        if fused is not None:
            if not isinstance(fused.op, Threshold):
                return f"it does not take {fused.op.kind} behind it"
            if fused.op.thresholds.shape[1] > MOST:
                return f"{fused.op.thresholds.shape[1]} thresholds are more than {MOST}"
            if max(abs(fused.output.type.lo), abs(fused.output.type.hi)) > INT32.hi:
                return f"codes {fused.output.type} leave 32 bits"
        _, height, width = inputs[0].shape
        pixels = (height + op.pads[0] + op.pads[2]) * (width + op.pads[1] + op.pads[3])
        if 4 * pixels * max(len(op.weight.values), inputs[0].shape[0]) > LARGEST:
            return f"planes of {pixels} pixels are too large"
        return None

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        (x,) = inputs
        packed = operand(x.type, _weight_range(op))
        assert packed is not None
        stride, dilation = steps(op.window, node.output.shape)
        channels, height, width = x.shape
        self.input = Planes(channels, height, width, op.pads, stride, packed.packing, packed.base, packed.digit)
        self.pad_values = np.broadcast_to(np.array(op.pad_value, dtype=np.int64), (x.shape[0],)).copy()
        self.output = self._output(node.output.shape, (fused or node).output.type)
        self.narrow = packed.packing is Packing.BYTES
        self.shape, self.taps = self._tile(op)
        self._pack_blocks(op, x, fused, dilation)
        self._pack_places()

    def _output(self, shape: Shape, type_: IntType) -> Planes:
        """Rows with the input's pitch, so that a vector of inputs becomes a vector of outputs."""
        channels, height, width = shape
        word, base = IntType.twos_complement(16), 0
        if type_.hi - type_.lo <= 255:
            packing, base = Packing.BYTES, _byte_base(type_)
        else:
            packing = Packing.WORDS if word.lo <= type_.lo and type_.hi <= word.hi else Packing.DWORDS
        return Planes(channels, height, width, (0, 0, 0, self.input.pitch - width), (1, 1), packing, base)

    def _tile(self, op: Any) -> tuple[tuple[int, int], list[Any]]:
        """The shape of tiles that takes the fewest products and loads, with each block's planes of the input."""
        best: tuple[int, tuple[int, int], list[Any]] | None = None
        outputs, group_inputs = op.weight.shape[:2]
        per_group, per_plane = outputs // op.groups, self.input.packing.channels
        for shape in SHAPES.get(products(), ((4, 1),)):
            blocks = []
            for first in range(0, outputs, shape[0]):
                last = min(first + shape[0], outputs) - 1
                start = first // per_group * group_inputs
                stop = (last // per_group + 1) * group_inputs
                blocks.append((first, range(start // per_plane, -(-stop // per_plane))))
            cost = sum(len(planes) for _, planes in blocks) * (shape[0] + 1)
            if best is None or cost < best[0]:
                best = cost, shape, blocks
        assert best is not None
        return best[1], best[2]

    def _pack_blocks(self, op: Any, x: Value, fused: Node | None, dilation: tuple[int, int]) -> None:
        """Tables of steps, weights and constants of each block; they live as long as the kernel does."""
        weight = op.weight.values
        flipped = np.zeros(len(weight), dtype=bool)
        if fused is not None:  # z <= T is -z >= -T
            threshold: Any = fused.op
            flipped |= np.broadcast_to(threshold.descending.values, flipped.shape) == 1
        signed = np.where(flipped[:, None, None, None], -weight, weight)
        bias = signed.reshape(len(signed), -1).sum(axis=1) * self.input.base
        code = self.output.base
        quantiser = Quantiser.none(-code)
        if fused is not None:
            limits = np.broadcast_to(threshold.thresholds.values, (len(weight), threshold.thresholds.shape[1]))
            limits = np.where(flipped[:, None], -limits, limits)
            positive, negative = (np.clip(signed, *ends).reshape(len(signed), -1).sum(axis=1) for ends in _SIGNS)
            lo, hi = positive * x.type.lo + negative * x.type.hi, positive * x.type.hi + negative * x.type.lo
            quantiser = Quantiser.of(limits, lo, hi, threshold.step, threshold.base - code)
        channels = self.shape[0]
        self._kept: list[Array] = []
        table = np.zeros((len(self.taps), len(Block)), dtype=np.int64)
        for row, (first, planes) in zip(table, self.taps, strict=True):
            part = slice(first, first + channels)
            offsets, dwords = self._steps(op, signed, part, planes, dilation)
            constants = quantiser.constants(part, bias[part], channels)
            targets = self._targets(first)
            row[:] = [len(offsets), *(self._keep(a) for a in (offsets, dwords, constants, targets))]
        self.blocks = table

    def _steps(
        self, op: Any, signed: IntArray, part: slice, planes: range, dilation: tuple[int, int]
    ) -> tuple[IntArray, Array]:
        """Offsets (S,) of what the steps of a block read, and their weights (S, channels) of 32 bits."""
        outputs, group_inputs, *kernel = signed.shape
        channels, per_plane = self.shape[0], self.input.packing.channels
        inside = np.zeros((channels, len(planes) * per_plane, *kernel), dtype=np.int64)
        for i, o in enumerate(range(outputs)[part]):
            start = o * op.groups // outputs * group_inputs - planes.start * per_plane
            inside[i, start : start + group_inputs] = signed[o]
        lanes = inside.reshape(channels, len(planes), per_plane, *kernel).transpose(3, 4, 1, 0, 2)
        y, x, plane = np.nonzero(lanes.any(axis=(3, 4)))
        used = lanes[y, x, plane]
        if self.input.digit:
            used = np.concatenate([used, used << self.input.digit], axis=-1)
        words = np.ascontiguousarray(used, dtype=np.int8 if self.narrow else np.int16)
        return self.input.offset(planes.start + plane, y * dilation[0], x * dilation[1]), words.view(np.int32)

    def _targets(self, first: int) -> Array:
        """Offsets of the planes that a block writes; those behind the last one are written to a plane of their own."""
        per_plane = self.output.packing.channels
        numbers = first // per_plane + np.arange(self.shape[0] // per_plane)
        return self.output.offset(np.minimum(numbers, self.output.count), 0, 0).astype(np.int32)

    def _pack_places(self) -> None:
        """Vectors that cover the output's rows, with all that stands between them."""
        pixels = (self.output.height - 1) * self.output.pitch + self.output.width
        starts = np.arange(0, pixels, LANES)
        count = self.shape[1]
        starts = np.concatenate([starts, np.repeat(starts[-1:], -len(starts) % count)])
        table = np.zeros((len(starts), len(Place)), dtype=np.int32)
        table[:, Place.INPUT] = table[:, Place.OUTPUT] = 4 * starts
        masks = np.zeros(MASK_BYTES // 4, dtype=np.int32)
        masks[:LANES] = -1
        self.tiles = len(starts) // count
        self.places, self.masks = self._keep(table), self._keep(masks)

    def _keep(self, array: Array) -> int:
        """The address of an array, which stays."""
        array = np.ascontiguousarray(array)
        self._kept.append(array)
        return int(array.ctypes.data)

    def scratch(self) -> tuple[Array, ...]:
        spare = (self.output.count + 1, self.output.shape[1])
        return np.empty(self.input.shape, dtype=np.int32), np.empty(spare, dtype=np.int32)

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        laid_out, result = scratch
        pack(inputs[0], self.input, self.pad_values, laid_out)
        chosen = np.unique(channels // self.shape[0])
        convolution(*self.shape)(
            self.blocks.ctypes.data, chosen.ctypes.data, chosen.size, laid_out.ctypes.data, self.narrow,
            self.places, self.tiles, self.masks, result.ctypes.data,
            PACKINGS.index(self.output.packing),
        )  # fmt: skip
        unpack(self.output, result, channels, out)


def _byte_base(type_: IntType) -> int:
    """What makes 0..255 of values of a type that has at most 256."""
    return 0 if type_.lo >= 0 and type_.hi <= 255 else type_.lo


_SIGNS = ((0, None), (None, 0))


def _weight_range(op: Conv2d) -> IntType:
    """Of all weights and of their opposites, which descending channels take."""
    most = int(np.abs(op.weight.values).max(initial=0))
    return IntType(-most, most)

"""Sums of products on planes: the compiled loop over tiles, and what a kernel of such sums is made of.

A tile of output channels and pixels takes one step for each plane of an input that it reads, and each tap: the step's
offset says what is read for 16 pixels at a time; a pixel has four channels as bytes, two as words, or the two digits of
a wide one. A multiply-and-add instruction gives each output channel of the tile its share. Which steps there are is a
table of offsets, so that kernel sizes, dilations, groups, digits, orders of channels and several inputs are one loop.
Sums are taken modulo 2^32: exact as soon as the final sum fits, which its type proves.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np

from ..graph import Node, Value
from ..ops.geometry import Pair
from ..types import IntArray, IntType
from .base import Array
from .compiled import compiled
from .cpu import Products, products
from .levels import levels
from .levels import refuses as levels_refuse
from .planes import INT32, Layout, Packing
from .quantisers import Form, Quantiser
from .rows import PLACE_BYTES, Column, Kept, PlanesKernel, vectors_of
from .tiles import tile_operations
from .vectors import number

SHAPES = {Products.VNNI: ((16, 1), (8, 2), (4, 4))}.get(products(), ((4, 1),) * 3)
"""Output channels and vectors of the tiles that the registers hold, by kind; four channels and one vector elsewhere."""


def refuses(sums: IntType, fused: Node | None) -> str | None:
    """Say why sums of this range, or what is made of them, do not fit, or None when they do."""
    if sums.lo <= -INT32.hi or sums.hi >= INT32.hi:  # both signs are compared with a limit one beyond
        return f"its sums {sums} leave 32 bits"
    if fused is None:
        return None
    if not INT32.contains(fused.output.type):
        return f"codes {fused.output.type} leave 32 bits"
    return levels_refuse(fused.op, sums)


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


class DotKernel(PlanesKernel):
    """A kernel of sums of products, with what stands behind them if anything: blocks of a tile's channels are items."""

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        self._node, self._inputs, self._fused = node, inputs, fused
        self._kept = Kept()

    @abstractmethod
    def _steps(self, maps: Sequence[Layout], outputs: IntArray, weight: IntArray) -> tuple[IntArray, Array]:
        """Offsets (S,) of what the steps of a block read, and their weights (S, channels) of 32 bits.

        Args:
            outputs: the channels of the block.
            weight: their weights, 0 for those that nobody reads.
        """

    def _fill(
        self, maps: Sequence[Layout], output: Layout, order: IntArray, shape: Pair, stride: Pair, weight: IntArray
    ) -> None:
        """Make the row.

        Args:
            order: output channels as they stand in the planes of the output, -1 where there is none.
            shape: of the tiles.
            weight: (C, inputs, ...) of each output channel; `_steps` is given those of a block, signed as its
                thresholds want.
        """
        (channels, count), per_plane = shape, output.encoding.packing.channels
        weight, quantiser, bias = self._constants(maps, output, weight)
        order = np.concatenate([order, np.full(-len(order) % channels, -1)])
        first = int(output.starts[output.planes.min()])
        table = np.zeros((len(order) // channels, len(Block)), dtype=np.int64)
        for i, block in enumerate(order.reshape(-1, channels)):
            outputs = np.where(block < 0, block.max(), block)  # nobody reads what is computed for none
            signed = weight[outputs]
            signed[block < 0] = 0
            offsets, dwords = self._steps(maps, outputs, signed)
            numbers = i * channels // per_plane + np.arange(-(-channels // per_plane))
            table[i] = [
                len(offsets), self._kept(offsets), self._kept(dwords),
                self._kept(quantiser.constants(outputs, bias[outputs])),
                self._kept(first + numbers * output.geometry.nbytes),
            ]  # fmt: skip
        places, masks = vectors_of(maps[0].geometry, output, stride)
        places = np.concatenate([places, np.repeat(places[-1:], -len(places) % count, axis=0)])
        self.row = np.zeros(len(Column), dtype=np.int64)
        self.row[Column.KIND], self.row[Column.ITEMS] = SHAPES.index(shape), self._kept(table)
        self.row[Column.PLACES], self.row[Column.VECTORS] = self._kept(places.astype(np.int32)), len(places) // count
        self.row[Column.MASKS], self.row[Column.FIRST] = self._kept(masks), stride[1]
        self.row[Column.SECOND], self.row[Column.THIRD] = maps[0].encoding.packing, output.encoding.packing
        self.row[Column.FOURTH] = output.encoding.digit
        self.items = np.empty(len(weight), dtype=np.int64)
        self.items[order[order >= 0]] = np.flatnonzero(order >= 0) // channels

    def _constants(
        self, maps: Sequence[Layout], output: Layout, weight: IntArray
    ) -> tuple[IntArray, Quantiser, IntArray]:
        """Weights, with the sign that makes thresholds rise; how sums become codes; and what sums start at."""
        quantiser = Quantiser.none(-output.encoding.base)
        if self._fused is not None:
            behind = levels(self._fused.op, len(weight))
            weight = np.where(behind.flipped.reshape(-1, *[1] * (weight.ndim - 1)), -weight, weight)
            lo, hi = _range(weight, self._types())
            base = behind.base - output.encoding.base
            quantiser = Quantiser.of(behind.limits, lo, hi, behind.step, base)
        return weight, quantiser, self._bias(maps, weight)

    @abstractmethod
    def _types(self) -> Sequence[IntType]:
        """The type of what each column of the weights meets; one for all that are alike."""

    @abstractmethod
    def _bias(self, maps: Sequence[Layout], weight: IntArray) -> IntArray:
        """(C,) what the bases of the inputs take off the sums."""


def _range(weight: IntArray, types: Sequence[IntType]) -> tuple[IntArray, IntArray]:
    """The least and the greatest sums (C,)."""
    flat = weight.reshape(len(weight), len(types), -1)
    positive, negative = np.maximum(flat, 0).sum(axis=2), np.minimum(flat, 0).sum(axis=2)
    ends = np.array([(each.lo, each.hi) for each in types], dtype=np.int64)
    return positive @ ends[:, 0] + negative @ ends[:, 1], positive @ ends[:, 1] + negative @ ends[:, 0]

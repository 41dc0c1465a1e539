"""Pixelwise ops on planes of bytes: bitshift and mux, in one pass where the mux alone reads the bitshift; and copies.

out = S ? one : merge(x, y), a byte a channel: merge is OR for 1 bit, else (x + y) >> 1, which is
(x & y) + ((x ^ y) >> 1) without a carry between bytes. With a common base the merge of codes is the code of the merge:
(x - b + y - b) >> 1 = ((x + y) >> 1) - b; OR wants b = 0. A mux alone merges y with itself, a copy too. The output has
the order of one operand; the bytes of the others are fetched from where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ..graph import Node, Value
from ..ops import Bitshift
from . import vectors
from .compiled import compiled
from .planes import Layout, Packing
from .rows import Arrangement, Column, Kept, Kind, PlanesKernel, natural
from .vectors import I32, LANES, address, byte, constant, lanes, load_lanes, number, operation, splat, store_lanes


class Item(IntEnum):
    """Columns of a plane's table, 64 bits each."""

    OUT = 0
    """Bytes from the start of memory to the plane."""
    SELECTS = 1
    """The same of the select bits of its four channels, -1 where there is none."""
    OPERANDS = 5
    """For one, x and y: whether all bytes are where they belong, then the plane and the shift of each."""


OPERAND_BYTES = 8 * (1 + 4 + 4)
ITEM_BYTES = 8 * Item.OPERANDS + 3 * OPERAND_BYTES


def _fetched(builder: Any, fetch: Any, at: Any) -> Any:
    """Four bytes a pixel from anywhere: byte j of a pixel lies in its own plane, some bits up."""
    result = constant(0)
    for lane in range(4):
        where = builder.add(vectors.load(builder, fetch, vectors.I64, 8 * (1 + lane)), at)
        shift = splat(builder, builder.trunc(vectors.load(builder, fetch, vectors.I64, 8 * (5 + lane)), I32))
        byte = builder.and_(builder.lshr(vectors.load(builder, where, vectors.X32), shift), constant(255))
        result = builder.or_(result, builder.shl(byte, constant(8 * lane)))
    return result


def _average(builder: Any, x: Any, y: Any) -> Any:
    half = builder.and_(builder.lshr(builder.xor(x, y), constant(1)), constant(0x7F7F7F7F))
    return builder.add(builder.and_(x, y), half)


@lru_cache(maxsize=1)
def blending() -> Any:
    """The compiled function. Columns of its row beside those of all: whether to OR, whether there are select bits."""
    fetched = operation(lanes, (address, address), _fetched)
    average = operation(lanes, (lanes, lanes), _average)
    either = operation(lanes, (lanes, lanes), lambda builder, x, y: builder.or_(x, y))
    mask_of = operation(lanes, (address,), lambda builder, bits: splat(builder, builder.trunc(bits, I32)))
    mixed = operation(
        lanes,
        (lanes, lanes, lanes),
        lambda builder, zero, one, mask: builder.xor(zero, builder.and_(builder.xor(zero, one), mask)),
    )
    items_at, count_at, or_at, selects_at = (
        8 * column for column in (Column.ITEMS, Column.VECTORS, Column.FIRST, Column.SECOND)
    )
    item_bytes, first_select, first_operand, operand_bytes = (
        ITEM_BYTES,
        8 * Item.SELECTS,
        8 * Item.OPERANDS,
        OPERAND_BYTES,
    )
    vector_bytes = 4 * LANES

    @compiled(variant="blend")
    def blend(row, chosen, memory):
        items, pixels = number(row + items_at), vector_bytes * number(row + count_at)
        merges_by_or, selects = number(row + or_at), number(row + selects_at)
        for k in range(number(chosen)):
            item = items + item_bytes * number(chosen + 8 + 8 * k)
            out, one, x = memory + number(item), item + first_operand, item + first_operand + operand_bytes
            y = x + operand_bytes
            bits = 0
            if selects:
                for lane in range(4):
                    where = number(item + first_select + 8 * lane)
                    if where >= 0 and byte(memory + where) == 1:
                        bits |= 255 << (8 * lane)
            mask = mask_of(bits)
            one_in, x_in, y_in = number(one), number(x), number(y)
            one_at, x_at, y_at = memory + number(one + 8), memory + number(x + 8), memory + number(y + 8)
            if bits == 0xFFFFFFFF and one_in:
                for at in range(0, pixels, vector_bytes):
                    store_lanes(out + at, load_lanes(one_at + at))
                continue
            for at in range(0, pixels, vector_bytes):
                a = load_lanes(x_at + at) if x_in else fetched(x, memory + at)
                b = load_lanes(y_at + at) if y_in else fetched(y, memory + at)
                merged = either(a, b) if merges_by_or else average(a, b)
                if bits:
                    chosen_one = load_lanes(one_at + at) if one_in else fetched(one, memory + at)
                    merged = mixed(merged, chosen_one, mask)
                store_lanes(out + at, merged)

    return blend


def like(maps: Sequence[Layout], output: Value, per_plane: int) -> Arrangement:
    """The order of that map, of those whose planes have as many channels, that takes the fewest planes, the last of
    them; natural order where no channel may be one of a map that stands for two."""
    once = [x for x in maps if not x.repeats and x.encoding.packing.channels == per_plane]
    if not once:
        return natural(output, per_plane)
    found = min(reversed(once), key=lambda x: len(x.distinct))
    return Arrangement(np.searchsorted(found.distinct, found.planes), found.lanes, len(found.distinct))


class _Blend(PlanesKernel):
    """What copies, bitshift and mux share: which operands, and in which order the output is."""

    keeps_codes = True

    @classmethod
    def refuses(cls, node: Node, inputs: Sequence[Value], fused: Node | None) -> str | None:
        return None if fused is None else f"it does not take {fused.op.kind} behind it"

    @classmethod
    def misplaced(cls, node: Node, inputs: Sequence[Value], maps: Sequence[Layout]) -> str | None:
        first = maps[0]
        if any(x.encoding.packing is not Packing.BYTES for x in maps):
            return "its inputs are not bytes"
        if not all(x.matches(first) for x in maps):
            return "its inputs lie in different ways"
        return None

    @classmethod
    def arrange(cls, node: Node, maps: Sequence[Layout], output: Value, per_plane: int) -> Arrangement:
        """The order of one of the operands."""
        return like(maps, output, per_plane)

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        self._node = node
        self._kept = Kept()

    def _bind(self, one: Layout, x: Layout, y: Layout, output: Layout, select: int | None, by_or: bool) -> None:
        numbers = output.distinct
        item = np.searchsorted(numbers, output.planes)
        table = np.zeros((len(numbers), ITEM_BYTES // 8), dtype=np.int64)
        table[:, Item.OUT] = output.starts[numbers]
        table[:, Item.SELECTS : Item.OPERANDS] = -1
        if select is not None:
            table[item, Item.SELECTS + output.lanes] = select + np.arange(len(item))
        for i, source in enumerate((one, x, y)):
            starts, up = np.full((2, len(numbers), 4), -1)
            starts[item, output.lanes], up[item, output.lanes] = source.starts[source.planes], 8 * source.lanes
            unused = starts < 0  # lanes that nobody reads
            first = starts[np.arange(len(numbers)), unused.argmin(axis=1)][:, None]
            straight = (unused | ((starts == first) & (up == 8 * np.arange(4)))).all(axis=1)
            operand = [straight[:, None], np.where(unused, first, starts), np.where(unused, 0, up)]
            start = Item.OPERANDS + 9 * i
            table[:, start : start + 9] = np.concatenate(operand, axis=1)
        self.row = np.zeros(len(Column), dtype=np.int64)
        self.row[Column.KIND], self.row[Column.ITEMS] = Kind.BLEND, self._kept(table)
        self.row[Column.VECTORS] = output.geometry.pixels // LANES
        self.row[Column.FIRST], self.row[Column.SECOND] = by_or, select is not None
        self.items = item


class CopyPlanes(_Blend):
    """Channels in another order: what a convolution reads that would find them in too many planes."""

    @classmethod
    def arrange(cls, node: Node, maps: Sequence[Layout], output: Value, per_plane: int) -> Arrangement:
        return natural(output, per_plane)

    def bind(self, maps: Sequence[Layout], numbers: Sequence[int], output: Any) -> None:
        (x,) = maps
        self._bind(x, x, x, output, None, False)


class BitshiftPlanes(_Blend, op="bitshift"):
    name: ClassVar[str] = "bitshift_planes"

    @classmethod
    def misplaced(cls, node: Node, inputs: Sequence[Value], maps: Sequence[Layout]) -> str | None:
        assert isinstance(node.op, Bitshift)
        if node.op.bits == 1 and maps[0].encoding.base:
            return "its inputs have a base"
        return super().misplaced(node, inputs, maps)

    def bind(self, maps: Sequence[Layout], numbers: Sequence[int], output: Any) -> None:
        x, y = maps
        op: Any = self._node.op
        self._bind(x, x, y, output, None, op.bits == 1)


class MuxPlanes(_Blend, op="mux"):
    """`merged` is the bitshift that is done with it, if any: its inputs stand in the place of I0 then."""

    name: ClassVar[str] = "mux_planes"
    map_inputs = slice(1, None)
    merged: Node | None = None

    def bind(self, maps: Sequence[Layout], numbers: Sequence[int], output: Any) -> None:
        one, x, y = maps if self.merged is not None else (*maps, maps[-1])
        op: Any = None if self.merged is None else self.merged.op
        self._bind(one, x, y, output, numbers[0], op is not None and op.bits == 1)

"""Windows without weights on planes of bytes: max pool, and the thresholded global average."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types

from ..graph import Node, Value
from ..ops.geometry import Pads
from ..types import LIMIT
from . import vectors
from .base import steps
from .compiled import compiled
from .planes import WIDEST, Layout, Packing
from .rows import MASK_BYTES, PLACE_BYTES, Arrangement, Column, Kept, Kind, Place, PlanesKernel, vectors_of
from .vectors import LANES, X32, address, constant, lanes, load_lanes, number, operation, small_number, store_lanes

BYTES = ir.VectorType(vectors.I8, 4 * LANES)


class _Pool(PlanesKernel):
    @classmethod
    def refuses(cls, node: Node, inputs: Sequence[Value], fused: Node | None) -> str | None:
        return None if fused is None else f"it does not take {fused.op.kind} behind it"

    @classmethod
    def misplaced(cls, node: Node, inputs: Sequence[Value], maps: Sequence[Layout]) -> str | None:
        if maps[0].encoding.packing is not Packing.BYTES:
            return "its input is not bytes"
        return None

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        self._node = node
        self._kept = Kept()


def _maximum(builder: Any, a: Any, b: Any) -> Any:
    a, b = (builder.bitcast(v, BYTES) for v in (a, b))
    return builder.bitcast(builder.select(builder.icmp_unsigned(">", a, b), a, b), X32)


@lru_cache(maxsize=1)
def maximum() -> Any:
    """The compiled function. Columns of its row beside those of all: stride along x (1 or 2), taps, their address.

    An item is the bytes to a plane of the input, and to one of the output.
    """
    larger = operation(lanes, (lanes, lanes), _maximum)
    load_even = operation(lanes, (address,), vectors.load_even)
    kept = operation(
        lanes, (lanes, lanes, lanes), lambda builder, v, keep, fill: builder.or_(builder.and_(v, keep), fill)
    )
    items_at, places_at, count_at, masks_at, stride_at, taps_at, offsets_at = (
        8 * column
        for column in (
            Column.ITEMS, Column.PLACES, Column.VECTORS, Column.MASKS, Column.FIRST, Column.SECOND, Column.THIRD
        )
    )  # fmt: skip
    place_bytes, mask_bytes, fill_at = PLACE_BYTES, MASK_BYTES, 4 * LANES
    output_at, mask_at = 4 * Place.OUTPUT, 4 * Place.MASK

    @compiled(variant="maximum")
    def largest(row, chosen, memory):
        items, places, masks = number(row + items_at), number(row + places_at), number(row + masks_at)
        end = places + place_bytes * number(row + count_at)
        even, taps, offsets = number(row + stride_at) == 2, number(row + taps_at), number(row + offsets_at)
        for k in range(number(chosen)):
            item = items + 16 * number(chosen + 8 + 8 * k)
            x, out = memory + number(item), memory + number(item + 8)
            for place in range(places, end, place_bytes):
                source = x + small_number(place)
                first = source + number(offsets)
                best = load_even(first) if even else load_lanes(first)
                for tap in range(1, taps):
                    where = source + number(offsets + 8 * tap)
                    best = larger(best, load_even(where) if even else load_lanes(where))
                mask = masks + mask_bytes * small_number(place + mask_at)
                best = kept(best, load_lanes(mask), load_lanes(mask + fill_at))
                store_lanes(out + small_number(place + output_at), best)

    return largest


class MaxPoolPlanes(_Pool, op="max_pool"):
    """Margins take part: they hold the lowest code, or there is no padding."""

    name: ClassVar[str] = "max_pool_planes"
    keeps_codes = True

    @classmethod
    def refuses(cls, node: Node, inputs: Sequence[Value], fused: Node | None) -> str | None:
        op: Any = node.op
        (_, stride), _ = steps(op.window, node.output.shape)
        if stride > 2:
            return f"it takes no stride of {stride} along x"
        if max(op.pads) > WIDEST:
            return f"pads {op.pads} are wider than {WIDEST}"
        return super().refuses(node, inputs, fused)

    @classmethod
    def padding(cls, node: Node, inputs: Sequence[Value]) -> tuple[Pads, tuple[int, ...]]:
        op: Any = node.op
        return op.pads, ()

    @classmethod
    def misplaced(cls, node: Node, inputs: Sequence[Value], maps: Sequence[Layout]) -> str | None:
        (x,) = maps
        if any(cls.padding(node, inputs)[0]) and x.margin != x.encoding.base:
            return f"the margins hold {x.margin}, not the least number"
        if len(x.distinct) > -(-len(x.planes) // 4) or x.repeats:
            return "its channels lie in too many planes"
        return super().misplaced(node, inputs, maps)

    @classmethod
    def arrange(cls, node: Node, maps: Sequence[Layout], output: Value, per_plane: int) -> Arrangement:
        (x,) = maps
        return Arrangement(np.searchsorted(x.distinct, x.planes), x.lanes, len(x.distinct))

    def bind(self, maps: Sequence[Layout], numbers: Sequence[int], output: Any) -> None:
        (x,) = maps
        op: Any = self._node.op
        stride, dilation = steps(op.window, self._node.output.shape)
        places, masks = vectors_of(x.geometry, output, stride)
        row, column = (a.reshape(-1) for a in np.indices(op.window.kernel))
        pixel = (row * dilation[0] - op.pads[0]) * x.geometry.pitch + column * dilation[1] - op.pads[1]
        table = np.stack([x.starts[x.distinct], output.starts[output.distinct]], axis=1)
        self.row = np.zeros(len(Column), dtype=np.int64)
        self.row[Column.KIND], self.row[Column.ITEMS] = Kind.MAXIMUM, self._kept(table)
        self.row[Column.PLACES], self.row[Column.VECTORS] = self._kept(places.astype(np.int32)), len(places)
        self.row[Column.MASKS] = self._kept(masks)
        self.row[Column.FIRST], self.row[Column.SECOND] = stride[1], len(pixel)
        self.row[Column.THIRD] = self._kept(4 * (x.geometry.origin + pixel))
        self.items = np.searchsorted(output.distinct, output.planes)


def _sum_of(builder: Any, total: Any) -> Any:
    """Of 16 lanes, as an address-sized number."""
    result = vectors.call(builder, f"llvm.vector.reduce.add.v{LANES}i32", vectors.I32, total)
    return builder.zext(result, vectors.I64)


@lru_cache(maxsize=1)
def average() -> Any:
    """The compiled function: sums of bytes, margins between rows included, against a bound.

    Column of its row beside those of all: the bound. An item is the bytes to a plane, and to the four output bytes,
    -1 for none.
    """
    lane_of = operation(
        lanes,
        (lanes, types.int64),
        lambda builder, v, shift: builder.and_(
            builder.lshr(v, vectors.splat(builder, builder.trunc(shift, vectors.I32))), constant(255)
        ),
    )
    plus = operation(lanes, (lanes, lanes), lambda builder, a, b: builder.add(a, b))
    nothing = operation(lanes, (), lambda builder: constant(0))
    sum_of = operation(types.int64, (lanes,), _sum_of)
    put = operation(
        types.void,
        (address, address),
        lambda builder, where, bit: vectors.store(builder, where, builder.trunc(bit, vectors.I8)),
    )
    items_at, count_at, bound_at, start_at = (
        8 * column for column in (Column.ITEMS, Column.VECTORS, Column.FIRST, Column.SECOND)
    )
    vector_bytes = 4 * LANES

    @compiled(variant="average")
    def above(row, chosen, memory):
        items, bound, start = number(row + items_at), number(row + bound_at), number(row + start_at)
        pixels = vector_bytes * number(row + count_at)
        for k in range(number(chosen)):
            item = items + 40 * number(chosen + 8 + 8 * k)
            x = memory + number(item) + start
            a, b, c, d = nothing(), nothing(), nothing(), nothing()
            for at in range(0, pixels, vector_bytes):
                v = load_lanes(x + at)
                a, b = plus(a, lane_of(v, 0)), plus(b, lane_of(v, 8))
                c, d = plus(c, lane_of(v, 16)), plus(d, lane_of(v, 24))
            sums = (sum_of(a), sum_of(b), sum_of(c), sum_of(d))
            for lane in range(4):
                where = number(item + 8 + 8 * lane)
                if where >= 0:
                    put(memory + where, 1 if sums[lane] > bound else 0)

    return above


class TgapPlanes(_Pool, op="tgap"):
    name: ClassVar[str] = "tgap_planes"
    writes_map = False

    @classmethod
    def misplaced(cls, node: Node, inputs: Sequence[Value], maps: Sequence[Layout]) -> str | None:
        if maps[0].geometry.run > 2**23 - LANES:
            return f"the sum of {maps[0].geometry.run} bytes may leave 31 bits"
        if maps[0].repeats:
            return "a channel stands for two"
        return super().misplaced(node, inputs, maps)

    def bind(self, maps: Sequence[Layout], numbers: Sequence[int], output: Any) -> None:
        (x,) = maps
        op: Any = self._node.op
        geometry, base = x.geometry, x.encoding.base
        pixels, count = geometry.height * geometry.width, -(-geometry.run // LANES)
        distinct = x.distinct
        item = np.searchsorted(distinct, x.planes)
        table = np.full((len(distinct), 5), -1)
        table[:, 0] = x.starts[distinct]
        table[item, 1 + x.lanes] = output + np.arange(len(item))
        # 2 * sum > top * pixels is sum > floor(top * pixels / 2). Codes are less the base; margins are summed as well.
        margins = (count * LANES - pixels) * (x.margin - base)
        self.row = np.zeros(len(Column), dtype=np.int64)
        self.row[Column.KIND], self.row[Column.ITEMS] = Kind.AVERAGE, self._kept(table)
        self.row[Column.VECTORS], self.row[Column.SECOND] = count, 4 * geometry.origin
        self.row[Column.FIRST] = min(op.top * pixels // 2, LIMIT) - base * pixels + margins
        self.items = item

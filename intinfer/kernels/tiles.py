"""What a convolution does with a tile: start at the bias, add products, quantise in registers, store.

A tile holds the sums of some output channels at some vectors of 16 pixels; the vectors of a tile may lie anywhere.
Products are added up by the widest instructions of the processor (`cpu.products`); all ways give the same sums modulo
2^32, which are exact as soon as the final sum fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types

from . import vectors
from .cpu import Products, products
from .quantisers import HEADER, Row
from .rows import MASK_BYTES, PLACE_BYTES, Place
from .vectors import I8, I16, I32, I64, LANES, X32, Tile, address, constant, operation

B8 = ir.VectorType(I8, 4 * LANES)
W16 = ir.VectorType(I16, 2 * LANES)
D64 = ir.VectorType(I64, LANES // 2)


@dataclass(frozen=True)
class TileOperations:
    """Operations on tiles of one shape, called in compiled functions; `places` is the address of a tile's vectors.

    Attributes:
        biased: (constants) a tile of each channel's bias.
        add_bytes: (tile, places, x, weights) plus the products of the four unsigned bytes a lane that lie at x plus
            each vector's place with four signed ones a channel.
        add_words: (tile, places, x, weights) plus the products of two signed words a lane with two a channel.
        add_even_bytes, add_even_words: the same of every second pixel.
        shifted: (tile, constants) clip, multiply, shift, clip: `Form.SHIFT`.
        shifted_wide: (tile, constants) the same by 64-bit products: `Form.WIDE_SHIFT`.
        counted: (tile, constants, count) thresholds compared one by one: `Form.COUNT`.
        scaled: (tile, step, base) base + step * each number.
        put_bytes, put_words, put_dwords: (tile, places, planes, out, masks) to planes of four, two, one channel a
            lane, each at `out` plus a vector's place plus a plane's offset.
        put_digits: (tile, places, planes, out, masks, digit) to planes of one channel a lane, in two digits.
    """

    biased: Any
    add_bytes: Any
    add_words: Any
    add_even_bytes: Any
    add_even_words: Any
    shifted: Any
    shifted_wide: Any
    counted: Any
    scaled: Any
    put_bytes: Any
    put_words: Any
    put_dwords: Any
    put_digits: Any


@lru_cache(maxsize=8)
def tile_operations(channels: int, count: int) -> TileOperations:
    """Operations on tiles of `channels` output channels, a multiple of 4, at `count` vectors."""
    tile = Tile(channels * count)
    target = (tile, address, address, address, address)
    form = partial(_quantise, channels)
    read = (tile, address, address, address)
    bytes_, words = BYTES[products()], WORDS[products()]
    return TileOperations(
        biased=operation(tile, (address,), partial(_biased, channels, count)),
        add_bytes=operation(tile, read, partial(_add, channels, bytes_, vectors.load_every)),
        add_words=operation(tile, read, partial(_add, channels, words, vectors.load_every)),
        add_even_bytes=operation(tile, read, partial(_add, channels, bytes_, vectors.load_even)),
        add_even_words=operation(tile, read, partial(_add, channels, words, vectors.load_even)),
        shifted=operation(tile, (tile, address), partial(form, _shifted)),
        shifted_wide=operation(tile, (tile, address), partial(form, _shifted_wide)),
        counted=operation(tile, (tile, address, types.int64), partial(_counted, channels)),
        scaled=operation(tile, (tile, types.int64, types.int64), _scaled),
        put_bytes=operation(types.void, target, partial(_put, channels, _packed(4))),
        put_words=operation(types.void, target, partial(_put, channels, _packed(2))),
        put_dwords=operation(types.void, target, partial(_put, channels, _packed(1))),
        put_digits=operation(types.void, (*target, types.int64), partial(_put_digits, channels)),
    )


# -------------------------------------------------------------------------------------------------------- products


def _biased(channels: int, count: int, builder: Any, constants: Any) -> Any:
    biases = [_constant(builder, constants, channels, Row.BIAS, channel) for channel in range(channels)]
    return vectors.as_tile(builder, biases * count)


def _place(builder: Any, places: Any, vector: int, column: Place) -> Any:
    return builder.sext(vectors.load(builder, places, I32, PLACE_BYTES * vector + 4 * column), I64)


def _add(channels: int, dot: Any, load: Any, builder: Any, tile: Any, places: Any, x: Any, weights: Any) -> Any:
    sums = vectors.rows(builder, tile)
    ways = [vectors.broadcast(builder, weights, 4 * channel) for channel in range(channels)]
    for vector in range(len(sums) // channels):
        lanes = load(builder, builder.add(x, _place(builder, places, vector, Place.INPUT)))
        for channel, weight in enumerate(ways):
            row = vector * channels + channel
            sums[row] = dot(builder, sums[row], lanes, weight)
    return vectors.as_tile(builder, sums)


def _bytes_vnni(builder: Any, total: Any, x: Any, weight: Any) -> Any:
    return vectors.call(
        builder, "llvm.x86.avx512.vpdpbusd.512", X32, total, builder.bitcast(x, B8), builder.bitcast(weight, B8)
    )


def _words_vnni(builder: Any, total: Any, x: Any, weight: Any) -> Any:
    return vectors.call(
        builder, "llvm.x86.avx512.vpdpwssd.512", X32, total, builder.bitcast(x, W16), builder.bitcast(weight, W16)
    )


def _words_by_pairs(name: str, count: int, builder: Any, total: Any, x: Any, weight: Any) -> Any:
    """Two products of words a lane, `count` lanes at a time by one instruction."""
    part, words = ir.VectorType(I32, count), ir.VectorType(I16, 2 * count)
    sums = []
    for start in range(0, LANES, count):
        pick = ir.Constant(part, list(range(start, start + count)))
        parts = [builder.bitcast(builder.shuffle_vector(v, v, pick), words) for v in (x, weight)]
        sums.append(vectors.call(builder, name, part, *parts))
    while len(sums) > 1:  # shuffles take two of a kind
        pick = ir.Constant(ir.VectorType(I32, 2 * sums[0].type.count), list(range(2 * sums[0].type.count)))
        sums = [builder.shuffle_vector(a, b, pick) for a, b in zip(sums[::2], sums[1::2], strict=True)]
    return builder.add(total, sums[0])


def _words_portable(builder: Any, total: Any, x: Any, weight: Any) -> Any:
    upper = constant(16)
    for shift in (True, False):
        a, b = (builder.ashr(builder.shl(v, upper) if shift else v, upper) for v in (x, weight))
        total = builder.add(total, builder.mul(a, b))
    return total


def _bytes_by_words(words: Any, builder: Any, total: Any, x: Any, weight: Any) -> Any:
    """Bytes 0 and 2, then 1 and 3 of a lane, as words: unsigned in x, signed in the weight."""
    low, eight = constant(0x00FF00FF), constant(8, W16)
    signed = builder.bitcast(weight, W16)
    even = builder.bitcast(builder.ashr(builder.shl(signed, eight), eight), X32)
    odd = builder.bitcast(builder.ashr(signed, eight), X32)
    total = words(builder, total, builder.and_(x, low), even)
    return words(builder, total, builder.and_(builder.lshr(x, constant(8)), low), odd)


WORDS = {
    Products.PORTABLE: _words_portable,
    Products.SSE2: partial(_words_by_pairs, "llvm.x86.sse2.pmadd.wd", 4),
    Products.AVX2: partial(_words_by_pairs, "llvm.x86.avx2.pmadd.wd", 8),
    Products.VNNI: _words_vnni,
}
"""Two products of signed words a lane."""
BYTES = {way: partial(_bytes_by_words, words) for way, words in WORDS.items()} | {Products.VNNI: _bytes_vnni}
"""Four products of unsigned with signed bytes a lane."""


# ------------------------------------------------------------------------------------------------------ quantisers


def _constant(builder: Any, constants: Any, channels: int, kind: Row, channel: int) -> Any:
    """A channel's constant in every lane."""
    return vectors.broadcast(builder, constants, HEADER + 4 * (kind * channels + channel))


def _quantise(channels: int, form: Any, builder: Any, tile: Any, constants: Any) -> Any:
    levels = []
    for row, z in enumerate(vectors.rows(builder, tile)):
        of = partial(_constant, builder, constants, channels, channel=row % channels)
        z = vectors.smallest(builder, vectors.largest(builder, z, of(Row.LOWEST)), of(Row.HIGHEST))
        level = form(builder, z, of)
        levels.append(vectors.smallest(builder, vectors.largest(builder, level, of(Row.FIRST)), of(Row.LAST)))
    return vectors.as_tile(builder, levels)


def _shifted(builder: Any, z: Any, of: Any) -> Any:
    scaled = builder.add(builder.mul(z, of(Row.MULTIPLIER)), of(Row.OFFSET))
    return builder.ashr(scaled, of(Row.SHIFT))


def _shifted_wide(builder: Any, z: Any, of: Any) -> Any:
    """Even and odd lanes in turn, as 64-bit numbers; of the result the lower half counts."""
    above_lowest = builder.sub(z, of(Row.LOWEST))  # unsigned
    half = constant(32, D64)
    low = constant(0xFFFFFFFF, D64)
    wide = [builder.bitcast(of(kind), D64) for kind in (Row.MULTIPLIER, Row.OFFSET, Row.OFFSET_UPPER, Row.SHIFT)]
    multiplier, offset, upper, shift = (builder.and_(v, low) for v in wide)
    offset = builder.or_(offset, builder.shl(upper, half))
    lane = builder.bitcast(above_lowest, D64)
    levels = []
    for numbers in (builder.and_(lane, low), builder.lshr(lane, half)):
        levels.append(builder.ashr(builder.add(builder.mul(numbers, multiplier), offset), shift))
    even, odd = levels
    return builder.bitcast(builder.or_(builder.and_(even, low), builder.shl(odd, half)), X32)


def _counted(channels: int, builder: Any, tile: Any, constants: Any, count: Any) -> Any:
    """The thresholds lie behind the rows of constants: the first of each channel, then the second of each."""
    limits = builder.add(constants, I64(HEADER + 4 * len(Row) * channels))
    first = [_constant(builder, constants, channels, Row.FIRST, channel) for channel in range(channels)]
    levels = cgutils.alloca_once_value(builder, vectors.as_tile(builder, first * (tile.type.count // channels)))
    with cgutils.for_range(builder, count) as loop:
        place = builder.add(limits, builder.mul(loop.index, I64(4 * channels)))
        counted = []
        for row, level in enumerate(vectors.rows(builder, builder.load(levels))):
            limit = vectors.broadcast(builder, place, 4 * (row % channels))
            reached = builder.icmp_signed(">=", builder.extract_value(tile, row), limit)
            counted.append(builder.sub(level, builder.sext(reached, X32)))
        builder.store(vectors.as_tile(builder, counted), levels)
    return builder.load(levels)


def _scaled(builder: Any, tile: Any, step: Any, base: Any) -> Any:
    factor, added = (vectors.splat(builder, builder.trunc(v, I32)) for v in (step, base))
    return vectors.as_tile(builder, [builder.add(builder.mul(v, factor), added) for v in vectors.rows(builder, tile)])


# --------------------------------------------------------------------------------------------------------- storing


def _packed(count: int) -> Callable[..., list[Any]]:
    """Lanes of `count` channels each, as unsigned numbers of 32 / count bits."""
    bits = 32 // count

    def pack(builder: Any, numbers: list[Any]) -> list[Any]:
        mask = constant((1 << bits) - 1)
        packed = []
        for start in range(0, len(numbers), count):
            lane = numbers[start] if count == 1 else builder.and_(numbers[start], mask)
            for i, other in enumerate(numbers[start + 1 : start + count], 1):
                part = builder.and_(other, mask) if i < count - 1 else other  # the last one is cut by its shift
                lane = builder.or_(lane, builder.shl(part, constant(bits * i)))
            packed.append(lane)
        return packed

    return pack


def _put(channels: int, pack: Any, builder: Any, tile: Any, places: Any, planes: Any, out: Any, masks: Any) -> None:
    numbers = vectors.rows(builder, tile)
    for vector in range(len(numbers) // channels):
        row = builder.add(masks, builder.mul(_place(builder, places, vector, Place.MASK), I64(MASK_BYTES)))
        keep, fill = vectors.load(builder, row, X32), vectors.load(builder, row, X32, 4 * LANES)
        target = builder.add(out, _place(builder, places, vector, Place.OUTPUT))
        packed = pack(builder, numbers[vector * channels : (vector + 1) * channels])
        for plane, value in enumerate(packed):
            offset = vectors.load(builder, planes, I64, 8 * plane)
            vectors.store(builder, builder.add(target, offset), builder.or_(builder.and_(value, keep), fill))


def _put_digits(
    channels: int, builder: Any, tile: Any, places: Any, planes: Any, out: Any, masks: Any, digit: Any
) -> None:
    bits = builder.trunc(digit, I32)
    low = vectors.splat(builder, builder.sub(builder.shl(I32(1), bits), I32(1)))
    shift = vectors.splat(builder, bits)
    digits = []
    for z in vectors.rows(builder, tile):
        upper = builder.shl(builder.ashr(z, shift), constant(16))
        digits.append(builder.or_(builder.and_(z, low), upper))
    _put(channels, _packed(1), builder, vectors.as_tile(builder, digits), places, planes, out, masks)

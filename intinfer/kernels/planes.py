"""Planes: how vector kernels hold a map. A pixel of a plane is 32 bits: four channels of it, two, or one.

The rows of a plane lie one after the other with a fixed pitch, margins between them, above and below: so each tap of a
convolution is a constant distance, and what it reads for 16 pixels in turn is one vector, across the ends of rows. All
maps of one size have the same margins, which hold one value for ever: kernels write it wherever they write a margin.

Which plane and lane a channel has is free: to concatenate, select and shuffle channels is to name others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from ..graph import Shape
from ..ops.geometry import Pads
from ..types import IntArray, IntType
from .base import Array
from .compiled import compiled
from .vectors import LANES

INT32 = IntType.twos_complement(32)
WORD = IntType.twos_complement(16)
BYTE = IntType(0, 255)
WIDEST = 16
"""Rows or columns of padding up to which it is stored in every map of a size."""


class Packing(IntEnum):
    """What the 32 bits of a pixel hold."""

    BYTES = 0
    """Four channels, each less the base, 0..255."""
    WORDS = 1
    """Two channels, each less the base, signed."""
    DIGITS = 2
    """One channel: its lowest bits in the lower word, the others, signed, in the upper one."""
    DWORDS = 3
    """One channel, signed."""

    @property
    def channels(self) -> int:
        """Channels of a plane."""
        return (4, 2, 1, 1)[self]


class Encoding(NamedTuple):
    """How numbers stand in a plane: `base` is taken off in bytes and words, `digit` bits are the lower digit."""

    packing: Packing
    base: int = 0
    digit: int = 0

    def holds(self, type_: IntType) -> bool:
        """Tell whether every value of the type can be stored."""
        room = (BYTE, WORD, WORD, INT32)[self.packing]
        lo, hi = ((end - self.base) >> self.digit for end in (type_.lo, type_.hi))
        return room.lo <= lo and hi <= room.hi

    def word(self, values: Sequence[int]) -> int:
        """The 32 bits, as a signed number, of the values of a plane's channels at one pixel."""
        bits = 32 // self.packing.channels
        word = 0
        for lane, value in enumerate(values):
            code = value - self.base
            if self.packing is Packing.DIGITS:
                code = (code & ((1 << self.digit) - 1)) | code >> self.digit << 16
            word |= (code & ((1 << bits) - 1)) << (bits * lane)
        return (word + 2**31) % 2**32 - 2**31


def narrowest(type_: IntType) -> Encoding:
    """The encoding of the most channels in a plane that holds a type of at most 32 bits."""
    if type_.hi - type_.lo <= BYTE.hi:
        return Encoding(Packing.BYTES, 0 if type_.lo >= 0 and type_.hi <= BYTE.hi else type_.lo)
    return next(e for e in (Encoding(Packing.WORDS), Encoding(Packing.DWORDS)) if e.holds(type_))


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of a map of (height, width) lie in a plane, with margins (top, left, bottom, right) around."""

    height: int
    width: int
    margins: Pads

    @property
    def pitch(self) -> int:
        """Pixels from a row to the next: what stands right of a row stands left of the next one."""
        return self.width + max(self.margins[1], self.margins[3])

    @property
    def origin(self) -> int:
        """The pixel of row 0 and column 0."""
        return self.margins[0] * self.pitch + self.margins[1]

    @property
    def pixels(self) -> int:
        """Of a plane: behind the last margin there is room for what vectors with stride 2 read."""
        rows = self.margins[0] + self.height + self.margins[2]
        return -(-(rows * self.pitch + self.margins[1] + 2 * LANES) // LANES) * LANES

    @property
    def nbytes(self) -> int:
        """Of a plane."""
        return 4 * self.pixels

    @property
    def run(self) -> int:
        """Pixels from the first to the last of the map, with the margins between rows."""
        return (self.height - 1) * self.pitch + self.width


def map_shape(shape: Shape) -> tuple[int, int, int]:
    """(C, H, W) of a map, and of numbers a channel (C,) as a map of one pixel."""
    channels, height, width = (*shape, 1, 1)[:3]
    return channels, height, width


def maps(array: Array) -> Array:
    """An array of a value, as the map that `map_shape` says."""
    return array.reshape(map_shape(array.shape))


@dataclass(eq=False)
class Placement:
    """Bytes from the start of memory to each plane of a plan; set once memory is shared out."""

    starts: IntArray


@dataclass(frozen=True, eq=False)
class Layout:
    """Where a map of C channels stands among the planes of a plan.

    Attributes:
        margin: the value in the margins of every plane.
        planes: (C,) the number of each channel's plane.
        lanes: (C,) its place among the channels of that plane.
        placement: where those planes are.
    """

    geometry: Geometry
    encoding: Encoding
    margin: int
    planes: IntArray
    lanes: IntArray
    placement: Placement

    @property
    def starts(self) -> IntArray:
        """Bytes from the start of memory to each plane of the plan."""
        return self.placement.starts

    @property
    def margin_word(self) -> int:
        """The 32 bits of a margin's pixel."""
        return self.encoding.word([self.margin] * self.encoding.packing.channels)

    @property
    def distinct(self) -> IntArray:
        """The planes that channels stand in, each once, in order."""
        return np.unique(self.planes)

    @property
    def repeats(self) -> bool:
        """Whether two channels stand in one place."""
        return len(np.unique(self.planes * 4 + self.lanes)) < len(self.planes)

    def matches(self, other: Layout) -> bool:
        """Tell whether pixels, codes and margins of both are alike."""
        return (self.geometry, self.encoding, self.margin) == (other.geometry, other.encoding, other.margin)


def pack(x: Array, layout: Layout, pad_values: IntArray, memory: Array) -> None:
    """Lay a map (C, H, W) out in natural order, its margins included: `pad_values` (C,) stand in them."""
    geometry, encoding = layout.geometry, layout.encoding
    per_plane = encoding.packing.channels
    words = [encoding.word(pad_values[c : c + per_plane].tolist()) for c in range(0, len(x), per_plane)]
    start = int(layout.starts[layout.planes[0]]) // 4
    out = memory[start : start + len(words) * geometry.pixels].reshape(len(words), geometry.pixels)
    place = geometry.origin, geometry.pitch
    _pack(x, np.array(words, dtype=np.int32), per_plane, encoding.base, encoding.digit, *place, out)


@compiled()
def _pack(x, words, per_plane, base, digit, origin, pitch, out):
    channels, height, width = x.shape
    bits = 32 // per_plane
    mask = (np.int64(1) << bits) - 1
    for q in range(out.shape[0]):
        plane = out[q]
        plane[:] = words[q]
        c = q * per_plane
        for y in range(height):
            target = plane[origin + y * pitch : origin + y * pitch + width]
            if per_plane == 4 and c + 4 <= channels:
                x0, x1, x2, x3 = x[c, y], x[c + 1, y], x[c + 2, y], x[c + 3, y]
                for i in range(width):
                    low = ((x0[i] - base) & 255) | ((x1[i] - base) & 255) << 8
                    target[i] = low | ((x2[i] - base) & 255) << 16 | (x3[i] - base) << 24
            elif per_plane == 2 and c + 2 <= channels:
                x0, x1 = x[c, y], x[c + 1, y]
                for i in range(width):
                    target[i] = ((x0[i] - base) & 0xFFFF) | (x1[i] - base) << 16
            elif digit:
                x0, low_mask = x[c, y], (1 << digit) - 1
                for i in range(width):
                    target[i] = (x0[i] & low_mask) | (np.int64(x0[i]) >> digit) << 16
            else:
                target[:] = 0
                for j in range(min(per_plane, channels - c)):
                    x0 = x[c + j, y]
                    for i in range(width):
                        target[i] |= ((x0[i] - base) & mask) << (bits * j)


def unpack(layout: Layout, memory: Array, channels: IntArray, out: Array) -> None:
    """Take some channels out of their planes, into a map (C, H, W)."""
    geometry, encoding = layout.geometry, layout.encoding
    starts = layout.starts[layout.planes[channels]] // 4 + geometry.origin
    lanes = layout.lanes[channels]
    _unpack(memory, starts, lanes, encoding.packing.channels, *encoding[1:], geometry.pitch, channels, out)


@compiled()
def _unpack(memory, starts, lanes, per_plane, base, digit, pitch, channels, out):
    width = out.shape[2]
    bits = 32 // per_plane
    for k in range(channels.size):
        up = 32 - bits - bits * lanes[k]
        for y in range(out.shape[1]):
            start = starts[k] + y * pitch
            source, target = memory[start : start + width], out[channels[k], y]
            if per_plane == 4:  # unsigned
                for i in range(width):
                    target[i] = ((source[i] << up) >> 24 & 255) + base
            elif digit:
                for i in range(width):
                    target[i] = ((np.int64(source[i]) >> 16) << digit) + (source[i] & 0xFFFF)
            else:
                for i in range(width):
                    target[i] = (np.int32(source[i] << up) >> (32 - bits)) + base

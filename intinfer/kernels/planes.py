"""Planes: how vector kernels hold a map. A pixel of a plane is 32 bits: four channels of it, two, or one.

The rows of a plane lie one after the other with a fixed pitch, padding between them, above and below: so each tap of a
convolution is a constant distance, and what it reads for 16 pixels in turn is one vector, across the ends of rows. A
convolution with stride reads planes of phases, row y mod sy and column x mod sx, whose taps are such vectors again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from ..ops.geometry import Pads, Pair
from ..types import IntArray
from .base import Array
from .compiled import compiled
from .vectors import LANES


class Packing(Enum):
    """What the 32 bits of a pixel hold."""

    BYTES = "bytes"
    """Four channels, each less the base, 0..255."""
    WORDS = "words"
    """Two channels, each less the base, signed."""
    DIGITS = "digits"
    """One channel: its lowest bits in the lower word, the others, signed, in the upper one."""
    DWORDS = "dwords"
    """One channel, signed."""

    @property
    def channels(self) -> int:
        """Channels of a plane."""
        return {Packing.BYTES: 4, Packing.WORDS: 2}.get(self, 1)


@dataclass(frozen=True)
class Planes:
    """Where the elements of a map of (channels, height, width) lie in an array of 32 bits, (planes, size).

    Attributes:
        pads: (top, left, bottom, right) that readers see around the map.
        phases: (sy, sx); with more than one the planes of a phase stand together, phase (0, 0) first.
        base: what is subtracted from a value before it is stored, in bytes and words.
        digit: how many bits are the lower digit.
    """

    channels: int
    height: int
    width: int
    pads: Pads
    phases: Pair
    packing: Packing
    base: int = 0
    digit: int = 0

    @property
    def count(self) -> int:
        """Planes of one phase."""
        return -(-self.channels // self.packing.channels)

    @property
    def rows(self) -> int:
        """Rows of a plane, with padding."""
        return -(-(self.height + self.pads[0] + self.pads[2]) // self.phases[0])

    @property
    def pitch(self) -> int:
        """Pixels from a row to the next, with padding."""
        return -(-(self.width + self.pads[1] + self.pads[3]) // self.phases[1])

    @property
    def shape(self) -> Pair:
        """Of the array; behind the last row there is room for a vector that begins there."""
        pixels = -(-(self.rows * self.pitch + LANES) // LANES) * LANES
        return (self.phases[0] * self.phases[1] * self.count, pixels)

    def offset(self, plane: IntArray, y: IntArray | int, x: IntArray | int) -> IntArray:
        """Bytes from the array's start to rows y and columns x of the padded map, in some of a phase's planes."""
        (sy, sx), pixels = self.phases, self.shape[1]
        phase = y % sy * sx + x % sx
        return np.asarray(4 * ((phase * self.count + plane) * pixels + y // sy * self.pitch + x // sx))


def pack(x: Array, planes: Planes, pad_values: Array, out: Array) -> None:
    """Lay a map (channels, height, width) out, its padding included; `pad_values` are (channels,) of int64."""
    (sy, sx), (top, left, _, _) = planes.phases, planes.pads
    pixels = out[:, : planes.rows * planes.pitch].reshape(sy, sx, planes.count, planes.rows, planes.pitch)
    for py in range(sy):
        y = (py - top) % sy  # the first row of the map in this phase stands in row (y + top - py) / sy
        for px in range(sx):
            column = (px - left) % sx
            part = x[:, y::sy, column::sx]
            place = (y + top - py) // sy, (column + left - px) // sx
            _pack(part, pad_values, planes.packing.channels, planes.base, planes.digit, *place, pixels[py, px])


@compiled()
def _pack(x, pad_values, per_plane, base, digit, top, left, out):
    """One phase: `out` is (planes, rows, pitch), the map's first pixel at (top, left) of it."""
    channels, height, width = x.shape
    bits = 32 // per_plane
    mask = (np.int64(1) << bits) - 1
    height, width = min(height, out.shape[1] - top), min(width, out.shape[2] - left)
    for q in range(out.shape[0]):
        plane = out[q]
        padding = np.int64(0)
        for j in range(min(per_plane, channels - q * per_plane)):
            value = pad_values[q * per_plane + j] - base
            if digit:
                value = (value & ((1 << digit) - 1)) | (value >> digit << 16)
            padding |= (value & mask) << (bits * j)
        word = np.int32(padding)
        for y in range(top):
            plane[y, :] = word
        for y in range(height):
            row = plane[top + y]
            row[:left] = word
            row[left + width :] = word
            target = row[left : left + width]
            c = q * per_plane
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
        for y in range(top + height, out.shape[1]):
            plane[y, :] = word


def unpack(planes: Planes, stored: Array, channels: Array, out: Array) -> None:
    """Take some channels of a map of one phase and no padding out of its planes."""
    pixels = stored[:, : planes.rows * planes.pitch].reshape(-1, planes.rows, planes.pitch)
    _unpack(pixels, planes.packing.channels, planes.base, channels, out)


@compiled()
def _unpack(stored, per_plane, base, channels, out):
    width = out.shape[2]
    bits = 32 // per_plane
    for k in range(channels.size):
        c = channels[k]
        plane = stored[c // per_plane]
        up = 32 - bits - bits * (c % per_plane)
        for y in range(out.shape[1]):
            source, target = plane[y], out[c, y]
            if per_plane == 4:  # unsigned
                for i in range(width):
                    target[i] = ((source[i] << up) >> 24 & 255) + base
            else:
                for i in range(width):
                    target[i] = (np.int32(source[i] << up) >> (32 - bits)) + base

"""Storage codes: how integers become the bytes of `model.npz`, and back.

Element 0 stands in the least significant bits of byte 0; fields follow each other without gaps; the unused
high bits of the last byte are 0. Codes, by `Encoding`:

    binary   1 bit    -1 -> 0, +1 -> 1
    ternary  2 bits   two's complement: -1 -> 11, 0 -> 00, +1 -> 01; 10 is invalid
    uK       K bits   0 .. 2^K - 1
    sK       K bits   two's complement
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import GraphError, ModelFileError
from ..types import IntArray

MAX_FIELD_BITS = 64


@dataclass(frozen=True, slots=True)
class Encoding:
    """A storage code by name: `binary`, `ternary`, `uK` or `sK` with K in 1..63 (u) or 1..64 (s)."""

    name: str

    def __post_init__(self) -> None:
        match = isinstance(self.name, str) and re.fullmatch(r"(binary|ternary)|([us])([1-9][0-9]?)", self.name)
        if not match or int(match[3] or 1) > (63 if match[2] == "u" else MAX_FIELD_BITS):
            raise GraphError(f"unknown encoding {self.name!r}: allowed are binary, ternary, u1..u63 and s1..s64")

    @classmethod
    def smallest(cls, lo: int, hi: int) -> Encoding:
        """The narrowest uK or sK that holds lo..hi."""
        if lo >= 0:
            return cls(f"u{max(1, hi.bit_length())}")
        return cls(f"s{max((-lo - 1).bit_length(), max(hi, 0).bit_length()) + 1}")

    @property
    def bits(self) -> int:
        """Bits an element takes in storage."""
        if self.name in ("binary", "ternary"):
            return 1 if self.name == "binary" else 2
        return int(self.name[1:])

    @property
    def lo(self) -> int:
        """The lowest integer that has a code."""
        if self.name in ("binary", "ternary"):
            return -1
        return 0 if self.name[0] == "u" else -(1 << (self.bits - 1))

    @property
    def hi(self) -> int:
        """The highest integer that has a code."""
        if self.name in ("binary", "ternary"):
            return 1
        return (1 << (self.bits - (self.name[0] == "s"))) - 1

    def check(self, values: IntArray, what: str) -> None:
        """Raise GraphError when a value has no code."""
        bad = (values < self.lo) | (values > self.hi)
        if self.name == "binary":
            bad |= values == 0
        if bad.any():
            raise GraphError(f"{what}: value {int(values[bad][0])} has no {self.name} code")

    def __str__(self) -> str:
        return self.name


def packed_size(count: int, encoding: Encoding) -> int:
    """Bytes that `count` elements take."""
    return -(-count * encoding.bits // 8)


def pack(values: IntArray, encoding: Encoding) -> npt.NDArray[np.uint8]:
    """Flat (C-order) elements as bytes, see the module text."""
    encoding.check(values, "pack")
    flat = values.reshape(-1)
    codes = (flat + 1) // 2 if encoding.name == "binary" else flat
    shifts = np.arange(encoding.bits, dtype=np.int64)
    bits = (codes[:, None] >> shifts) & 1  # arithmetic shift: two's complement of any width
    return np.packbits(bits.astype(np.uint8).reshape(-1), bitorder="little")


def unpack(data: npt.NDArray[np.uint8], encoding: Encoding, count: int) -> IntArray:
    """The inverse of `pack`.

    Raises ModelFileError when the size is wrong, an unused bit is set or a code is invalid.
    """
    if data.size != packed_size(count, encoding):
        raise ModelFileError(
            f"{count} {encoding} elements take {packed_size(count, encoding)} bytes, {data.size} are there"
        )
    bits = np.unpackbits(data, bitorder="little")
    used = count * encoding.bits
    if bits[used:].any():
        raise ModelFileError("an unused bit after the last element is set")
    fields = bits[:used].reshape(count, encoding.bits).astype(np.int64)
    weights = np.left_shift(np.int64(1), np.arange(encoding.bits, dtype=np.int64))
    if encoding.name == "ternary" or encoding.name[0] == "s":
        weights[-1:] *= -1  # the sign bit; for 64 bits it is -2^63 already and stays so
    values: IntArray = fields @ weights
    if encoding.name == "binary":
        values = 2 * values - 1
    elif encoding.name == "ternary" and (values == -2).any():
        raise ModelFileError(f"element {int(np.argmax(values == -2))} has the invalid ternary code 10")
    return values

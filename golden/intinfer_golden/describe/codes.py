"""How an integer becomes the bits of a word, and back. Declared in the manifest for every tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError
from intinfer.files.packing import Encoding
from intinfer.types import IntArray, IntType, container

CodeWords = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Code:
    """A code of `bits` bits, 1..64 (unsigned: 1..63), by `name`:

    unsigned         0 .. 2^bits - 1
    twos_complement  -2^(bits-1) .. 2^(bits-1) - 1
    ternary          2 bits, two's complement: -1 -> 11, 0 -> 00, +1 -> 01; 10 is no value
    bipolar          1 bit: -1 -> 0, +1 -> 1
    """

    name: str
    bits: int

    def __post_init__(self) -> None:
        widths = {"unsigned": (1, 63), "twos_complement": (1, 64), "ternary": (2, 2), "bipolar": (1, 1)}
        if self.name not in widths or not widths[self.name][0] <= self.bits <= widths[self.name][1]:
            raise DataError(f"there is no code {self.name!r} of {self.bits} bits")

    @classmethod
    def of_type(cls, type_: IntType) -> Code:
        """The narrowest code of a value."""
        return cls("twos_complement" if type_.signed else "unsigned", type_.bits)

    @classmethod
    def of_encoding(cls, encoding: Encoding) -> Code:
        """The code a constant is stored in."""
        names = {"binary": "bipolar", "ternary": "ternary"}
        usual = "twos_complement" if encoding.lo < 0 else "unsigned"
        return cls(names.get(encoding.name, usual), encoding.bits)

    @property
    def signed(self) -> bool:
        """Whether a value may be negative."""
        return self.name != "unsigned"

    @property
    def lo(self) -> int:
        """The lowest value."""
        return {"unsigned": 0, "ternary": -1, "bipolar": -1}.get(self.name, -(1 << (self.bits - 1)))

    @property
    def hi(self) -> int:
        """The highest value."""
        return {"unsigned": self.mask, "ternary": 1, "bipolar": 1}.get(self.name, (1 << (self.bits - 1)) - 1)

    @property
    def digits(self) -> int:
        """Hexadecimal digits of a word."""
        return -(-self.bits // 4)

    @property
    def mask(self) -> int:
        """A word of ones."""
        return (1 << self.bits) - 1

    @property
    def map(self) -> dict[str, int] | None:
        """Value -> word of the codes that have few values."""
        if self.name not in ("ternary", "bipolar"):
            return None
        values = [-1, 0, 1] if self.name == "ternary" else [-1, 1]
        return {str(value): int(word) for value, word in zip(values, self.encode(np.array(values)), strict=True)}

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest NumPy container, little-endian."""
        return container(self.lo, self.hi).newbyteorder("<")

    def encode(self, values: IntArray) -> CodeWords:
        """The words of values inside lo..hi, masked to the width."""
        plain = (values + 1) // 2 if self.name == "bipolar" else values
        words: CodeWords = np.ascontiguousarray(plain, dtype=np.int64).view(np.uint64) & np.uint64(self.mask)
        return words

    def decode(self, words: CodeWords) -> IntArray:
        """The values of words below 2^bits."""
        if self.name == "bipolar":
            return 2 * words.astype(np.int64) - 1
        if self.name == "unsigned":
            return words.astype(np.int64)
        spare = np.uint64(64 - self.bits)
        values: IntArray = (words << spare).view(np.int64) >> np.int64(64 - self.bits)  # brings the sign back down
        return values

    def hex(self, value: int) -> str:
        """The word of one value, as it stands in a memory file, with 0x."""
        return f"0x{int(self.encode(np.array([value]))[0]):0{self.digits}x}"

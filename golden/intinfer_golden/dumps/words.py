"""Words of a dump before anyone says what they mean: bits of any width, some of them unknown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from intinfer.text import printable
from intinfer.types import IntArray

Bytes = npt.NDArray[np.uint8]


class Token(NamedTuple):
    """One word of a text.

    Attributes:
        number: its value, negative only where decimal; unknown bits count as 0.
        unknown: 1 where a bit is X or Z; -1 for all of them, however wide the word is.
        text: as it stands in the file.
        place: line or time.
    """

    number: int
    unknown: int
    text: str
    place: int


@dataclass(frozen=True)
class Words:
    """Words in the order of the dump.

    Attributes:
        bits: uint8 (words, bytes), least significant byte first; two's complement of negative numbers.
        negative: bool (words,).
        unknown: as `bits`, 1 where a bit is X or Z; None where all are known.
        kind: "bits", or "numbers" (a file of decimal text or `.npy`), or "bytes" of a file that does not say how many
            make a word.
        places: of each word, counted from 1; None in files without.
        unit: what `places` counts, "line" or "time".
        texts: of words with unknown bits, as they stand in the file.
    """

    bits: Bytes
    negative: npt.NDArray[np.bool_]
    unknown: Bytes | None
    kind: str
    places: IntArray | None = None
    unit: str = "line"
    texts: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of_tokens(cls, tokens: Iterable[Token], kind: str = "bits", unit: str = "line") -> Words:
        found = list(tokens)
        size = max((_bits(token) for token in found), default=0) // 8 + 1
        numbers = [token.number for token in found]
        unknown = None
        if any(token.unknown for token in found):
            unknown = _rows([token.unknown for token in found], size)
        texts = {i: _short(token.text) for i, token in enumerate(found) if token.unknown}
        negative = np.array([number < 0 for number in numbers], dtype=bool)
        places = np.array([token.place for token in found], dtype=np.int64)
        return cls(_rows(numbers, size), negative, unknown, kind, places, unit, texts)

    @classmethod
    def of_array(cls, array: npt.NDArray[np.integer | np.bool_]) -> Words:
        """Integers or booleans of any shape, in C order."""
        flat = array.reshape(-1)
        flat = flat.astype("u1") if flat.dtype.kind == "b" else flat.astype(flat.dtype.newbyteorder("<"))
        negative = np.less(flat, 0)
        return cls(flat.view(np.uint8).reshape(len(flat), flat.dtype.itemsize), negative, None, "numbers")

    @classmethod
    def of_bytes(cls, data: bytes) -> Words:
        """A file that does not say how many bytes make a word."""
        return cls.of_rows(np.frombuffer(data, dtype=np.uint8)[:, None], "bytes")

    @classmethod
    def of_rows(cls, bits: Bytes, kind: str = "bits", places: IntArray | None = None) -> Words:
        """Known bits."""
        return cls(bits, np.zeros(len(bits), dtype=bool), None, kind, places)

    def __len__(self) -> int:
        return len(self.bits)

    def number(self, index: int) -> int:
        return int.from_bytes(self.bits[index].tobytes(), "little", signed=bool(self.negative[index]))

    def text(self, index: int) -> str:
        """A word as it stands in the file, or as it would there."""
        number = self.number(index)
        return self.texts.get(index) or _short(str(number) if self.kind == "numbers" else f"{number:x}")

    def joined(self, size: int) -> Words:
        """Of loose bytes, words of `size` bytes; bytes that are left over at the end are dropped."""
        count = len(self) // size
        return Words.of_rows(self.bits[: count * size].reshape(count, size))

    def widened(self, size: int) -> Bytes:
        """`bits` with at least `size` bytes a word: the sign goes on above negative numbers, else 0."""
        return _widened(self.bits, self.negative, size)

    def unknown_widened(self, size: int) -> Bytes | None:
        """`unknown` with at least `size` bytes a word: a word that is unknown in all bits is so above."""
        return None if self.unknown is None else _widened(self.unknown, (self.unknown == 255).all(axis=1), size)

    def head(self, count: int) -> Words:
        """The first words."""
        unknown = None if self.unknown is None else self.unknown[:count]
        return Words(self.bits[:count], self.negative[:count], unknown, self.kind)

    def from_word(self, first: int) -> Words:
        """Without the first words; for a negative number, with as many unknown words before the first."""
        start, missing = max(first, 0), max(-first, 0)

        def moved(rows: npt.NDArray[np.generic], new: int) -> npt.NDArray[np.generic]:
            return np.concatenate([np.full((missing, *rows.shape[1:]), new, rows.dtype), rows[start:]])

        unknown = np.zeros_like(self.bits) if self.unknown is None else self.unknown
        return Words(
            moved(self.bits, 0).astype(np.uint8),
            moved(self.negative, 0).astype(bool),
            moved(unknown, 255).astype(np.uint8),
            self.kind,
        )


def _widened(rows: Bytes, ones: npt.NDArray[np.bool_], size: int) -> Bytes:
    above = np.where(ones, np.uint8(255), np.uint8(0))[:, None]
    return np.concatenate([rows, np.repeat(above, max(0, size - rows.shape[1]), axis=1)], axis=1)


def _bits(token: Token) -> int:
    """Bits that hold a word, without sign."""
    number = ~token.number if token.number < 0 else token.number
    return max(number.bit_length(), token.unknown.bit_length())


def _rows(numbers: Sequence[int], size: int) -> Bytes:
    data = b"".join(number.to_bytes(size, "little", signed=number < 0) for number in numbers)
    return np.frombuffer(data, dtype=np.uint8).reshape(len(numbers), size)


def _short(token: str) -> str:
    return repr(printable(token if len(token) <= 24 else token[:21] + "..."))

"""Words of a dump before anyone says what they mean: bits of any width, some of them unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from intinfer.types import Mask

from ...describe.formats.words import WordBytes
from .foreign import short
from .places import Places

_TOKENS = 2**14
"""Tokens that are turned into rows together."""
_KEPT_TEXTS = 64
"""Words with unknown bits, of those read together, whose text is kept."""
_UNEVEN = 2**26
"""WordBytes that words of one width may take beyond four times what each of them needs."""


class ParsedWord(NamedTuple):
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


class WidthError(ValueError):
    """A few words are so much wider than the rest that rows of one width would fill the memory."""


@dataclass(frozen=True)
class Words:
    """Words in the order of the dump.

    Attributes:
        bits: uint8 (words, bytes), least significant byte first; two's complement of negative numbers.
        negative: bool (words,).
        unknown: as `bits`, 1 where a bit is X or Z; None where all are known.
        kind: "bits" of a memory, "beats" of a stream, or "numbers" (a file of decimal text or `.npy`), or "bytes" of a
            file that does not say how many make a word.
        places: of each word its time, where these are beats, or its line, counted from 1; None in files without.
        texts: of words with unknown bits, as they stand in the file; of many such words only the first ones.
        slot: bits of the widest word as it is written, 0 where that is not known.
        digit: bits of a digit of that.
    """

    bits: WordBytes
    negative: Mask
    unknown: WordBytes | None
    kind: str
    places: Places | None = None
    texts: dict[int, str] = field(default_factory=dict)
    slot: int = 0
    digit: int = 1

    @classmethod
    def of_parts(cls, parts: Sequence[Words], kind: str = "bits") -> Words:
        """Parts of one dump, one after the other; `kind` of a dump without any.

        Raises WidthError where a few words are far wider than the rest.
        """
        if len(parts) < 2:
            return parts[0] if parts else _of_list([], kind, 0)
        size, count = max(part.bits.shape[1] for part in parts), sum(len(part) for part in parts)
        _check_width(count, size, sum(part.bits.size for part in parts))
        bits = np.zeros((count, size), dtype=np.uint8)
        unknown = np.zeros((count, size), dtype=np.uint8) if any(p.unknown is not None for p in parts) else None
        signs = any(part.negative.any() for part in parts)
        negative = np.zeros(count, dtype=bool) if signs else _none(count)
        texts: dict[int, str] = {}
        start = 0
        for part in parts:
            span = slice(start, start + len(part))
            bits[span] = part.widened(size)
            if signs:
                negative[span] = part.negative
            if unknown is not None and (rows := part.unknown_widened(size)) is not None:
                unknown[span] = rows
            texts |= {start + word: text for word, text in part.texts.items()}
            start += len(part)
        places = [part.places for part in parts if part.places is not None]
        joined = Places.joined(places) if len(places) == len(parts) else None
        slot = max(part.slot for part in parts)
        return replace(parts[0], bits=bits, negative=negative, unknown=unknown, places=joined, texts=texts, slot=slot)

    @classmethod
    def of_array(cls, array: npt.NDArray[np.integer | np.bool_]) -> Words:
        """Integers or booleans of any shape, in C order."""
        flat = array.reshape(-1)
        flat = flat.astype("u1") if flat.dtype.kind == "b" else flat.astype(flat.dtype.newbyteorder("<"), copy=False)
        negative = np.less(flat, 0) if flat.dtype.kind == "i" else _none(len(flat))
        return cls(flat.view(np.uint8).reshape(len(flat), flat.dtype.itemsize), negative, None, "numbers")

    @classmethod
    def of_bytes(cls, data: bytes) -> Words:
        """A file that does not say how many bytes make a word."""
        return cls.of_rows(np.frombuffer(data, dtype=np.uint8)[:, None], "bytes")

    @classmethod
    def of_rows(cls, bits: WordBytes, kind: str = "bits", slot: int = 0, digit: int = 1) -> Words:
        """Known bits."""
        return cls(bits, _none(len(bits)), None, kind, slot=slot, digit=digit)

    def __len__(self) -> int:
        return len(self.bits)

    def number(self, index: int) -> int:
        """A word as a number, unknown bits as 0; negative where it is written so."""
        return int.from_bytes(self.bits[index].tobytes(), "little", signed=bool(self.negative[index]))

    def unknown_at(self, index: int) -> int:
        """Which bits of a word are X or Z."""
        return 0 if self.unknown is None else int.from_bytes(self.unknown[index].tobytes(), "little")

    def text(self, index: int) -> str:
        """A word as it stands in the file, or as it would there."""
        if index in self.texts:
            return self.texts[index]
        number, unknown = self.number(index), self.unknown_at(index)
        digits = str(number) if self.kind == "numbers" or number < 0 else f"{number:x}"
        if unknown:
            nibbles = range(max(len(digits), -(-unknown.bit_length() // 4)))
            digits = "".join("x" if unknown >> 4 * i & 15 else f"{number >> 4 * i & 15:x}" for i in reversed(nibbles))
        return short(digits)

    def bits_used(self) -> int:
        """Places up to the highest bit that is 1 in any word."""
        every = np.bitwise_or.reduce(self.bits, axis=0) if len(self) else np.zeros(1, np.uint8)
        return int.from_bytes(every.tobytes(), "little").bit_length()

    def wider(self, width: int) -> int:
        """Words in which a bit from number `width` on is 1."""
        return int((self.bits & mask_above(self.bits.shape[1], width)).any(axis=1).sum())

    def joined(self, size: int) -> Words:
        """Loose bytes as words of `size` bytes; bytes that are left over at the end are dropped."""
        count = len(self) // size
        return Words.of_rows(self.bits[: count * size].reshape(count, size), slot=8 * size, digit=8)

    def widened(self, size: int) -> WordBytes:
        """`bits` with at least `size` bytes a word: the sign goes on above negative numbers, else 0."""
        return _widened(self.bits, self.negative, size)

    def unknown_widened(self, size: int) -> WordBytes | None:
        """`unknown` with at least `size` bytes a word: a word that is unknown in all bits is so above."""
        return None if self.unknown is None else _widened(self.unknown, (self.unknown == 255).all(axis=1), size)

    def numbers(self) -> npt.NDArray[np.uint64] | None:
        """The words as numbers, two's complement of negative ones; None where one has more than 64 bits or unknown
        ones."""
        rows = self.widened(8)
        if self.unknown is not None or (rows[:, 8:] != np.where(self.negative, 255, 0)[:, None]).any():
            return None
        return np.ascontiguousarray(rows[:, :8]).view("<u8").reshape(-1).astype(np.uint64)

    def part(self, start: int, stop: int) -> Words:
        """Some of the words; nothing is copied, and places and texts stay behind."""
        unknown = None if self.unknown is None else self.unknown[start:stop]
        bits, negative = self.bits[start:stop], self.negative[start:stop]
        texts = {word - start: text for word, text in self.texts.items() if start <= word < stop}
        return Words(bits, negative, unknown, self.kind, None, texts, self.slot, self.digit)

    def known(self) -> Words:
        """Those that have no unknown bits; places and texts stay behind."""
        assert self.unknown is not None, "asked of words some of which are unknown"
        known = ~self.unknown.any(axis=1)
        return Words(self.bits[known], self.negative[known], None, self.kind, slot=self.slot, digit=self.digit)

    def head(self, count: int) -> Words:
        """The first words."""
        unknown = None if self.unknown is None or not self.unknown[:count].any() else self.unknown[:count]
        return replace(self, bits=self.bits[:count], negative=self.negative[:count], unknown=unknown)

    def without_unknown_end(self) -> int:
        """Words up to the last one that is not unknown in all bits."""
        if self.unknown is None:
            return len(self)
        known = np.flatnonzero((self.unknown != 255).any(axis=1))
        return int(known[-1]) + 1 if len(known) else 0

    def from_word(self, first: int) -> Words:
        """Without the first words; for a negative number, with as many unknown words before the first."""
        start, missing = max(first, 0), max(-first, 0)
        unknown = np.zeros_like(self.bits) if self.unknown is None else self.unknown
        bits = np.pad(self.bits[start:], ((missing, 0), (0, 0)))
        hidden = np.pad(unknown[start:], ((missing, 0), (0, 0)), constant_values=255)
        return Words(bits, np.pad(self.negative[start:], (missing, 0)), hidden, self.kind)


def parts_of(tokens: Iterable[ParsedWord], kind: str = "bits", digit: int = 0) -> Iterator[Words]:
    """Tokens as words, some at a time.

    Args:
        digit: bits that each character of a token stands for, 0 where `slot` is not to be known.
    """
    rest = iter(tokens)
    while found := list(islice(rest, _TOKENS)):
        yield _of_list(found, kind, digit)


def _of_list(found: list[ParsedWord], kind: str, digit: int) -> Words:
    sizes = [_bits(token) // 8 + 1 for token in found]
    size = max(sizes, default=1)
    _check_width(len(found), size, sum(sizes))
    numbers = [token.number for token in found]
    hidden = [i for i, token in enumerate(found) if token.unknown]
    unknown = _rows([token.unknown for token in found], size) if hidden else None
    texts = {i: short(found[i].text) for i in hidden[:_KEPT_TEXTS]}
    negative = np.array([number < 0 for number in numbers], dtype=bool)
    places = Places.of(np.array([token.place for token in found], dtype=np.int64))
    slot = digit * max((len(token.text.replace("_", "")) for token in found), default=0)
    return Words(_rows(numbers, size), negative, unknown, kind, places, texts, slot, digit)


def mask_above(size: int, width: int) -> WordBytes:
    """A word of `size` bytes with 1 in every bit from number `width` on."""
    mask = ((1 << (8 * size)) - 1) >> width << width
    return np.frombuffer(mask.to_bytes(size, "little"), dtype=np.uint8)


def _check_width(count: int, size: int, needed: int) -> None:
    if count * size > 4 * needed + _UNEVEN:
        raise WidthError(
            f"one of its words has about {8 * size:,} bits, most of the others far fewer; dump words of one width"
        )


def _none(count: int) -> Mask:
    """No flag set, in no memory."""
    return np.broadcast_to(np.zeros((), dtype=bool), (count,))


def _widened(rows: WordBytes, ones: Mask, size: int) -> WordBytes:
    if rows.shape[1] >= size:
        return rows
    above = np.where(ones, np.uint8(255), np.uint8(0))[:, None]
    return np.concatenate([rows, np.repeat(above, size - rows.shape[1], axis=1)], axis=1)


def _bits(token: ParsedWord) -> int:
    """Bits that hold a word, without sign."""
    number = ~token.number if token.number < 0 else token.number
    return max(number.bit_length(), token.unknown.bit_length())


def _rows(numbers: Sequence[int], size: int) -> WordBytes:
    data = b"".join(number.to_bytes(size, "little", signed=number < 0) for number in numbers)
    return np.frombuffer(data, dtype=np.uint8).reshape(len(numbers), size)

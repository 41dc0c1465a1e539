"""Words of a dump as values of a tensor: lanes taken apart, and everything that is no value of the code found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intinfer.types import IntArray, Mask

from ...describe.formats.words import lanes_of
from ...describe.tensors import Scalar, Tensor
from .words import Words, mask_above

_CHUNK_BITS = 2**24
"""Bits that are looked at together."""


@dataclass(frozen=True)
class Dump:
    """A dump of a tensor in no tiles.

    Attributes:
        packing: the tensor, with as many elements a word as the dump has.
        values: int64, one an element; of a bad one its low bits, 0 where they are unknown.
        unknown: bool, elements with X or Z.
        bad: bool, elements that hold no value of the code: unknown, or in a word that is too wide or outside the code.
        spare: bool (words,), unused lanes of a partial word hold something.
    """

    words: Words
    packing: Tensor
    values: IntArray
    unknown: Mask
    bad: Mask
    spare: Mask

    @classmethod
    def of(cls, words: Words, packing: Tensor, top: int = 0) -> Dump:
        """Args: top: bits that words are sign-extended to, see `sign_top`; 0 where they are not."""
        if words.kind == "bytes":
            words = words.joined(packing.word_bytes)
        lanes = lanes_of(packing, words.widened(packing.word_bytes))
        slots = _elements(lanes, packing)
        values = packing.code.decode(slots & np.uint64(packing.code.mask))
        unknown = np.zeros(len(values), dtype=bool)
        spare = _spare(lanes, packing)
        if (rows := words.unknown_widened(packing.word_bytes)) is not None:
            hidden = lanes_of(packing, rows)
            unknown = _elements(hidden, packing) != 0
            spare |= _spare(hidden, packing)
        wide = ~_fits(words, packing, top)
        bad = unknown | _elements(np.repeat(wide[:, None], packing.fold, axis=1), packing)
        if packing.slot_bits > packing.code.bits:
            bad |= packing.slot.encode(packing.code, values) != slots
        return cls(words, packing, np.where(unknown, 0, values), unknown, bad, spare)

    def __len__(self) -> int:
        return len(self.values)

    def word_hex(self, word: int) -> str | None:
        """A word with all its digits, as it stands in the dump; None beyond the end and where bits are unknown."""
        if word >= len(self.words) or self.words.unknown_at(word):
            return None
        return f"0x{self.words.number(word):0{-(-self.packing.word_bits // 4)}x}"

    def problem(self, index: int) -> str:
        """Why an element holds no value, or its word is not what it seems; empty when there is nothing to say."""
        word, _ = place_of(self.packing, index)
        text = self.words.text(word)
        if self.unknown[index] or (self.bad[index] and self.words.unknown_at(word)):
            return f"{text} has unknown bits"
        if self.bad[index]:
            code = self.packing.code
            if self.words.kind == "numbers" and self.packing.fold == 1:
                return f"{text} is outside {code.lo}..{code.hi}"
            if self.packing.slot_bits > code.bits and 0 <= self.words.number(word) < 1 << self.packing.word_bits:
                above = "the sign" if self.packing.slot.repeats_sign(code) else "0"
                return f"{text} does not have {above} above the {code.bits} bits of the element"
            return f"{text} is wider than {self.packing.word_bits} bits"
        if self.spare[word]:
            return f"{text} holds something in its unused lanes, which are 0"
        return ""


def elements_in(packing: Tensor, words: int) -> int:
    """Elements of so many words."""
    runs, rest = divmod(words, packing.words_per_run)
    return runs * packing.run + min(rest * packing.fold, packing.run)


def place_of(packing: Tensor, index: int) -> tuple[int, int]:
    """Word and lane of an element."""
    run, inside = divmod(index, packing.run)
    return run * packing.words_per_run + inside // packing.fold, inside % packing.fold


def span_of(packing: Tensor, word: int) -> range:
    """The elements in a word."""
    run, inside = divmod(word, packing.words_per_run)
    start = run * packing.run + inside * packing.fold
    return range(start, min(start + packing.fold, (run + 1) * packing.run))


def _elements(lanes: npt.NDArray[Scalar], packing: Tensor) -> npt.NDArray[Scalar]:
    """The used lanes as a vector, one an element."""
    if packing.fold == 1:
        return lanes.reshape(-1)
    missing = -len(lanes) % packing.words_per_run
    whole = np.concatenate([lanes, np.zeros((missing, packing.fold), lanes.dtype)])
    runs = whole.reshape(-1, packing.words_per_run * packing.fold)[:, : packing.run]
    return runs.reshape(-1)[: elements_in(packing, len(lanes))]


def _spare(lanes: npt.NDArray[np.uint64], packing: Tensor) -> Mask:
    """Words whose unused lanes are not 0."""
    flags = np.zeros(len(lanes), dtype=bool)
    used = packing.run % packing.fold
    if used:
        last = slice(packing.words_per_run - 1, None, packing.words_per_run)
        flags[last] = (lanes[last, used:] != 0).any(axis=1)
    return flags


def sign_top(words: Words, packing: Tensor) -> int:
    """How many bits the words of a memory are sign-extended to, where every known word is and one is negative; else 0.

    Only numbers have a sign: words of one element in two's complement, or of several if they are written as negative
    numbers.
    """
    width, decimal = packing.word_bits, bool(words.negative.any())
    numbers = packing.code.name in ("twos_complement", "ternary") if packing.fold == 1 else decimal
    if words.kind != "bits" or not numbers:
        return 0
    known = words if words.unknown is None else words.known()
    size = 8 * known.bits.shape[1]
    top = size
    if not decimal:
        top = known.bits_used()
        if not max(width, words.slot - words.digit) < top <= words.slot:
            return 0
    step = max(1, _CHUNK_BITS // size)
    parts = (known.part(start, start + step) for start in range(0, len(known), step))
    return max(top, width) if all(_fits(part, packing, top).all() for part in parts) else 0


def _fits(words: Words, packing: Tensor, top: int) -> Mask:
    """Words with nothing above the elements: known zeros, or the sign of a number, or in all bits up to number `top`
    that of the highest element."""
    number = top > 0 or (packing.code.signed and words.kind == "numbers" and packing.fold == 1)
    first = packing.word_bits - number
    rows = words.widened(packing.word_bytes)
    size = rows.shape[1]
    above, ones = rows & mask_above(size, first), mask_above(size, first)
    fits: Mask = np.logical_not(above.any(axis=1))
    if top:
        fits |= (above == ones & ~mask_above(size, top)).all(axis=1)
    if words.negative.any():
        fits = np.where(words.negative, number and (above == ones).all(axis=1), fits)
    if words.unknown is not None:
        fits &= ~(words.unknown & mask_above(words.unknown.shape[1], packing.word_bits)).any(axis=1)
    return fits

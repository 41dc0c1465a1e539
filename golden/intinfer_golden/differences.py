"""Where a dump differs from what is expected: which elements, by how much, and the first with its place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from intinfer.types import IntArray

from .dumps import Dump, Packing
from .hints import Mask
from .tensors import Tensor


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first value of a dump that is not what was expected.

    Attributes:
        word: of the dump, counted from 0.
        lane: of the value inside the word, counted from where element 0 is; None where a word is one value.
        line: of the file, counted from 1; None in files without, and where the dump ends early.
        time: of a value change dump.
        at: (n, c, y, x) or (n, c) by letter, of a constant by its axes; None for words beyond the end and unused lanes.
        expected, actual: None where there is none: beyond the end, missing, unknown bits.
        expected_word, actual_word: the whole words in hexadecimal where a word is several values.
        problem: why there is no value, or why it cannot be one; empty when it is just wrong.
    """

    word: int
    lane: int | None
    line: int | None
    time: int | None
    at: dict[str, int] | None
    expected: int | None
    expected_hex: str | None
    expected_word: str | None
    actual: int | None
    actual_hex: str | None
    actual_word: str | None
    problem: str


def wrong_elements(dump: Dump, expected: IntArray, asked: Mask) -> Mask:
    """By element: it is asked for and not what is expected, or the last of a word whose unused lanes are not 0."""
    length = min(len(expected), len(dump))
    wrong = np.ones(len(expected), dtype=bool)
    wrong[:length] = (dump.values[:length] != expected[:length]) | dump.bad[:length]
    wrong &= asked
    for word in np.flatnonzero(dump.spare).tolist():
        span = dump.packing.span(word)
        if span.stop <= length and asked[span.start : span.stop].any():
            wrong[span.stop - 1] = True
    return wrong


def errors_of(dump: Dump, expected: IntArray, wrong: Mask) -> dict[int, int]:
    """actual - expected -> how often, the most frequent first, where both are values."""
    length = min(len(expected), len(dump))
    usable = wrong[:length] & ~dump.bad[:length] & (dump.values[:length] != expected[:length])
    actual, wanted = dump.values[:length][usable], expected[:length][usable]
    if dump.packing.code.bits <= 62:
        sizes, counts = np.unique(actual - wanted, return_counts=True)
        errors = dict(zip(sizes.tolist(), counts.tolist(), strict=True))
    else:  # a difference may leave int64
        errors = dict(Counter(a - w for a, w in zip(actual.tolist(), wanted.tolist(), strict=True)))
    return dict(sorted(errors.items(), key=lambda pair: (-pair[1], abs(pair[0]), pair[0])))


def first_difference(
    tensor: Tensor, expected: IntArray, wrong: Mask, dump: Dump, places: IntArray | None
) -> Difference | None:
    """The first wrong value; without one, a wrong length.

    Args:
        expected, wrong: one entry an element, in the order of the dump.
        places: the index of each in the order of files, -1 of an unused lane of a word; None where that is the same.
    """
    packing, count = dump.packing, len(dump.words)
    wanted = packing.words(len(expected))
    if wrong.any():
        index = int(np.argmax(wrong))
    elif count < wanted:  # only words that nobody demands are missing, but the length is part of the dump
        index = len(dump)
    elif count > wanted:
        return _beyond(dump, wanted)
    else:
        return None
    problem = dump.problem(index) if index < len(dump) else f"the dump ends after {count} words"
    actual = int(dump.values[index]) if index < len(dump) and not dump.bad[index] else None
    word, lane = packing.place(index)
    place = index if places is None else int(places[index])
    used, value = place >= 0, int(expected[index])
    if not used and index < len(dump):
        problem = problem or f"lane {packing.place(index)[1]} is unused and must be 0"
    packed = packing.fold > 1
    return Difference(
        word=word,
        lane=lane if packed else None,
        **_where(dump, word),
        at=tensor.at(place) if used else None,
        expected=value if used else None,
        expected_hex=tensor.code.hex(value) if used else None,
        expected_word=_word_hex(packing, expected, word) if packed else None,
        actual=actual,
        actual_hex=None if actual is None else tensor.code.hex(actual),
        actual_word=dump.word_hex(word) if packed else None,
        problem=problem,
    )


def _beyond(dump: Dump, word: int) -> Difference:
    """The first word that the vectors do not have."""
    index = dump.packing.span(word).start
    actual = None if dump.bad[index] or dump.packing.fold > 1 else int(dump.values[index])
    return Difference(
        word=word,
        lane=None,
        **_where(dump, word),
        at=None,
        expected=None,
        expected_hex=None,
        expected_word=None,
        actual=actual,
        actual_hex=None if actual is None else dump.packing.code.hex(actual),
        actual_word=dump.word_hex(word) if dump.packing.fold > 1 else None,
        problem=f"the dump goes on after the {word} words expected",
    )


def _where(dump: Dump, word: int) -> dict[str, int | None]:
    """Line or time of a word."""
    places = dump.words.places
    known = None if places is None or word >= len(places) else int(places[word])
    return {"line": None, "time": None, dump.words.unit: known}


def _word_hex(packing: Packing, expected: IntArray, word: int) -> str:
    """A word as it should be."""
    span = packing.span(word)
    return f"0x{packing.word(expected[span.start : span.stop]):0{-(-packing.word_bits // 4)}x}"

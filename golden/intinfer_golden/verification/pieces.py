"""A dump beside the vectors, some frames at a time: what is wrong, and the first difference where the source has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from intinfer.types import IntArray, Mask

from ..describe.formats.words import pack
from ..describe.tensors import Tensor
from .constants import Memory
from .dumps import Dump, Words
from .dumps.dump import place_of, sign_top, span_of
from .extent import Extent
from .hints import Case
from .sets import Match, check, golden

_CHUNK = 2**19
"""Values that are compared at a time, if a frame has not more."""
MOST = 2**20
"""Values that hints and causes are looked for in, if two frames have not more: they take a hundred bytes each."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first value of a dump that is not what was expected.

    Attributes:
        word: of the dump, counted from 0.
        lane: of the value inside the word, counted from where element 0 is; None where a word is one value.
        line: of the file, counted from 1; None in files without, and where the dump ends early.
        time: of a value change dump.
        at: (n, c, y, x) or (n, c) by letter, of a constant by its axes; None for words beyond the end, and for a lane
            of a constant's word that is unused and must be 0.
        expected, actual: None where there is none: beyond the end, missing, unknown bits.
        expected_word, actual_word: the whole words in hexadecimal where a word is several values.
        problem: why there is no value, or why it cannot be one; empty when it is just wrong.
        pass_: which time the set comes, counted from 1; None where it comes once.
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
    pass_: int | None = None


@dataclass
class Tally:
    """What is counted over all pieces of a dump."""

    compared: int = 0
    ignored: int = 0
    differences: int = 0
    first: Difference | None = None
    errors: Counter[int] = field(default_factory=Counter)
    wrong_frames: set[int] = field(default_factory=set)
    """Their places among those of the dump."""

    def sorted_errors(self) -> dict[int, int]:
        """Actual - expected -> how often, most frequent first."""
        return dict(sorted(self.errors.items(), key=lambda pair: (-pair[1], abs(pair[0]), pair[0])))


class Pieces:
    """A dump beside the vectors, some frames at a time.

    `numbers` are the frames of the set that the dump holds; `tensor` has as many.
    """

    def __init__(self, match: Match, tensor: Tensor, numbers: Sequence[int], full: bool, extent: Extent) -> None:
        self._match, self._tensor, self._numbers, self._full, self._extent = match, tensor, numbers, full, extent
        self._top = sign_top(extent.words, extent.packing)
        self._frames = tensor.shape[0]
        self._size = tensor.elements // self._frames
        self._words = extent.packing.words_of(self._size)

    def tally(self) -> Tally:
        """Compare all of the dump. Raises DataError where a file of the set is not the one that was written."""
        tally = Tally()
        check(self._match.vectors, self._match.entry)
        for frames in self._parts():
            expected, asked = self._golden(frames)
            for number in range(self._extent.passes):
                place, dump = self._piece(frames, number)
                wrong = wrong_values(dump, expected, asked)
                tally.compared += int(asked.sum())
                tally.ignored += int((~asked).sum())
                tally.differences += int(wrong.sum())
                tally.errors.update(_errors(dump, expected, wrong))
                tally.wrong_frames.update(np.array(frames)[wrong.reshape(len(frames), -1).any(axis=1)].tolist())
                if wrong.any() and (tally.first is None or place < tally.first.word):
                    tally.first = self._difference(dump, expected, int(np.argmax(wrong)), place)
        return tally

    def length(self) -> Difference | None:
        """Where no value is wrong: the first word that is missing, be it one that nobody demands, or too many."""
        count, wanted = len(self._extent.words), self._extent.expected
        if count >= wanted:
            return self._beyond(wanted) if count > wanted else None
        number, frame = divmod(count // self._words, self._frames)
        frames = range(frame, frame + 1)
        place, dump = self._piece(frames, number)
        return self._difference(dump, self._golden(frames)[0], len(dump), place)

    def case(self, first: Difference, wrong_frames: Collection[int]) -> Case:
        """The first pass that differs, for hints and causes: all of it, or where that has more than `MOST` values some
        frames in a row, from the one before the first that differs on."""
        count = min(max(MOST // self._size, 2), self._frames)
        begin = min(max(0, min(wrong_frames, default=0) - 1), self._frames - count)
        frames = range(begin, begin + count)
        expected, asked = self._golden(frames)
        tensor = replace(self._tensor, shape=(count, *self._tensor.shape[1:]))
        dump = self._piece(frames, (first.pass_ or 1) - 1)[1]
        raw = dump.words
        if count == self._frames and self._extent.passes == 1:  # with words behind the last one
            dump, raw = Dump.of(self._extent.words, self._extent.packing, self._top), self._extent.raw
        numbers = self._numbers[begin : begin + count]
        return Case(tensor, expected, asked, raw, dump, self._match.vectors, numbers)

    def wrong(self, number: int) -> tuple[Mask, Mask]:
        """Which values of pass `number`, counted from 0, are wrong, and which are compared."""
        wrong, asked = [], []
        for frames in self._parts():
            expected, compared = self._golden(frames)
            wrong.append(wrong_values(self._piece(frames, number)[1], expected, compared))
            asked.append(compared)
        return np.concatenate(wrong), np.concatenate(asked)

    def notes(self) -> list[str]:
        """What there is to say of words that are wider than what they hold."""
        words, width = self._extent.words, self._extent.packing.word_bits
        if self._top:
            return [f"words are sign-extended from {width} bits"]
        if words.kind == "bits" and words.slot >= width + words.digit:
            return [f"words are written with {words.slot} bits and hold {width}; those above are 0"]
        return []

    def _parts(self) -> Iterator[range]:
        """The frames, as many at a time as are compared together."""
        step = max(1, _CHUNK // self._size)
        return (range(start, min(start + step, self._frames)) for start in range(0, self._frames, step))

    def _golden(self, frames: range) -> tuple[IntArray, Mask]:
        """What is expected of some frames, and which of it is compared."""
        numbers = self._numbers[frames.start : frames.stop]
        expected, asked = golden(self._match.vectors, self._match.entry, numbers)
        return expected, np.ones_like(asked) if self._full else asked

    def _piece(self, frames: range, number: int) -> tuple[int, Dump]:
        """Where some frames of a pass begin in the dump, in words, and what stands there."""
        place = (number * self._frames + frames.start) * self._words
        words = self._extent.words.part(place, place + len(frames) * self._words)
        return place, Dump.of(words, self._extent.packing, self._top)

    def _difference(self, dump: Dump, expected: IntArray, index: int, place: int) -> Difference:
        """Element `index` of a piece of the dump, whose first word is word `place` of the whole."""
        packing, tensor, extent = self._extent.packing, self._tensor, self._extent
        there = index < len(dump)
        problem = dump.problem(index) if there else f"the dump ends after {len(extent.words)} words"
        actual = int(dump.values[index]) if there and not dump.bad[index] else None
        word, lane = place_of(packing, index)
        number, frame = divmod(place // self._words, self._frames)
        value: int | None = int(expected[index])
        if isinstance(self._match.entry, Memory):
            at = self._match.entry.at(index)
            value = None if at is None else value
            problem = problem or ("" if at else "the lane is unused and must be 0")
        else:
            at = tensor.at(index)
            at["n"] = self._numbers[frame + at["n"]]
        packed = packing.fold > 1
        return Difference(
            word=place + word,
            lane=lane if packed else None,
            **_where(extent.words, place + word),
            at=at,
            expected=value,
            expected_hex=None if value is None else tensor.code.hex(value),
            expected_word=_word_hex(packing, expected, word) if packed else None,
            actual=actual,
            actual_hex=None if actual is None else tensor.code.hex(actual),
            actual_word=dump.word_hex(word) if packed else None,
            problem=problem,
            pass_=number + 1 if extent.passes > 1 else None,
        )

    def _beyond(self, word: int) -> Difference:
        """The first word that the vectors do not have."""
        packing, words = self._extent.packing, self._extent.words
        dump = Dump.of(words.part(word, word + 1), packing, self._top)
        actual = None if dump.bad[0] or packing.fold > 1 else int(dump.values[0])
        return Difference(
            word=word,
            lane=None,
            **_where(words, word),
            at=None,
            expected=None,
            expected_hex=None,
            expected_word=None,
            actual=actual,
            actual_hex=None if actual is None else packing.code.hex(actual),
            actual_word=dump.word_hex(0) if packing.fold > 1 else None,
            problem=f"the dump goes on after the {word} words expected",
        )


def wrong_values(dump: Dump, expected: IntArray, asked: Mask) -> Mask:
    """By element: it is asked for and not what is expected, or the last of a word whose unused lanes are not 0."""
    length = min(len(expected), len(dump))
    wrong = np.ones(len(expected), dtype=bool)
    wrong[:length] = (dump.values[:length] != expected[:length]) | dump.bad[:length]
    wrong &= asked
    for word in np.flatnonzero(dump.spare).tolist():
        span = span_of(dump.packing, word)
        if span.stop <= length and asked[span.start : span.stop].any():
            wrong[span.stop - 1] = True
    return wrong


def _errors(dump: Dump, expected: IntArray, wrong: Mask) -> dict[int, int]:
    length = min(len(expected), len(dump))
    usable = wrong[:length] & ~dump.bad[:length] & (dump.values[:length] != expected[:length])
    actual, wanted = dump.values[:length][usable], expected[:length][usable]
    if dump.packing.code.bits <= 62:
        sizes, counts = np.unique(actual - wanted, return_counts=True)
        return dict(zip(sizes.tolist(), counts.tolist(), strict=True))
    pairs = zip(actual.tolist(), wanted.tolist(), strict=True)  # a difference may leave int64
    return dict(Counter(a - w for a, w in pairs))


def _where(words: Words, word: int) -> dict[str, int | None]:
    """Line or time of a word."""
    places = words.places
    known = None if places is None or word >= len(places) else places[word]
    return {"line": None, "time": None, "time" if words.kind == "beats" else "line": known}


def _word_hex(packing: Tensor, expected: IntArray, word: int) -> str:
    """A word as it should be."""
    run, inside = divmod(word, packing.words_per_run)
    row = pack(packing, expected[run * packing.run : (run + 1) * packing.run])[inside]
    return f"0x{int.from_bytes(row.tobytes(), 'little'):0{-(-packing.word_bits // 4)}x}"

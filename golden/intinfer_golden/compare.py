"""A simulator's dumps against golden vectors: exact, with the first difference where the source has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np

from intinfer.errors import DataError
from intinfer.types import IntArray

from .diagnose import Diagnoses, Diagnosis
from .dumps import Dump, Packing, Words, read_words
from .dumps.waveform import Stream, read_stream
from .hints import Case, Mask, hints
from .manifest import Stored
from .sets import Match, Sets, demanded
from .tensors import Tensor


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first value of a dump that is not what was expected.

    Attributes:
        word: of the dump, counted from 0.
        lane: of the value inside the word, 0 in the least significant bits; None where a word is one value.
        line: of the file, counted from 1; None in files without, and where the dump ends early.
        time: of a value change dump.
        at: (n, c, y, x) or (n, c) by letter; None for words beyond the end.
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


@dataclass(frozen=True)
class Comparison:
    """One dump against one tensor.

    Attributes:
        set: name of the set in an index; None of a set alone.
        elements_per_word, vectors_per_word: in the dump as it was read, and in the vectors.
        words, expected_words: in the dump, and in one of the vectors' values with as many elements a word.
        compared, ignored: values looked at, and values of channels that nobody demands.
        differences: of the values compared, those that are wrong, unknown, no value of the code or missing.
        first: the first difference in the order of the file.
        errors: actual - expected -> how often, most frequent first, where both are values.
        hints: single changes of how the dump lies in its file that would make all of it equal.
        where: what all differences have in common, by axis; empty where no value of the vectors differs.
        causes: single mistakes of the design that explain all differences exactly, each after the node that makes it.
    """

    dump: str
    set: str | None
    node: str
    source: tuple[str, ...]
    elements_per_word: int
    vectors_per_word: int
    words: int
    expected_words: int
    compared: int
    ignored: int
    differences: int
    first: Difference | None
    errors: dict[int, int] = field(default_factory=dict)
    hints: tuple[str, ...] = ()
    where: str = ""
    causes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        return self.first is None

    @property
    def name(self) -> str:
        """The node, after its set where there are several."""
        return self.node if self.set is None else f"{self.set}/{self.node}"


@dataclass(frozen=True)
class Verification:
    """All dumps in graph order, and the nodes that had none (after their sets where there are several)."""

    comparisons: tuple[Comparison, ...]
    without_dump: tuple[str, ...]

    @property
    def equal(self) -> bool:
        return all(comparison.equal for comparison in self.comparisons)

    @property
    def first(self) -> Comparison | None:
        """The earliest node that differs."""
        return next((comparison for comparison in self.comparisons if not comparison.equal), None)


def verify(
    directory: str | PathLike[str],
    dumps: Sequence[str | PathLike[str]],
    *,
    node: str | None = None,
    stream: Stream | None = None,
    full: bool = False,
    causes: bool = True,
) -> Verification:
    """Compare dumps with the vectors in `directory`, value by value.

    A dump holds all images of one node in the order of the vectors, and is named like the node's file (or like the
    node), whatever its suffix; see `dumps.read_words` for the formats. It has as many values a word as the vectors, or
    one: the number of words tells. Where `directory` is an index of sets, a dump belongs to the set that a folder of
    its path is named after, or else to the set that computes the node.

    Args:
        node: what the only dump is of, whatever its name.
        stream: the signals of the node's stream in the only dump, a value change dump.
        full: compare channels that no image demands as well.
        causes: look for the mistake of the design that explains a dump that differs, which takes up to a minute.

    Raises DataError for vectors or dumps that cannot be read, and dumps of no node.
    """
    sets = Sets(Path(directory))
    if not dumps:
        raise DataError("there are no dumps to compare")
    if node is not None and len(dumps) != 1:
        raise DataError(f"a node is named for {len(dumps)} dumps; give one dump with it")
    if stream is not None and node is None:
        raise DataError("a stream is named without its node; say which with --node")
    paths = [Path(dump) for dump in dumps]
    found = [(path, sets.match(path, node)) for path in paths]
    found.sort(key=lambda pair: pair[1].place)
    diagnoses = Diagnoses(causes)
    comparisons = tuple(_compare(path, match, stream, full, diagnoses) for path, match in found)
    seen = {(comparison.set, comparison.node) for comparison in comparisons}
    missing = [name if set_ is None else f"{set_}/{name}" for set_, name in sets.outputs() if (set_, name) not in seen]
    return Verification(comparisons, tuple(missing))


def _compare(path: Path, match: Match, stream: Stream | None, full: bool, diagnoses: Diagnoses) -> Comparison:
    tensor = match.entry.tensor
    expected = _expected(match.entry)
    asked = np.ones(len(expected), dtype=bool) if full else demanded(match.vectors, tensor)
    words = read_words(path) if stream is None else read_stream(path, stream)
    dump = Dump.of(words, _packing(words, tensor, path))
    wrong = _wrong(dump, expected, asked)
    first = _first(tensor, expected, wrong, dump)
    case = Case(tensor, expected, asked, words, dump, match.vectors)
    diagnosis = diagnoses.of(case, wrong) if first else Diagnosis("", ())
    return Comparison(
        dump=str(path),
        set=match.set,
        node=tensor.node,
        source=tensor.source,
        elements_per_word=dump.packing.fold,
        vectors_per_word=tensor.fold,
        words=len(dump.words),
        expected_words=dump.packing.words(len(expected)),
        compared=int(asked.sum()),
        ignored=int((~asked).sum()),
        differences=int(wrong.sum()),
        first=first,
        errors=_errors(dump, expected, wrong),
        hints=tuple(hints(case)) if first else (),
        where=diagnosis.where,
        causes=diagnosis.causes,
    )


def _expected(entry: Stored) -> IntArray:
    values = entry.values()
    if len(values) != entry.tensor.elements:
        raise DataError(
            f"{entry.directory}: node {entry.tensor.node!r} has {len(values)} values, not {entry.tensor.elements}; "
            "make the vectors again"
        )
    return values


def _packing(words: Words, tensor: Tensor, path: Path) -> Packing:
    """As many elements a word as the vectors have, or one: what the number of words is nearer to.

    Numbers in decimal that end early are one element each, as are those of our own `.npy`.
    """
    packed, single = Packing.of(tensor), Packing.of(tensor, 1)
    count = len(words)
    if words.kind == "bytes":
        whole = [packing.words(tensor.elements) * packing.word_bytes for packing in (packed, single)]
        chosen = single if count == whole[1] != whole[0] else packed
        size = chosen.word_bytes
        if count % size:
            raise DataError(f"{path}: has {count:,} bytes, which are not words of {size} bytes; write whole words")
        return chosen
    most, least = single.words(tensor.elements), packed.words(tensor.elements)
    if words.kind == "numbers":
        return packed if count == least != most else single
    return single if 2 * count > most + least else packed


def _wrong(dump: Dump, expected: IntArray, asked: Mask) -> Mask:
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


def _errors(dump: Dump, expected: IntArray, wrong: Mask) -> dict[int, int]:
    length = min(len(expected), len(dump))
    usable = wrong[:length] & ~dump.bad[:length] & (dump.values[:length] != expected[:length])
    actual, wanted = dump.values[:length][usable], expected[:length][usable]
    if dump.packing.code.bits <= 62:
        sizes, counts = np.unique(actual - wanted, return_counts=True)
        errors = dict(zip(sizes.tolist(), counts.tolist(), strict=True))
    else:  # a difference may leave int64
        errors = dict(Counter(a - w for a, w in zip(actual.tolist(), wanted.tolist(), strict=True)))
    return dict(sorted(errors.items(), key=lambda pair: (-pair[1], abs(pair[0]), pair[0])))


def _first(tensor: Tensor, expected: IntArray, wrong: Mask, dump: Dump) -> Difference | None:
    """The first wrong value; without one, a wrong length."""
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
    place = dict(zip(tensor.order, np.unravel_index(index, tensor.file_shape), strict=True))
    letters = dict(zip("NCHW", "ncyx", strict=True))
    value = int(expected[index])
    packed = packing.fold > 1
    return Difference(
        word=word,
        lane=lane if packed else None,
        **_where(dump, word),
        at={letters[axis]: int(place[axis]) for axis in tensor.axes},
        expected=value,
        expected_hex=tensor.code.hex(value),
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
    codes = packing.code.encode(expected[packing.span(word).start : packing.span(word).stop]).tolist()
    number = sum(code << lane * packing.code.bits for lane, code in enumerate(codes))
    return f"0x{number:0{-(-packing.word_bits // 4)}x}"

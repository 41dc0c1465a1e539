"""A simulator's dumps against golden vectors: exact, with the first difference where the source has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path

import numpy as np

from intinfer.errors import DataError
from intinfer.types import IntArray

from .constants import Memory
from .diagnose import Diagnoses, Diagnosis
from .dumps import Dump, Packing, Words, read_words
from .dumps.dump import sign_top
from .dumps.waveform import Stream
from .extent import Extent, extent_of_stream, extent_of_words
from .hints import Case, Mask, hints
from .sets import Match, Sets, demanded
from .tensors import Tensor

_CHUNK = 2**19
"""Values that are compared at a time, if a frame has not more."""


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


@dataclass(frozen=True)
class Comparison:
    """One dump against one tensor.

    Attributes:
        set: name of the set in an index; None of a set alone.
        directory: the set's folder.
        node: whose value it is, or whose constant.
        role: of the tensor; see `Tensor`.
        elements_per_word, vectors_per_word: in the dump as it was read, and in the vectors.
        words, expected_words: in the dump, and in one of the vectors' values with as many elements a word.
        compared, ignored: values looked at, and values of channels that nobody demands; of the words of a constant, the
            unused lanes are looked at as well.
        differences: of the values compared, those that are wrong, unknown, no value of the code or missing.
        first: the first difference in the order of the file.
        frames, wrong_frames: how many the set has, and the numbers of those with a difference; none of a constant.
        errors: actual - expected -> how often, most frequent first, where both are values.
        hints: single changes of how the dump lies in its file that would make all of it equal.
        where: what all differences have in common, by axis; empty where no value of the vectors differs.
        causes: single mistakes of the design that explain all differences exactly, each after the node that makes it.
        notes: what was read in another way than it stands in the file, or left out.
        passes: how often the set comes in the dump.
        constant: its name among the node's attributes, and which of its memories; None of a value.
    """

    dump: str
    set: str | None
    directory: str
    node: str
    role: str
    source: tuple[str, ...]
    elements_per_word: int
    vectors_per_word: int
    words: int
    expected_words: int
    compared: int
    ignored: int
    differences: int
    first: Difference | None
    frames: int = 0
    wrong_frames: tuple[int, ...] = ()
    errors: dict[int, int] = field(default_factory=dict)
    hints: tuple[str, ...] = ()
    where: str = ""
    causes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    passes: int = 1
    constant: str | None = None

    @property
    def equal(self) -> bool:
        return self.first is None

    @property
    def name(self) -> str:
        """The node or its constant, after its set where there are several."""
        name = self.node if self.constant is None else f"{self.node}.{self.constant}"
        return name if self.set is None else f"{self.set}/{name}"


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
    frames: tuple[int, int] | None = None,
    passes: int | None = None,
    causes: bool = True,
) -> Verification:
    """Compare dumps with the vectors in `directory`, value by value.

    A dump holds all images of one node in the order of the vectors, and is named like the node's file (or like the
    node), whatever its suffix; see `dumps.read_words` for the formats. It has as many values a word as the vectors, or
    one: the number of words tells. A dump may be of the memory of a constant as well, named like its file and in the
    words of the vectors; or, of numbers in decimal or in `.npy`, of its elements in the order of its axes. Where
    `directory` is an index of sets, a dump belongs to the set that a folder of its path is named after, or else to the
    set that computes the node.

    Args:
        node: what the only dump is of, whatever its name: a node, a constant NODE.ATTRIBUTE, or NODE.ATTRIBUTE.peN
            where each of pe has a memory; `constants/` before it tells it from a node of the same name.
        stream: the signals of the node's stream in the only dump, a waveform. Without `node`, the end of its name is
            the port that the node is looked up by.
        full: compare channels that no image demands as well.
        frames: the dump holds the images from the first number up to the second alone.
        passes: how often the whole set comes in the waveform, one after the other. None: as often as the words of the
            inputs in the same waveform say; where those are not in it, once, or several times if a reset in the middle
            of the run shows that the set was begun anew.
        causes: look for the mistake of the design that explains a dump that differs, which takes up to a minute.

    Raises DataError for vectors or dumps that cannot be read, and dumps of no node.
    """
    sets = Sets(Path(directory))
    if not dumps:
        raise DataError("there are no dumps to compare")
    if (node is not None or stream is not None) and len(dumps) != 1:
        what = "a node" if node is not None else "a stream"
        raise DataError(f"{what} is named for {len(dumps)} dumps; give one dump with it")
    if passes is not None and (stream is None or passes < 1):
        raise DataError(f"{passes} passes of the set: give 1 or more, of a stream in a waveform")
    paths = [Path(dump) for dump in dumps]
    port = stream.port if stream is not None and node is None else None
    if stream is not None and node is None and port is None:
        raise DataError("a stream is named without its node; say which with --node")
    found = [(path, sets.match(path, node, port)) for path in paths]
    found.sort(key=lambda pair: pair[1].place)
    constants = [path for path, match in found if isinstance(match.entry, Memory)]
    if constants and stream is not None:
        raise DataError(f"{constants[0]}: {node} is a constant, which no stream carries; dump its memory")
    if constants and frames is not None:
        raise DataError(f"{constants[0]}: is of a constant, which has no frames; compare it without --frames")
    diagnoses = Diagnoses(causes and frames is None)
    comparisons = tuple(
        _of_constant(_compare(path, match, stream, full, frames, passes, diagnoses), match.entry)
        for path, match in found
    )
    seen = {(comparison.set, comparison.node) for comparison in comparisons if comparison.constant is None}
    missing = [name if set_ is None else f"{set_}/{name}" for set_, name in sets.outputs() if (set_, name) not in seen]
    return Verification(comparisons, tuple(missing))


def _compare(
    path: Path,
    match: Match,
    stream: Stream | None,
    full: bool,
    frames: tuple[int, int] | None,
    passes: int | None,
    diagnoses: Diagnoses,
) -> Comparison:
    whole = match.entry.tensor
    start, stop = _checked_frames(frames, whole)
    tensor = replace(whole, shape=(stop - start, *whole.shape[1:]))
    if stream is None:
        read = read_words(path)
        extent = extent_of_words(read, tensor, path)
    else:
        selected = None if frames is None else 1
        extent = extent_of_stream(path, stream, tensor, match.vectors, passes or selected)
    pass_ = _Pass(match, tensor, start, full, extent)
    tally = pass_.tally()
    first = tally.first or pass_.length()
    case = pass_.case(first) if first and not tensor.attribute else None  # hints and causes are of values
    diagnosis = diagnoses.of(case, _wrong(case.dump, case.expected, case.demanded)) if case else Diagnosis("", ())
    notes = [f"the dump holds frames {start} to {stop - 1} of {whole.shape[0]:,}"] if frames is not None else []
    return Comparison(
        dump=str(path),
        set=match.set,
        directory=str(match.vectors.directory),
        node=tensor.node,
        role=tensor.role,
        source=tensor.source,
        elements_per_word=extent.packing.fold,
        vectors_per_word=tensor.fold,
        words=len(extent.words),
        expected_words=extent.expected,
        compared=tally.compared,
        ignored=tally.ignored,
        differences=tally.differences,
        first=first,
        frames=0 if tensor.attribute else whole.shape[0],
        wrong_frames=() if tensor.attribute else tuple(sorted(tally.wrong_frames)),
        errors=tally.sorted_errors(),
        hints=tuple(hints(case)) if case else (),
        where=diagnosis.where,
        causes=diagnosis.causes,
        notes=(*notes, *extent.notes, *pass_.notes()),
        passes=extent.passes,
    )


def _of_constant(found: Comparison, entry: Stored) -> Comparison:
    """A comparison with the place of the first difference in the constant, where the entry is one of its memories."""
    if not isinstance(entry, Memory):
        return found
    first = found.first
    if first is None or first.at is None:
        return replace(found, constant=entry.constant)
    if (at := entry.at(first.at["c"])) is not None:
        return replace(found, constant=entry.constant, first=replace(first, at=at))
    unused = first.problem or "the lane is unused and must be 0"
    first = replace(first, at=None, expected=None, expected_hex=None, problem=unused)
    return replace(found, constant=entry.constant, first=first)


def _checked_frames(frames: tuple[int, int] | None, tensor: Tensor) -> tuple[int, int]:
    count = tensor.shape[0]
    if frames is None:
        return 0, count
    start, stop = frames
    if not 0 <= start < stop <= count:
        raise DataError(f"frames {start}:{stop} are not within the {count:,} of the vectors (0:{count})")
    return start, stop


@dataclass
class _Tally:
    """What is counted over all pieces of a dump."""

    compared: int = 0
    ignored: int = 0
    differences: int = 0
    first: Difference | None = None
    errors: Counter[int] = field(default_factory=Counter)
    wrong_frames: set[int] = field(default_factory=set)

    def sorted_errors(self) -> dict[int, int]:
        return dict(sorted(self.errors.items(), key=lambda pair: (-pair[1], abs(pair[0]), pair[0])))


class _Pass:
    """A dump beside the vectors, some frames at a time."""

    def __init__(self, match: Match, tensor: Tensor, start: int, full: bool, extent: Extent) -> None:
        self._match, self._tensor, self._start, self._full, self._extent = match, tensor, start, full, extent
        self._top = sign_top(extent.words, extent.packing)

    def tally(self) -> _Tally:
        tally, frames = _Tally(), self._tensor.shape[0]
        entry = self._match.entry
        entry.check()
        if (mask := self._match.vectors.masks.get(entry.tensor.node)) is not None:
            mask.check()
        step = max(1, _CHUNK * frames // self._tensor.elements)
        each = self._extent.packing.words(self._tensor.elements // frames)
        for begin in range(0, frames, step):
            end = min(begin + step, frames)
            expected, asked = self._golden(begin, end)
            for number in range(self._extent.passes):
                place = (number * frames + begin) * each
                dump = self._dump(place, place + (end - begin) * each)
                wrong = _wrong(dump, expected, asked)
                tally.compared += int(asked.sum())
                tally.ignored += int((~asked).sum())
                tally.differences += int(wrong.sum())
                tally.errors.update(_errors(dump, expected, wrong))
                found = np.flatnonzero(wrong.reshape(end - begin, -1).any(axis=1)) + self._start + begin
                tally.wrong_frames.update(found.tolist())
                if wrong.any() and (tally.first is None or place < tally.first.word):
                    tally.first = self._difference(dump, expected, int(np.argmax(wrong)), place, number)
        return tally

    def length(self) -> Difference | None:
        """Where no value is wrong: the first word that is missing, be it one that nobody demands, or too many."""
        extent = self._extent
        count, wanted = len(extent.words), extent.expected
        if count == wanted:
            return None
        frames, per = self._tensor.shape[0], wanted // extent.passes
        if count > wanted:
            return self._beyond(wanted)
        number, inside = divmod(count, per)
        frame = inside // (per // frames)
        expected, _ = self._golden(frame, frame + 1)
        place = number * per + frame * (per // frames)
        dump = self._dump(place, place + per // frames)
        return self._difference(dump, expected, len(dump), place, number)

    def case(self, first: Difference) -> Case:
        """All of the first pass that differs, for hints."""
        extent = self._extent
        per = extent.expected // extent.passes
        number = (first.pass_ or 1) - 1
        words = extent.raw if extent.passes == 1 else extent.words.part(number * per, (number + 1) * per)
        expected, asked = self._golden(0, self._tensor.shape[0])
        kept = words if extent.passes > 1 else extent.words
        dump = Dump.of(kept, extent.packing, self._top)
        return Case(self._tensor, expected, asked, words, dump, self._match.vectors)

    def notes(self) -> list[str]:
        """Of words that are wider than what they hold."""
        words, width = self._extent.words, self._extent.packing.word_bits
        if self._top:
            return [f"words are sign-extended from {width} bits"]
        if words.kind == "bits" and words.slot >= width + words.digit:
            return [f"words are written with {words.slot} bits and hold {width}; those above are 0"]
        return []

    def _golden(self, begin: int, end: int) -> tuple[IntArray, Mask]:
        """What is expected of some frames, and which of it is compared."""
        begin, end = self._start + begin, self._start + end
        expected = self._match.entry.frames(begin, end)
        if self._full:
            return expected, np.ones(len(expected), dtype=bool)
        return expected, demanded(self._match.vectors, self._match.entry.tensor, begin, end)

    def _dump(self, begin: int, end: int) -> Dump:
        return Dump.of(self._extent.words.part(begin, end), self._extent.packing, self._top)

    def _difference(self, dump: Dump, expected: IntArray, index: int, place: int, number: int) -> Difference:
        """Element `index` of a piece of the dump, whose first word is word `place` of the whole."""
        packing, tensor, extent = self._extent.packing, self._tensor, self._extent
        missing = f"the dump ends after {len(extent.words)} words"
        problem = dump.problem(index) if index < len(dump) else missing
        actual = int(dump.values[index]) if index < len(dump) and not dump.bad[index] else None
        word, lane = packing.place(index)
        frames = place // packing.words(tensor.elements // tensor.shape[0]) % tensor.shape[0]
        shape = (len(expected) * tensor.shape[0] // tensor.elements, *tensor.file_shape[1:])
        at = dict(zip(tensor.order, np.unravel_index(index, shape), strict=True))
        letters = dict(zip("NCHW", "ncyx", strict=True))
        coordinates = {letters[axis]: int(at[axis]) for axis in tensor.axes}
        coordinates["n"] += self._start + frames
        value = int(expected[index])
        packed = packing.fold > 1
        return Difference(
            word=place + word,
            lane=lane if packed else None,
            **_where(extent.words, place + word),
            at=coordinates,
            expected=value,
            expected_hex=tensor.code.hex(value),
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
        dump = self._dump(word, word + 1)
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
        return dict(zip(sizes.tolist(), counts.tolist(), strict=True))
    pairs = zip(actual.tolist(), wanted.tolist(), strict=True)  # a difference may leave int64
    return dict(Counter(a - w for a, w in pairs))


def _where(words: Words, word: int) -> dict[str, int | None]:
    """Line or time of a word."""
    places = words.places
    known = None if places is None or word >= len(places) else places[word]
    return {"line": None, "time": None, words.unit: known}


def _word_hex(packing: Packing, expected: IntArray, word: int) -> str:
    """A word as it should be."""
    span = packing.span(word)
    return f"0x{packing.word(expected[span.start : span.stop]):0{-(-packing.word_bits // 4)}x}"

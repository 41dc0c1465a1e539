"""A simulator's dumps against golden vectors: exact, with the first difference where the source has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path

import numpy as np

from intinfer.errors import DataError
from intinfer.types import IntArray

from .codes import Code
from .differences import Difference, errors_of, first_difference, wrong_elements
from .dumps import Dump, Packing, Words, read_words
from .dumps.waveform import Stream, read_stream
from .hints import Case, Mask, hints
from .layout import Slot
from .manifest import Stored
from .sets import Match, Sets, demanded
from .tensors import Tensor


@dataclass(frozen=True)
class Comparison:
    """One dump against one tensor.

    Attributes:
        set: name of the set in an index; None of a set alone.
        directory: the set's folder.
        node: whose value it is, or whose constant.
        constant: its name among the node's attributes, with the memory where each has one; None of a value.
        role: of the tensor; see `Tensor`.
        elements_per_word, vectors_per_word: in the dump as it was read, and in the vectors.
        words, expected_words: in the dump, and in one of the vectors' values with as many elements a word.
        compared, ignored: values looked at, and values of channels that nobody demands; of words of a constant, the
            unused lanes, which are 0, are looked at as well.
        differences: of the values compared, those that are wrong, unknown, no value of the code or missing.
        first: the first difference in the order of the file.
        frames, wrong_frames: how many the set has, and the numbers of those with a difference.
        errors: actual - expected -> how often, most frequent first, where both are values.
        hints: single changes that would make all of it equal.
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
) -> Verification:
    """Compare dumps with the vectors in `directory`, value by value.

    A dump holds all images of one node in the order of the vectors, and is named like the node's file (or like the
    node), whatever its suffix; see `dumps.read_words` for the formats. It has as many values a word as the vectors, or
    one: the number of words tells. The memory of a constant may be dumped as well: named like its file, in the words of
    the vectors or as one element a word in the order of its axes. Where `directory` is an index of sets, a dump belongs
    to the set that a folder of its path is named after, or else to the set that computes the node.

    Args:
        node: what the only dump is of, whatever its name: a node, a constant NODE.ATTRIBUTE, or NODE.ATTRIBUTE.peN
            where each of pe has a memory; `constants/` before it tells it from a node of the same name.
        stream: the signals of the node's stream in the only dump, a value change dump.
        full: compare channels that no image demands as well.

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
    comparisons = tuple(_compare(path, match, stream, full) for path, match in found)
    seen = {(comparison.set, comparison.node) for comparison in comparisons if comparison.constant is None}
    missing = [name if set_ is None else f"{set_}/{name}" for set_, name in sets.outputs() if (set_, name) not in seen]
    return Verification(comparisons, tuple(missing))


def _compare(path: Path, match: Match, stream: Stream | None, full: bool) -> Comparison:
    tensor = match.entry.tensor
    if tensor.attribute:
        return _compare_constant(path, match, stream)
    expected = _expected(match.entry)
    asked = np.ones(len(expected), dtype=bool) if full else demanded(match.vectors, tensor)
    words = read_words(path) if stream is None else read_stream(path, stream)
    packed, single = ((Packing.of(tensor, fold), tensor.elements) for fold in (tensor.fold, 1))
    dump = Dump.of(words, _packing(words, packed, single, path))
    found = _comparison(path, match, dump, expected, asked, None)
    if found.equal:
        return found
    return replace(found, hints=tuple(hints(Case(tensor, expected, asked, words, dump, match.vectors))))


def _compare_constant(path: Path, match: Match, stream: Stream | None) -> Comparison:
    """Of a memory in the vectors' words, or of all elements, one a word."""
    tensor, values = match.entry.tensor, _expected(match.entry)
    if stream is not None:
        raise DataError(f"{path}: {tensor.name} is a constant, which no stream carries; dump its memory")
    places = np.arange(tensor.elements)
    packed = single = Packing(tensor.code, 1, 1, tensor.slot), tensor.elements
    whole = tensor.per_pe and match.memory is None
    if not whole:
        lanes = tensor.places()[match.memory or 0].reshape(-1)
        packed = Packing.of_lanes(tensor), len(lanes)
        single = packed if tensor.per_pe else single
    words = read_words(path)
    packing = _packing(words, packed, single, path)
    if packing.code.name == "bipolar" and packing.fold == 1 and words.negative.any():  # integers, not bits
        packing = replace(packing, code=Code("twos_complement", 2))
    dump = Dump.of(words, packing)
    if whole and len(dump.words) != tensor.elements:
        raise DataError(
            f"{path}: has {len(dump.words):,} words, {tensor.name} has {tensor.elements:,} elements in "
            f"{tensor.memories} memories; give the dump of one as {tensor.name}.pe0"
        )
    if not whole and dump.packing.fold == tensor.lanes:
        places = lanes
    unused = tensor.code.decode(np.zeros(1, dtype=np.uint64))
    expected = np.where(places < 0, unused, values[places])
    return _comparison(path, match, dump, expected, np.ones(len(expected), dtype=bool), places)


def _comparison(
    path: Path, match: Match, dump: Dump, expected: IntArray, asked: Mask, places: IntArray | None
) -> Comparison:
    """`places` are of each expected value in the order of files, -1 of an unused lane; None where all are in order."""
    tensor = match.entry.tensor
    wrong = wrong_elements(dump, expected, asked)
    return Comparison(
        dump=str(path),
        set=match.set,
        directory=str(match.vectors.directory),
        node=tensor.node,
        role=tensor.role,
        source=tensor.source,
        elements_per_word=dump.packing.fold,
        vectors_per_word=tensor.lanes,
        words=len(dump.words),
        expected_words=dump.packing.words(len(expected)),
        compared=int(asked.sum()),
        ignored=int((~asked).sum()),
        differences=int(wrong.sum()),
        first=first_difference(tensor, expected, wrong, dump, places),
        errors=errors_of(dump, expected, wrong),
        frames=0 if tensor.attribute else tensor.shape[0],
        wrong_frames=_frames(tensor, wrong),
        constant=match.constant,
    )


def _frames(tensor: Tensor, wrong: Mask) -> tuple[int, ...]:
    """The frames that something is wrong in; a constant has none."""
    if tensor.attribute:
        return ()
    return tuple(np.flatnonzero(wrong.reshape(tensor.shape[0], -1).any(axis=1)).tolist())


def _expected(entry: Stored) -> IntArray:
    values = entry.values()
    if len(values) != entry.tensor.elements:
        raise DataError(
            f"{entry.directory}: node {entry.tensor.node!r} has {len(values)} values, not {entry.tensor.elements}; "
            "make the vectors again"
        )
    return values


def _packing(words: Words, packed: tuple[Packing, int], single: tuple[Packing, int], path: Path) -> Packing:
    """As many elements a word as the vectors have, or one: what the number of words is nearer to.

    Both are given with the number of elements. Numbers in decimal that end early are one element each, as are those of
    our own `.npy`; these fill no slot.
    """
    count = len(words)
    least, most = (packing.words(elements) for packing, elements in (packed, single))
    if words.kind == "bytes":
        whole = least * packed[0].word_bytes, most * single[0].word_bytes
        chosen = single[0] if count == whole[1] != whole[0] else packed[0]
        size = chosen.word_bytes
        if count % size:
            raise DataError(f"{path}: has {count:,} bytes, which are not words of {size} bytes; write whole words")
        return chosen
    if words.kind == "numbers":
        chosen = packed[0] if count == least != most else single[0]
        return replace(chosen, slot=Slot()) if chosen.fold == 1 else chosen
    return single[0] if 2 * count > most + least else packed[0]

"""A simulator's dumps against golden vectors: exact, with the first difference where the source has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path

from intinfer.errors import DataError

from ..describe.spans import Spans, numbers, ranges
from .constants import Memory
from .diagnose.diagnoses import Diagnoses
from .diagnose.where import where
from .dumps import read_words
from .dumps.waveform import Stream
from .extent import extent_of_stream, extent_of_words
from .hints import hints
from .pieces import Difference, Pieces
from .sets import Match, Sets


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
        causes: single mistakes of the design that explain all differences exactly, each after the node that makes it;
            of a dump of more than `pieces.MOST` values those in some of its frames, which a note names.
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
        """Whether the dump is as the vectors say."""
        return self.first is None

    @property
    def empty(self) -> bool:
        """Whether the dump has no word at all, which is no matter of its values."""
        return self.words == 0

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
        """Whether every dump is."""
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
    frames: Spans | None = None,
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
        frames: the dump holds these ranges of images alone, first and last number, in the order that is given.
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
    port = stream.port if stream is not None and node is None else None
    if stream is not None and node is None and port is None:
        raise DataError("a stream is named without its node; say which with --node")
    matches = ((path, sets.match(path, node, port)) for path in map(Path, dumps))
    found = sorted(matches, key=lambda pair: pair[1].place)
    constants = [path for path, match in found if isinstance(match.entry, Memory)]
    if constants and stream is not None:
        raise DataError(f"{constants[0]}: {node} is a constant, which no stream carries; dump its memory")
    if constants and frames is not None:
        raise DataError(f"{constants[0]}: is of a constant, which has no frames; compare it without --frames")
    diagnoses = Diagnoses(causes)
    comparisons = tuple(_compare(path, match, stream, full, frames, passes, diagnoses) for path, match in found)
    seen = {(comparison.set, comparison.node) for comparison in comparisons if comparison.constant is None}
    missing = [name if set_ is None else f"{set_}/{name}" for set_, name in sets.outputs() if (set_, name) not in seen]
    return Verification(comparisons, tuple(missing))


def _compare(
    path: Path,
    match: Match,
    stream: Stream | None,
    full: bool,
    frames: Spans | None,
    passes: int | None,
    diagnoses: Diagnoses,
) -> Comparison:
    whole = match.entry.tensor
    count = whole.shape[0]
    held = range(count) if frames is None else numbers(frames, count, match.vectors.directory)
    tensor = replace(whole, shape=(len(held), *whole.shape[1:]))
    if stream is None:
        extent = extent_of_words(read_words(path), tensor, path)
    else:
        extent = extent_of_stream(path, stream, tensor, match.vectors, passes or (None if frames is None else 1))
    pieces = Pieces(match, tensor, held, full, extent)
    tally = pieces.tally()
    first = tally.first or pieces.length()
    explained = first and len(extent.words) and not tensor.attribute  # hints and causes are of values
    case = pieces.case(first, tally.wrong_frames) if first and explained else None
    diagnosis, place = diagnoses.of(case) if case else (), ""
    notes = [f"the dump holds frames {ranges(held)} of {count:,}"] if frames is not None else []
    if case and first and tally.differences:
        wrong, asked = pieces.wrong((first.pass_ or 1) - 1)
        place = where(tensor.shaped(wrong), tensor.shaped(asked), tensor.axes, held)
    if case and len(case.numbers) < len(held):
        notes.append(f"hints and causes are of frames {ranges(case.numbers)} alone; for others, compare with --frames")
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
        frames=0 if tensor.attribute else count,
        wrong_frames=() if tensor.attribute else tuple(sorted({held[place] for place in tally.wrong_frames})),
        errors=tally.sorted_errors(),
        hints=tuple(hints(case)) if case else (),
        where=place,
        causes=diagnosis,
        notes=(*notes, *extent.notes, *pieces.notes()),
        passes=extent.passes,
        constant=match.entry.constant if isinstance(match.entry, Memory) else None,
    )

"""A simulator's dumps against golden vectors: exact, with the first difference where the source has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from os import PathLike
from pathlib import Path

import numpy as np

from intinfer.errors import DataError
from intinfer.text import printable
from intinfer.types import IntArray

from . import manifest
from .dumps import Dump, read_dump
from .hints import Mask, hints
from .manifest import Stored, VectorSet
from .names import file_stem
from .tensors import Tensor

SHOWN_ERRORS = 8


@dataclass(frozen=True)
class Difference:
    """The first value of a dump that is not what was expected.

    Attributes:
        index: of the word in the file, counted from 0.
        line: of the file, counted from 1; None in `.npy`, and where the dump ends early.
        at: (n, c, y, x) or (n, c) by letter; None for words beyond the end.
        expected, actual: None where there is none: beyond the end, missing, unknown bits.
        problem: why there is no value, or why it cannot be one; empty when it is just wrong.
    """

    index: int
    line: int | None
    at: dict[str, int] | None
    expected: int | None
    expected_hex: str | None
    actual: int | None
    actual_hex: str | None
    problem: str


@dataclass(frozen=True)
class Comparison:
    """One dump against one tensor.

    Attributes:
        words, expected_words: in the dump, and in the vectors.
        compared, ignored: values looked at, and values of channels that nobody demands.
        differences: of the values compared, those that are wrong, unknown, no value of the code or missing.
        first: the first difference in the order of the file.
        errors: actual - expected -> how often, most frequent first, where both are values.
        hints: single changes that would make all of it equal.
    """

    dump: str
    node: str
    source: tuple[str, ...]
    words: int
    expected_words: int
    compared: int
    ignored: int
    differences: int
    first: Difference | None
    errors: dict[int, int] = field(default_factory=dict)
    hints: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        return self.first is None


@dataclass(frozen=True)
class Verification:
    """All dumps in graph order, and the nodes that had none."""

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
    full: bool = False,
) -> Verification:
    """Compare dumps with the vectors in `directory`, value by value.

    A dump holds all images of one node in the order of the vectors, and is named like the node's file (or like the
    node), whatever its suffix; see `dumps.read_dump` for the formats.

    Args:
        node: what the only dump is of, whatever its name.
        full: compare channels that no image demands as well.

    Raises DataError for vectors or dumps that cannot be read, and dumps of no node.
    """
    vectors = manifest.load(Path(directory))
    if node is not None and len(dumps) != 1:
        raise DataError(f"a node is named for {len(dumps)} dumps; give one dump with it")
    if not dumps:
        raise DataError("there are no dumps to compare")
    paths = [Path(dump) for dump in dumps]
    found = [(path, _entry(vectors, path, node)) for path in paths]
    place = {name: i for i, name in enumerate(vectors.values)}
    found.sort(key=lambda pair: place[pair[1].tensor.node])
    comparisons = tuple(_compare(path, entry, vectors, full) for path, entry in found)
    seen = {comparison.node for comparison in comparisons}
    nodes = [name for name, entry in vectors.values.items() if entry.tensor.role != "input"]
    return Verification(comparisons, tuple(name for name in nodes if name not in seen))


def _entry(vectors: VectorSet, path: Path, node: str | None) -> Stored:
    """The tensor a dump is of."""
    if node is None:
        by_name = vectors.values | {file_stem(name): entry for name, entry in vectors.values.items()}
        if path.stem in by_name:
            return by_name[path.stem]
        wanted, names = path.stem, list(by_name)
        what, cure = f"{path}: no node of the vectors has the file name {path.stem!r}", "or name it with --node"
    else:
        if node in vectors.values:
            return vectors.values[node]
        wanted, names = node, list(vectors.values)
        what, cure = f"the vectors have no node {node!r}", "or make vectors of it"
    near = get_close_matches(wanted, names, n=3) or names[:3]
    raise DataError(f"{what}; close names: {', '.join(near)}; {cure}")


def _compare(path: Path, entry: Stored, vectors: VectorSet, full: bool) -> Comparison:
    tensor = entry.tensor
    expected = entry.values()
    if len(expected) != tensor.words:
        raise DataError(f"{vectors.directory}: node {tensor.node!r} has {len(expected)} words, not {tensor.words}")
    demanded = np.ones(len(expected), dtype=bool) if full else _demanded(vectors, tensor)
    dump = read_dump(path, tensor.code)
    length = min(len(expected), len(dump.values))
    wrong = np.ones(len(expected), dtype=bool)
    wrong[:length] = dump.values[:length] != expected[:length]
    bad = dump.bad[:length]
    wrong[:length] |= bad
    wrong &= demanded
    first = _first(tensor, expected, wrong, dump)
    usable = wrong[:length] & ~bad
    pairs = zip(dump.values[:length][usable].tolist(), expected[:length][usable].tolist(), strict=True)
    errors = Counter(actual - wanted for actual, wanted in pairs)  # Python integers: a difference may leave int64
    return Comparison(
        dump=str(path),
        node=tensor.node,
        source=tensor.source,
        words=len(dump.values),
        expected_words=len(expected),
        compared=int(demanded.sum()),
        ignored=int((~demanded).sum()),
        differences=int(wrong.sum()),
        first=first,
        errors=dict(sorted(errors.items(), key=lambda pair: (-pair[1], abs(pair[0]), pair[0]))),
        hints=tuple(hints(tensor, expected, demanded, dump)) if first else (),
    )


def _demanded(vectors: VectorSet, tensor: Tensor) -> Mask:
    """Which values of a tensor are compared, as a vector in the order of files. Inputs have no mask."""
    if tensor.node not in vectors.masks:
        if tensor.role != "input":
            raise DataError(f"{vectors.directory}: has no demand mask of node {tensor.node!r}; make the vectors again")
        return np.ones(tensor.words, dtype=bool)
    channels = vectors.masks[tensor.node].values().reshape(tensor.shape[:2] + (1,) * (len(tensor.shape) - 2))
    mask: Mask = tensor.flat(np.broadcast_to(channels == 1, tensor.shape)).astype(bool)
    return mask


def _first(tensor: Tensor, expected: IntArray, wrong: Mask, dump: Dump) -> Difference | None:
    """The first wrong value; without one, a wrong length."""
    length = len(dump.values)
    if not wrong.any():
        if length == len(expected):
            return None
        index = min(length, len(expected))
        if length < len(expected):  # only words that nobody demands are missing, but the length is part of the dump
            return _difference(tensor, index, expected, None, None, f"the dump ends after {length} words")
        line = None if dump.lines is None else int(dump.lines[index])
        problem = f"the dump goes on after the {len(expected)} words expected"
        actual = None if index in dump.problems else int(dump.values[index])
        return Difference(index, line, None, None, None, actual, _hex(tensor, actual), problem)
    index = int(np.argmax(wrong))
    if index >= length:
        return _difference(tensor, index, expected, None, None, f"the dump ends after {length} words")
    line = None if dump.lines is None else int(dump.lines[index])
    problem = dump.problems.get(index, "")
    return _difference(tensor, index, expected, line, None if problem else int(dump.values[index]), problem)


def _difference(
    tensor: Tensor, index: int, expected: IntArray, line: int | None, actual: int | None, problem: str
) -> Difference:
    place = dict(zip(tensor.order, np.unravel_index(index, tensor.file_shape), strict=True))
    letters = dict(zip("NCHW", "ncyx", strict=True))
    at = {letters[axis]: int(place[axis]) for axis in tensor.axes}
    value = int(expected[index])
    return Difference(index, line, at, value, _hex(tensor, value), actual, _hex(tensor, actual), problem)


def _hex(tensor: Tensor, value: int | None) -> str | None:
    return None if value is None else tensor.code.hex(value)


def describe(comparison: Comparison) -> list[str]:
    """A comparison as lines for people, the verdict first."""
    source = f" (from {', '.join(comparison.source)})" if comparison.source else ""
    ignored = f", {comparison.ignored:,} not demanded and ignored" if comparison.ignored else ""
    head = f"{comparison.dump}: node {comparison.node}{source}: "
    if comparison.equal:
        lines = [f"{head}equal, {comparison.compared:,} values compared{ignored}"]
    else:
        lines = [
            f"{head}DIFFERENT, {comparison.differences:,} of {comparison.compared:,} values compared{ignored}",
            f"  first: {describe_first(comparison)}",
        ]
        if comparison.words != comparison.expected_words:
            lines.append(f"  length: {comparison.words:,} words, {comparison.expected_words:,} expected")
        if comparison.errors:
            shown = list(comparison.errors.items())[:SHOWN_ERRORS]
            more = len(comparison.errors) - len(shown)
            counts = ", ".join(f"{error:+d} x {count:,}" for error, count in shown)
            lines.append(f"  actual - expected: {counts}" + (f", {more} more" if more else ""))
        lines += [f"  hint: {hint}" for hint in comparison.hints]
    return [printable(line) for line in lines]


def describe_first(comparison: Comparison) -> str:
    """The first difference in one line: "n=0 c=1 y=2 x=3 (word 9, line 14): expected 1 (0x1), actual 2 (0x2)"."""
    first = comparison.first
    assert first is not None, "asked for what differs"
    at = " ".join(f"{axis}={i}" for axis, i in first.at.items()) + " " if first.at else ""
    where = f"{at}(word {first.index}" + (f", line {first.line}): " if first.line else "): ")
    expected = "nothing" if first.expected is None else f"{first.expected} ({first.expected_hex})"
    actual = "" if first.actual is None else f"{first.actual} ({first.actual_hex})"
    found = "; ".join(part for part in (actual, first.problem) if part)
    return f"{where}expected {expected}, actual {found}"

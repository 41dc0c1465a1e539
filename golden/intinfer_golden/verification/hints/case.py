"""What a hint is tested on, and when it explains a dump."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from intinfer.types import IntArray, Mask

from ...describe.formats.words import WordBytes
from ...describe.manifest import VectorSet
from ...describe.tensors import Tensor
from ..dumps import Dump, Words

Change = Callable[[WordBytes], WordBytes]
"""Of words, as rows of bytes with the least significant first."""

SAMPLE = 4096
"""Values that are looked at before all are."""


@dataclass(frozen=True)
class Case:
    """A dump that differs.

    Attributes:
        expected, demanded: vectors in the order of files, one entry an element.
        dump: what was read from `words`.
        vectors: the set, with the other tensors that the dump may be of.
        numbers: of the set's frames, those that the dump holds.
    """

    tensor: Tensor
    expected: IntArray
    demanded: Mask
    words: Words
    dump: Dump
    vectors: VectorSet
    numbers: Sequence[int]

    @cached_property
    def varied(self) -> bool:
        """Whether what is expected is not one value all over."""
        return varied(self.expected[self.demanded])

    @cached_property
    def complete(self) -> bool:
        """As many values as expected, none that is asked for unknown, and nothing between them."""
        known = len(self.dump) == len(self.expected) and not self.dump.unknown[self.demanded].any()
        return known and not self.dump.spare.any()

    @cached_property
    def bad(self) -> bool:
        """Whether a value that is asked for is none of the code."""
        return bool(self.dump.bad[self.demanded].any())

    def explained(self, dump: Dump) -> bool:
        """Whether this dump is all that is expected."""
        return (
            len(dump) == len(self.expected)
            and not dump.spare.any()
            and matches(dump, slice(None), self.expected, self.demanded)
        )

    @cached_property
    def beats(self) -> Words | None:
        """The words as bit patterns in whole bytes; None where one is wider, or has unknown bits."""
        packing, words = self.dump.packing, self.dump.words
        if words.unknown is not None:
            return None
        if words.kind == "numbers" and packing.fold == 1:  # the sign of a number goes on above
            if self.dump.bad.any():
                return None
            words = Words.of_array(packing.code.encode(self.dump.values))
        if words.bits[:, packing.word_bytes :].any():
            return None
        return Words.of_rows(words.widened(packing.word_bytes)[:, : packing.word_bytes])

    def explained_word_by_word(self, change: Change) -> bool:
        """Whether the dump is what is expected once each word is changed; the first words are tried alone before."""
        if self.beats is None or not len(self.beats):
            return False
        packing, bits = self.dump.packing, self.beats.bits
        runs = -(-SAMPLE // packing.run)
        head = Dump.of(Words.of_rows(change(bits[: runs * packing.words_per_run])), packing)
        length = min(len(head), len(self.expected))
        if not matches(head, slice(0, length), self.expected[:length], self.demanded[:length]):
            return False
        return self.explained(Dump.of(Words.of_rows(change(bits)), packing))

    def explained_by_values(self, values: IntArray) -> bool:
        """Whether these are what is expected, one an element."""
        return np.array_equal(values[self.demanded], self.expected[self.demanded])

    def explained_by_places(self, place: Callable[[dict[str, IntArray]], IntArray], dump: Dump | None = None) -> bool:
        """Whether every value is found where `place` says, from coordinates by axis to an index in the dump."""
        dump = dump or self.dump
        asked = np.flatnonzero(self.demanded)
        for positions in (asked[:: max(1, len(asked) // SAMPLE)], asked):
            where = np.unravel_index(positions, self.tensor.file_shape)
            coordinates = dict(zip(self.tensor.order, (axis.astype(np.int64) for axis in where), strict=True))
            found = place(coordinates)
            if dump.bad[found].any() or not np.array_equal(dump.values[found], self.expected[positions]):
                return False
        return True

    def explained_along(self, axis: str, source: IntArray) -> bool:
        """Whether the entry c along an axis is the dump's entry source[c]."""
        return self.explained_by_places(lambda at: index_of(self.tensor, at | {axis: source[at[axis]]}))


def index_of(tensor: Tensor, coordinates: dict[str, IntArray]) -> IntArray:
    """Where elements stand in the order of a tensor's files."""
    axes = tuple(coordinates[axis] for axis in tensor.order)
    return np.ravel_multi_index(axes, tensor.file_shape).astype(np.int64)


def varied(values: IntArray) -> bool:
    """Whether values are not one number all over."""
    return bool(len(values)) and bool((values != values[0]).any())


def matches(dump: Dump, part: slice, expected: IntArray, demanded: Mask) -> bool:
    """Whether part of a dump is what is expected where it is demanded."""
    return not dump.bad[part][demanded].any() and np.array_equal(dump.values[part][demanded], expected[demanded])

"""A tensor of a set of vectors: what it is, its shape, its order in a file, its code and its words."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from intinfer.graph import Shape
from intinfer.types import IntArray

from .codes import Code, CodeWords
from .layout import Slot
from .names import file_stem

Scalar = TypeVar("Scalar", bound=np.generic)

_FOLDERS = {"weight": "constants", "threshold": "constants", "constant": "constants", "demand_mask": "demand"}
_LETTERS = {"H": "y", "W": "x"}


@dataclass(frozen=True)
class Tensor:
    """One tensor of the set.

    A *run* is one pass along the innermost axes of the files, of a tensor in tiles along those that make a row. A word
    holds `fold` elements of each of `pe` runs, or with `per_pe` of one run, in the memory of its own that it has then:
    run r of a group is in memory r % pe. Words lie with the tiles of runs outermost, then those along a run; the lanes
    of a word are run after run. Where `fold` does not divide a run, or `pe` the runs of a group, tiles at the end are
    partial and lanes without an element are 0.

    Attributes:
        node: name of the value, or of the node whose constant it is.
        attribute: the constant's name among the node's attributes; empty for a value.
        role: input, output (of a node), accumulator, mux_select, demand_mask, weight, threshold, constant.
        axes, shape: the tensor as the graph has it, with the images as axis N.
        order: the same axes as files have them, outermost first. N is always first.
        lo, hi: what is known of the values beforehand.
        run_axes: how many of the innermost axes make a run; 0 where it is a single element.
        groups: into which the runs are cut, one after the other; no tile reaches from one into another.
        slot: where an element stands in a word.
    """

    node: str
    attribute: str
    role: str
    source: tuple[str, ...]
    axes: tuple[str, ...]
    shape: Shape
    order: tuple[str, ...]
    code: Code
    lo: int
    hi: int
    fold: int = 1
    pe: int = 1
    per_pe: bool = False
    run_axes: int = 1
    groups: int = 1
    slot: Slot = field(default_factory=Slot)

    @property
    def elements(self) -> int:
        """How many elements it has, in all images."""
        return prod(self.shape)

    @property
    def name(self) -> str:
        """The node, with the attribute of a constant after it."""
        return f"{self.node}.{self.attribute}" if self.attribute else self.node

    @property
    def fold_axis(self) -> str:
        """The innermost axis."""
        return self.order[-1]

    @property
    def run(self) -> int:
        """Elements of a run."""
        return prod(self.file_shape[len(self.order) - self.run_axes :])

    @property
    def words_per_run(self) -> int:
        """CodeWords of a run, the last of which may be partial."""
        return -(-self.run // self.fold)

    @property
    def rows(self) -> int:
        """Runs of a group."""
        return self.elements // self.run // self.groups

    @property
    def tiled(self) -> bool:
        """Whether words are more than pieces of a run of the innermost axis."""
        return self.pe > 1 or self.per_pe or self.run_axes != 1 or self.groups > 1

    @property
    def memories(self) -> int:
        """Files of words, each of its own memory."""
        return self.pe if self.per_pe else 1

    @property
    def lanes(self) -> int:
        """Elements a word."""
        return self.fold if self.per_pe else self.pe * self.fold

    @property
    def words(self) -> int:
        """CodeWords in a file."""
        return self.words_of(self.elements)

    @property
    def frame_words(self) -> int | None:
        """CodeWords of one image; None for a constant."""
        return self.words // self.shape[0] if self.axes[0] == "N" else None

    @property
    def slot_bits(self) -> int:
        """Bits of an element with those that fill up its slot."""
        return self.slot.bits(self.code)

    @property
    def word_bits(self) -> int:
        """Bits of a word, which holds `lanes` slots."""
        return self.lanes * self.slot_bits

    @property
    def word_bytes(self) -> int:
        """Whole bytes of a word."""
        return -(-self.word_bits // 8)

    @property
    def beat_bits(self) -> int:
        """Bits of a beat, in a stream that carries a word a beat: whole bytes."""
        return 8 * self.word_bytes

    @property
    def file_shape(self) -> Shape:
        """Shape along `order`, one entry an element."""
        return tuple(self.shape[self.axes.index(axis)] for axis in self.order)

    @property
    def path(self) -> str:
        """The path of its files inside the set, without suffix."""
        attribute = f".{self.attribute}" if self.attribute else ""
        return f"{_FOLDERS.get(self.role, 'values')}/{file_stem(self.node)}{attribute}"

    def words_of(self, elements: int) -> int:
        """CodeWords of so many elements in a file: whole runs, as many in each group."""
        rows = elements // self.run // self.groups
        return self.groups * -(-rows // self.pe) * self.words_per_run

    def flat(self, values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Values with the axes `axes` (or some images of them) as a vector in the order of files."""
        return values.transpose([self.axes.index(axis) for axis in self.order]).reshape(-1)

    def shaped(self, vector: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """The inverse of `flat`, for any number of images: a vector in the order of files with the axes `axes`."""
        extents = self.file_shape if self.axes[0] != "N" else (-1, *self.file_shape[1:])
        return vector.reshape(extents).transpose([self.order.index(axis) for axis in self.axes])

    def arrange(self, elements: CodeWords) -> CodeWords:
        """A vector in the order of files, whole runs and as many in each group, as (memories, words, lanes).

        Element 0 of a word comes first; lanes without an element are 0.
        """
        rows = len(elements) // self.run // self.groups
        grid = elements.reshape(self.groups, rows, self.run)
        down, across = -(-rows // self.pe), self.words_per_run
        spare = ((0, 0), (0, down * self.pe - rows), (0, across * self.fold - self.run))
        tiles = np.pad(grid, spare) if np.any(spare) else grid
        tiles = tiles.reshape(self.groups, down, self.pe, across, self.fold)
        return tiles.transpose(self._tile_axes).reshape(self.memories, -1, self.lanes)

    def gather(self, lanes: CodeWords) -> CodeWords:
        """The inverse of `arrange`: a vector in the order of files; unused lanes are not looked at."""
        pieces = lanes.size // self.lanes // self.words_per_run
        rows = self.rows if self.pe > 1 else pieces // self.groups
        extents = (self.groups, -(-rows // self.pe), self.pe, self.words_per_run, self.fold)
        tiles = lanes.reshape([extents[axis] for axis in self._tile_axes]).transpose(np.argsort(self._tile_axes))
        grid = tiles.reshape(self.groups, -1, self.words_per_run * self.fold)
        return grid[:, :rows, : self.run].reshape(-1)

    @property
    def _tile_axes(self) -> tuple[int, ...]:
        """The order in which files have groups, tiles down, rows of a tile, tiles across and columns of a tile."""
        return (2, 0, 1, 3, 4) if self.per_pe else (0, 1, 3, 2, 4)

    def at(self, index: int) -> dict[str, int]:
        """Where an element is, by its index in the order of files: n, c, y, x of a value, o, i, kh, kw, ... as well."""
        place = dict(zip(self.order, np.unravel_index(index, self.file_shape), strict=True))
        return {_LETTERS.get(axis, axis.lower()): int(place[axis]) for axis in self.axes}

    def places(self) -> IntArray:
        """(memories, words, lanes): the index of each lane's element in the order of files; -1 for an unused lane."""
        numbers = np.arange(1, self.elements + 1, dtype=np.uint64)
        places: IntArray = self.arrange(numbers).astype(np.int64) - 1
        return places

"""What the compiled loop runs: a kernel on planes is a row of numbers, and works on items, a block of channels each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..graph import Node, Value
from ..ops.geometry import Pads, Pair
from ..types import IntArray
from .base import Array, Kernel
from .planes import Encoding, Geometry, Layout
from .vectors import LANES


class Kind(IntEnum):
    """What a row does."""

    CONVOLVE = 0
    CONVOLVE_WIDE = 1
    CONVOLVE_SMALL = 2
    """Tiles of 16 x 1, 8 x 2 and 4 x 4 outputs and vectors, or as many as the processor's registers hold."""
    BLEND = 3
    AVERAGE = 4
    MAXIMUM = 5
    NARROW = 6


class Column(IntEnum):
    """Columns of a row, 64 bits each. What is an address is one of a constant that its kernel keeps."""

    KIND = 0
    ITEMS = 1
    """Address of the table of items, one after the other."""
    CHOSEN = 2
    """Bytes from the start of a run's lists to this row's: a count, then numbers of items."""
    PLACES = 3
    """Address of the vectors that are made, see `Place`."""
    VECTORS = 4
    """How many there are of them; for a convolution, of its tiles."""
    MASKS = 5
    """Address of what is kept of a vector, and what the rest becomes."""
    FIRST = 6
    SECOND = 7
    THIRD = 8
    FOURTH = 9
    """What a kind needs beside: see its kernel."""


ROW_BYTES = 8 * len(Column)


class Arrangement(NamedTuple):
    """How a kernel writes its channels: relative numbers of their planes (C,), lanes (C,), and planes in all."""

    planes: IntArray
    lanes: IntArray
    total: int


def natural(output: Value, per_plane: int) -> Arrangement:
    """Channels in order, `per_plane` to a plane."""
    channels = np.arange(output.shape[0])
    return Arrangement(channels // per_plane, channels % per_plane, -(-len(channels) // per_plane))


class Kept:
    """Constants that compiled code knows by address; they live as long as this."""

    def __init__(self) -> None:
        self._arrays: list[Array] = []

    def __call__(self, array: Array) -> int:
        """Keep an array; its address."""
        array = np.ascontiguousarray(array)
        self._arrays.append(array)
        return int(array.ctypes.data)


class PlanesKernel(Kernel):
    """A kernel whose maps are planes of one memory.

    Attributes:
        map_inputs: which inputs are maps in planes; the others are numbers a channel (C,), in their container.
        writes_map: whether the output is a map in planes.
        keeps_codes: whether the output has the encoding of the inputs.
        packs: whether plain arrays of bytes are worth to be laid out beside a map in planes.
        row: what is run, columns by `Column`; the plan fills in `CHOSEN`.
        items: (C,) the item that computes each output channel.
    """

    map_inputs: ClassVar[slice] = slice(None)
    writes_map: ClassVar[bool] = True
    keeps_codes: ClassVar[bool] = False
    packs: ClassVar[bool] = False
    row: IntArray
    items: IntArray

    @classmethod
    @abstractmethod
    def misplaced(cls, node: Node, inputs: Sequence[Value], maps: Sequence[Layout]) -> str | None:
        """Say why the kernel cannot take its maps from where they are, or None when it can."""

    @classmethod
    def wish(cls, node: Node, inputs: Sequence[Value]) -> Encoding | None:
        """The encoding in which the maps are best stored, if the kernel needs one."""
        return None

    @classmethod
    def padding(cls, node: Node, inputs: Sequence[Value]) -> tuple[Pads, tuple[int, ...]]:
        """The margins that the kernel reads around its maps, and the values that must stand there."""
        return (0, 0, 0, 0), ()

    @classmethod
    def pad_values(cls, node: Node, inputs: Sequence[Value], encoding: Encoding) -> IntArray:
        """(C,) what stands in the margins of a map that is brought to the kernel in its wish's encoding."""
        raise AssertionError(f"{cls.__name__} wishes nothing")

    @classmethod
    def arrange(cls, node: Node, maps: Sequence[Layout], output: Value, per_plane: int) -> Arrangement:
        """Where the channels of the output go, `per_plane` to a plane: in order, unless a kernel has another."""
        return natural(output, per_plane)

    def bind(self, maps: Sequence[Layout], numbers: Sequence[int], output: Any) -> None:
        """Make `row` and `items`, once memory is shared out.

        Args:
            maps: where the inputs are that are maps.
            numbers: where numbers a channel begin, in bytes from the start of memory.
            output: a `Layout`, or the same of numbers a channel.
        """
        raise AssertionError(f"{type(self).__name__} runs nothing")

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        raise AssertionError(f"{type(self).__name__} is run as a row")


class View(PlanesKernel):
    """A kernel that runs nothing: it names channels where they are."""

    keeps_codes = True

    @classmethod
    @abstractmethod
    def channels(cls, node: Node, inputs: Sequence[Value]) -> IntArray:
        """(C,) for each output channel its number among those of all inputs."""

    @classmethod
    def refuses(cls, node: Node, inputs: Sequence[Value], fused: Node | None) -> str | None:
        return None if fused is None else f"it does not take {fused.op.kind} behind it"

    @classmethod
    def misplaced(cls, node: Node, inputs: Sequence[Value], maps: Sequence[Layout]) -> str | None:
        return None if all(x.matches(maps[0]) for x in maps) else "its inputs lie in different ways"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        pass


class Place(IntEnum):
    """Columns of a table of vectors, 32 bits each: where one reads, where it writes, and its row of masks."""

    INPUT = 0
    OUTPUT = 1
    MASK = 2


PLACE_BYTES = 4 * len(Place)
MASK_BYTES = 2 * 4 * LANES
"""A row of masks: which lanes are kept, and what the others become."""


def vectors_of(source: Geometry, target: Layout, stride: Pair) -> tuple[IntArray, Array]:
    """Vectors that cover the target's map: places (N, 3) in the target and, at `stride`, in the source; and masks.

    Where rows follow each other alike in both, vectors run across their ends; else each row has its own, in order:
    what one writes behind its row is written again by the next row's.
    """
    geometry = target.geometry
    if stride == (1, 1) and source.pitch == geometry.pitch:
        lane = np.arange(0, geometry.run, LANES)[:, None] + np.arange(LANES)
        y, x = lane // geometry.pitch, lane % geometry.pitch
        starts = lane[:, 0], lane[:, 0]
    else:
        columns = np.arange(0, geometry.width, LANES)
        y = np.repeat(np.arange(geometry.height), len(columns))[:, None]
        first = np.tile(columns, geometry.height)
        x = first[:, None] + np.arange(LANES)
        starts = y[:, 0] * stride[0] * source.pitch + first * stride[1], y[:, 0] * geometry.pitch + first
    kept, mask = np.unique((x < geometry.width) & (y < geometry.height), axis=0, return_inverse=True)
    places = np.stack([4 * starts[0], 4 * (starts[1] + geometry.origin), mask.reshape(-1)], axis=1)
    masks = np.concatenate([np.where(kept, -1, 0), np.where(kept, 0, target.margin_word)], axis=1)
    return places, masks.astype(np.int32)

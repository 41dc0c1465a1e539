"""What a dump is held against: the graph with all its values, right, and the dump's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from intinfer.graph import Graph, Node
from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray, Mask

from ...describe.manifest import Stored, VectorSet
from ...designs import Place
from ..hints import Case
from .evidence import Evidence

CHUNK = 2**22
"""Elements, windows of a convolution unfolded, that are computed at a time."""
SAMPLE = 6
"""Frames that are looked at before all are."""


@dataclass
class WorkBudget:
    """Work that may still be done, in elements computed: what is tried depends on the sets alone, not on the clock."""

    left: float = 1.2e9

    def take(self, work: float) -> bool:
        """Whether there is enough for it; it is then gone."""
        if work > self.left:
            return False
        self.left -= work
        return True


class Values:
    """The right values of a set's graph, for any of its frames: as stored, or computed from what is."""

    def __init__(self, graph: Graph, vectors: VectorSet) -> None:
        self.graph, self._vectors = graph, vectors
        self._stored = cache(self._read)
        self._entry = cache(self._checked)
        self._made = cache(self._computed)

    def get(self, name: str, frames: Sequence[int]) -> IntArray:
        """int64 (len(frames), *shape)."""
        if name in self._vectors.values:
            return np.stack([self._stored(name, number) for number in frames]).astype(np.int64)
        return (self._made if len(frames) <= SAMPLE else self._computed)(name, tuple(frames))

    def _computed(self, name: str, frames: tuple[int, ...]) -> IntArray:
        node = self.graph.node_by_name[name]
        return node.op.reference(*(self.get(operand, frames) for operand in node.inputs))

    def _checked(self, name: str) -> Stored:
        entry = self._vectors.values[name]
        entry.check()
        return entry

    def _read(self, name: str, number: int) -> npt.NDArray[np.integer]:
        """One frame, in as few bytes as its type needs."""
        entry = self._entry(name)
        values = entry.tensor.shaped(entry.frames(number, number + 1))[0]
        small: npt.NDArray[np.integer] = values.astype(self.graph.values[name].type.dtype)
        return small


@dataclass(frozen=True)
class Scene:
    """A dump that differs, whole and known in every bit.

    Attributes:
        numbers: of the set's frames, those that the dump holds; all else counts frames by their place in the dump.
        actual, expected, asked: of the dump along the tensor's axes.
        bits: of the words that `actual` was read from; values are compared modulo 2^bits.
    """

    graph: Graph
    values: Values
    node: Node
    numbers: Sequence[int]
    actual: IntArray
    expected: IntArray
    asked: Mask
    bits: int
    budget: WorkBudget

    @classmethod
    def of(cls, case: Case, graph: Graph, values: Values, budget: WorkBudget) -> Scene | None:
        """None where the dump is not whole, has unknown bits, or is not of a node."""
        node, known = graph.node_by_name.get(case.tensor.node), _known(case)
        if node is None or known is None:
            return None
        shaped = case.tensor.shaped
        actual, expected, asked = shaped(known[0]), shaped(case.expected), shaped(case.demanded)
        return cls(graph, values, node, case.numbers, actual, expected, asked, known[1], budget)

    def right(self, name: str, frames: Sequence[int]) -> IntArray:
        """What a value of the graph is when nothing is wrong, int64 (len(frames), *shape)."""
        return self.values.get(name, [self.numbers[n] for n in frames])

    def histories(self, frames: Sequence[int]) -> list[tuple[list[int], list[int]]]:
        """What a design may have seen when the dump was made, if it held these frames alone: the numbers of the set's
        frames, and the places of the dump's among them."""
        numbers = [self.numbers[n] for n in frames]
        whole = list(range(max(numbers) + 1))
        alone = numbers, list(range(len(numbers)))
        many = len(whole) * self.node.output.size > CHUNK
        return [alone] if numbers == whole or many else [alone, (whole, numbers)]

    @cached_property
    def wrong(self) -> Mask:
        """The values that count and differ, along the tensor's axes."""
        return ~self.same(self.actual, self.expected) & self.asked

    @cached_property
    def evidence(self) -> Evidence:
        """How much the dump says against chance."""
        return Evidence(int(self.asked.sum()), int(self.wrong.sum()), self.node.output.type.bits)

    @cached_property
    def wrong_frames(self) -> list[int]:
        """Those that differ."""
        return np.flatnonzero(self.wrong.reshape(len(self.wrong), -1).any(axis=1)).tolist()

    @cached_property
    def without_first(self) -> Scene:
        """The same, of whose first frame nothing counts."""
        asked = self.asked.copy()
        asked[0] = False
        return replace(self, asked=asked)

    @cached_property
    def frames(self) -> list[int]:
        """All frames of the dump, counted from 0."""
        return list(range(len(self.actual)))

    @cached_property
    def sample(self) -> list[int]:
        """Frames that tell most: the first, middle and last that differ, and some that do not."""
        bad = self.wrong_frames
        good = sorted(set(self.frames) - set(bad))
        return sorted({*bad[:2], bad[len(bad) // 2], bad[-1], *good[:1], *good[-1:]})

    def same(self, one: IntArray, other: IntArray) -> Mask:
        """Whether values have the same words."""
        if self.bits >= 64:
            return np.equal(one, other)
        equal: Mask = ((one - other) & np.int64((1 << self.bits) - 1)) == 0
        return equal

    def fits(self, found: IntArray, place: Place) -> bool:
        """Whether values are those of a part of the dump, as far as it counts."""
        return bool((self.same(found, self.actual[place]) | ~self.asked[place]).all())

    def chunks(self, size: float) -> list[list[int]]:
        """All frames in parts, each of which has about `size` elements."""
        step = max(1, int(CHUNK // max(size, 1)))
        return [self.frames[i : i + step] for i in range(0, len(self.frames), step)]


def seen_along(mask: Mask, axis: int) -> Mask:
    """By index along an axis: whether there is one."""
    found: Mask = np.logical_or.reduce(mask, axis=tuple(i for i in range(mask.ndim) if i != axis))
    return found


def work(node: Node, graph: Graph) -> float:
    """Elements that a node costs for one frame, roughly: of a convolution, its windows unfolded and its products."""
    size = sum(graph.values[name].size for name in node.inputs) + 4 * node.output.size
    if isinstance(node.op, Conv2d | Dense):
        taps = int(np.prod(node.op.weight.shape[1:]))
        pixels = node.output.size // node.output.shape[0]
        groups = node.op.groups if isinstance(node.op, Conv2d) else 1
        return size + 3 * taps * groups * pixels + taps * node.output.size / 8
    window = getattr(node.op, "window", None)
    return size * (1 if window is None else window.kernel[0] * window.kernel[1])


def _known(case: Case) -> tuple[IntArray, int] | None:
    """The values of a whole dump and how many of their bits are known; None where some are not."""
    dump = case.dump
    if not case.complete:
        return None
    code = dump.packing.code
    if not case.bad:
        return dump.values, code.bits
    numbers = dump.words.numbers() if dump.packing.fold == 1 else None  # wider than the tensor's, whole
    if numbers is None:
        return None
    return numbers.view(np.int64), 64 if dump.words.kind == "numbers" else max(
        code.bits, int(numbers.max()).bit_length()
    )

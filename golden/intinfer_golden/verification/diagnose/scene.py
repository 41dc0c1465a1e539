"""What a dump is held against: the graph with all its values, right, and the dump's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from intinfer.graph import Graph, Node
from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray

from ...describe.manifest import VectorSet
from ...describe.spans import split
from ...describe.tensors import Tensor
from ..dumps.words import Words
from ..hints import Case, Mask
from .changes import Place
from .mistake import Evidence

Scalar = TypeVar("Scalar", bound=np.generic)

CHUNK = 2**22
"""Elements, windows of a convolution unfolded, that are computed at a time."""
SAMPLE = 6
"""Frames that are looked at before all are."""


@dataclass
class Budget:
    """Work that may still be done, in elements computed: what is tried depends on the sets alone, not on the clock."""

    left: float = 1.2e9
    used_up: bool = field(default=False, init=False)

    def take(self, work: float) -> bool:
        """Whether there is enough for it; it is then gone."""
        if work > self.left:
            self.used_up = True
            return False
        self.left -= work
        return True


class Values:
    """The right values of a set's graph, for any of its frames: as stored, or computed from what is."""

    def __init__(self, graph: Graph, vectors: VectorSet) -> None:
        self.graph, self._vectors = graph, vectors
        self._stored: dict[str, dict[int, npt.NDArray[np.integer]]] = {}
        self._kept: dict[tuple[str, tuple[int, ...]], IntArray] = {}

    def get(self, name: str, frames: Sequence[int]) -> IntArray:
        """int64 (len(frames), *shape)."""
        if name in self._vectors.values:
            return self._read(name, frames)
        key = name, tuple(frames)
        if key not in self._kept:
            node = self.graph.node_by_name[name]
            result = node.op.reference(*(self.get(operand, frames) for operand in node.inputs))
            if len(frames) > SAMPLE:
                return result
            self._kept[key] = result
        return self._kept[key]

    def _read(self, name: str, frames: Sequence[int]) -> IntArray:
        entry = self._vectors.values[name]
        if name not in self._stored:
            entry.check()
        kept = self._stored.setdefault(name, {})
        dtype = self.graph.values[name].type.dtype
        for first, last in split(sorted(set(frames) - kept.keys())):
            for number, values in enumerate(along_axes(entry.frames(first, last + 1), entry.tensor), first):
                kept[number] = values.astype(dtype)
        return np.stack([kept[number] for number in frames]).astype(np.int64)


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
    budget: Budget

    @classmethod
    def of(cls, case: Case, graph: Graph, values: Values, budget: Budget) -> Scene | None:
        """None where the dump is not whole, has unknown bits, or is not of a node."""
        node, known = graph.node_by_name.get(case.tensor.node), _known(case)
        if node is None or known is None:
            return None
        actual, bits = known
        tensor = case.tensor
        asked = along_axes(case.demanded, tensor)
        return cls(
            graph,
            values,
            node,
            case.numbers,
            along_axes(actual, tensor),
            along_axes(case.expected, tensor),
            asked,
            bits,
            budget,
        )

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
        return ~self.same(self.actual, self.expected) & self.asked

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(int(self.asked.sum()), int(self.wrong.sum()), self.node.output.type.bits)

    @cached_property
    def wrong_frames(self) -> list[int]:
        """Those that differ."""
        return np.flatnonzero(self.wrong.reshape(len(self.wrong), -1).any(axis=1)).tolist()

    @cached_property
    def frames(self) -> list[int]:
        return list(range(len(self.actual)))

    @cached_property
    def sample(self) -> list[int]:
        """Frames that tell most: the first, middle and last that differ, and some that do not."""
        bad = self.wrong_frames
        good = sorted(set(self.frames) - set(bad))
        chosen = {*bad[:2], bad[len(bad) // 2], bad[-1], *good[:1], *good[-1:]}
        return sorted(chosen)

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


def along_axes(flat: npt.NDArray[Scalar], tensor: Tensor) -> npt.NDArray[Scalar]:
    """A vector in the order of files as an array with the tensor's axes."""
    places = [tensor.order.index(axis) for axis in tensor.axes]
    shape = (len(flat) // (tensor.elements // tensor.shape[0]), *tensor.file_shape[1:])
    return np.ascontiguousarray(flat.reshape(shape).transpose(places))


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
    if len(dump) != len(case.expected) or dump.unknown[case.demanded].any() or dump.spare.any():
        return None
    code = dump.packing.code
    if not dump.bad[case.demanded].any():
        return dump.values, code.bits
    return _wide(dump.words, code.bits) if dump.packing.fold == 1 else None


def _wide(words: Words, least: int) -> tuple[IntArray, int] | None:
    """Words that are wider than the tensor's, whole, where they have at most 64 bits."""
    rows = words.widened(8)
    if words.unknown is not None or (rows[:, 8:] != np.where(words.negative, 255, 0)[:, None]).any():
        return None
    numbers = np.ascontiguousarray(rows[:, :8]).view("<u8").reshape(-1)
    bits = 64 if words.kind == "numbers" else max(least, int(numbers.max()).bit_length())
    return numbers.astype(np.uint64).view(np.int64), bits

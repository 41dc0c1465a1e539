"""The reference RTL of element by element ops, of channels and of whole maps, each as an isolated node in its bench.

What it sends is compared twice: by the bench with the vectors, and here, from the bench's dump, with the plain loops of
`oracles.naive`, which share nothing with the ops that the vectors come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from oracles import naive
from rtl.sets import run, written
from tools import needs_icarus, needs_verilator

from intinfer.builder import GraphBuilder
from intinfer.graph import Graph, Shape
from intinfer.ops import (
    Abs,
    Add,
    Affine,
    ArgMax,
    Bitshift,
    ChannelSelect,
    Clamp,
    Concat,
    Flatten,
    Gather,
    Mux,
    SumPool,
    Table,
    Tgap,
)
from intinfer.ops.base import Op
from intinfer.tensor import IntTensor
from intinfer.types import LIMIT, IntArray, IntType

BIT, LEVELS, BYTE, SIGNED = IntType(0, 1), IntType(0, 7), IntType(0, 255), IntType(-8, 7)
HUGE = IntType(-LIMIT, LIMIT)
RNG = np.random.default_rng(0)

Inputs = tuple[tuple[Shape, IntType], ...]


@dataclass(frozen=True)
class Case:
    """A node with the shapes and types of its inputs x0, x1, ...; `fold` as in `write_vectors`, the node being y."""

    op: Op
    inputs: Inputs
    fold: int | Mapping[str, int] = 1
    profile: str = "random"
    frames: tuple[IntArray, ...] | None = None
    """None for some that are drawn: all at the lower end, two anywhere, all at the upper end."""

    @property
    def graph(self) -> Graph:
        builder = GraphBuilder()
        values = [builder.input(f"x{i}", shape, type_) for i, (shape, type_) in enumerate(self.inputs)]
        builder.output("y", builder.add(self.op, *values, name="y"))
        return builder.finish()

    def images(self) -> dict[str, IntArray]:
        if self.frames is not None:
            return {f"x{i}": array for i, array in enumerate(self.frames)}
        drawn, rng = {}, np.random.default_rng(1)
        for i, (shape, type_) in enumerate(self.inputs):
            array = rng.integers(type_.lo, type_.hi, (4, *shape), endpoint=True)
            array[0], array[3] = type_.lo, type_.hi
            drawn[f"x{i}"] = array
        return drawn


def pairs(bits: int) -> tuple[IntArray, IntArray]:
    """(1, 2, 2^bits, 2^bits): every pair of levels, in each of two channels."""
    a, b = np.meshgrid(np.arange(2**bits), np.arange(2**bits))
    return np.stack([a, b])[None], np.stack([b, a])[None]


def around_half(channels: int, height: int, width: int, top: int) -> IntArray:
    """(3, channels, height, width): sums of half of the top level, one less and one more, back to back."""
    half = top * height * width / 2
    frames = np.zeros((3, channels, height * width), dtype=np.int64)
    for frame, total in zip(frames, (int(half), int(half - 1), int(half + 1)), strict=True):
        for plane in frame:
            left = total
            for pixel in RNG.permutation(height * width):
                plane[pixel] = min(left, top)
                left -= plane[pixel]
    return frames.reshape(3, channels, height, width)


def maps(shape: Shape, *types: IntType) -> Inputs:
    return tuple((shape, type_) for type_ in types)


def selecting(channels: int, height: int, width: int, one: IntType, zero: IntType) -> Inputs:
    return (((channels,), BIT), ((channels, height, width), one), ((channels, height, width), zero))


def lookup(rows: int, type_: IntType, lo: int, hi: int) -> Table:
    return Table(IntTensor(RNG.integers(lo, hi + 1, (rows, type_.hi - type_.lo + 1))), type_.lo, lo, hi)


def gather(shape: Shape, arrange: Callable[[IntArray], IntArray], fill: int = 0) -> Gather:
    """The elements of a map of `shape` as `arrange` has them, -1 being `fill`."""
    return Gather(IntTensor(arrange(np.arange(np.prod(shape)).reshape(shape))), fill)


CASES = {
    "mean of all pairs of levels": Case(Bitshift(3), maps((2, 8, 8), LEVELS, LEVELS), 2, "random", pairs(3)),
    "or of all pairs of bits": Case(Bitshift(1), maps((2, 2, 2), BIT, BIT), 3, "bursty", pairs(1)),
    "mean of values below the width": Case(
        Bitshift(4), maps((3, 2, 3), IntType(0, 2), IntType(0, 5)), {"x0": 3, "x1": 2, "y": 1}
    ),
    "mean of 32 bits": Case(Bitshift(32), maps((2, 1, 2), IntType.unsigned(32), IntType.unsigned(32)), 2, "always"),
    "sum of three": Case(Add((1, -2, 5)), maps((3, 2, 3), LEVELS, SIGNED, BYTE), {"x0": 1, "x1": 2, "y": 3}),
    "sum that is narrower than its terms": Case(
        Add((1, -1)), maps((2, 2, 2), IntType(100, 103), IntType(98, 100)), 2, "bursty"
    ),
    "sum of 62 bits": Case(Add((2**61, -1)), maps((2, 1, 3), IntType(-1, 1), IntType(-(2**61), 2**61)), 3, "always"),
    "sum of a vector with itself doubled": Case(Add((3, 2)), maps((7,), SIGNED, SIGNED), 3),
    "affine": Case(
        Affine(IntTensor([5, -7, 9, 0, 1]), IntTensor([-100, 3, 77, 1, 0])), maps((5, 2, 3), SIGNED), {"x0": 2, "y": 3}
    ),
    "affine, unsigned constants": Case(
        Affine(IntTensor([5, 7]), IntTensor([1, 3])), maps((2, 2, 2), BYTE), 1, "bursty"
    ),
    "affine, 62 bits": Case(
        Affine(IntTensor([2**61, -(2**61)]), IntTensor([LIMIT // 2, -1])), maps((2, 1, 3), IntType(-2, 1)), 2, "always"
    ),
    "clamp": Case(Clamp(-3, 5), maps((3, 1, 16), SIGNED), {"x0": 3, "y": 2}),
    "clamp above 0": Case(Clamp(2, 9), maps((3, 2, 3), BYTE), 2, "always"),
    "clamp below 0": Case(Clamp(-9, -2), maps((5, 1, 3), SIGNED), 4, "bursty"),
    "clamp of 63 bits": Case(Clamp(-LIMIT, LIMIT - 1), maps((2, 1, 3), HUGE), 2),
    "absolute value": Case(Abs(), maps((3, 1, 16), SIGNED), {"x0": 3, "y": 2}, "bursty"),
    "absolute value of what has one sign": Case(Abs(), maps((2, 2, 3), IntType(-9, -2)), 2, "always"),
    "absolute value of 63 bits": Case(Abs(), maps((2, 1, 3), HUGE), 2),
    "table, one row a channel": Case(lookup(3, SIGNED, -9, 10), maps((3, 1, 16), SIGNED), 2),
    "table for all channels": Case(lookup(1, BYTE, 3, 90), maps((5, 2, 5), BYTE), 3, "bursty"),
    "concat of three": Case(
        Concat(), (((3, 2, 2), LEVELS), ((1, 2, 2), SIGNED), ((2, 2, 2), BIT)), {"x0": 2, "x1": 1, "x2": 3, "y": 4}
    ),
    "concat of vectors": Case(Concat(), (((3,), BIT), ((2,), BIT)), 2, "always"),
    "select, repeat, leave out": Case(
        ChannelSelect(IntTensor([3, 0, 2, 0, 3])), maps((5, 2, 3), SIGNED), {"x0": 2, "y": 3}
    ),
    "shuffle": Case(ChannelSelect.shuffle(12, 3), maps((12, 2, 2), LEVELS), 8, "bursty"),
    "select one": Case(ChannelSelect(IntTensor([1])), maps((4,), BYTE), 1, "always"),
    "mux": Case(Mux(), selecting(5, 2, 3, LEVELS, LEVELS), 3),
    "mux of a signed and an unsigned branch": Case(
        Mux(), selecting(4, 3, 2, SIGNED, BYTE), {"x0": 3, "x1": 1, "x2": 8, "y": 2}, "bursty"
    ),
    "mux of one channel": Case(Mux(), selecting(1, 1, 1, BIT, BIT), 1, "always"),
    "tgap around half": Case(Tgap(7), maps((5, 3, 4), LEVELS), 2, "random", (around_half(5, 3, 4, 7),)),
    "tgap around half of an odd sum": Case(
        Tgap(3), maps((3, 3, 3), IntType(0, 3)), {"x0": 3, "y": 2}, "bursty", (around_half(3, 3, 3, 3),)
    ),
    "tgap of one pixel": Case(Tgap(1), maps((9, 1, 1), BIT), 8, "always"),
    "tgap of a top that no value reaches": Case(Tgap(200), maps((2, 2, 2), IntType(0, 1)), 2),
    "tgap of values below the top": Case(Tgap(15), maps((2, 2, 2), IntType(5, 9)), 1),
    "sum pool": Case(SumPool((2, 3), (2, 1), (0, 1, 1, 0)), maps((3, 4, 5), SIGNED), {"x0": 2, "y": 3}),
    "sum pool of a border only once": Case(SumPool((1, 2), (1, 3), (0, 0, 0, 2)), maps((2, 2, 4), BYTE), 1, "bursty"),
    "global sum": Case(SumPool((3, 5), (1, 1), (0, 0, 0, 0)), maps((5, 3, 5), SIGNED), 4, "always"),
    "flatten": Case(Flatten(), maps((3, 2, 4), SIGNED), {"x0": 2, "y": 5}),
    "flatten one pixel": Case(Flatten(), maps((5, 1, 1), BYTE), 3, "bursty"),
    "flatten one channel": Case(Flatten(), maps((1, 3, 2), BIT), {"y": 4}, "always"),
    "gather: a border of a constant": Case(
        gather((3, 2, 3), lambda a: np.pad(a, ((0, 1), (1, 0), (2, 1)), constant_values=-1), -9),
        maps((3, 2, 3), LEVELS),
        {"x0": 2, "y": 3},
    ),
    "gather: nearest neighbours": Case(
        gather((2, 2, 3), lambda a: a.repeat(2, 1).repeat(3, 2)), maps((2, 2, 3), SIGNED), 2, "bursty"
    ),
    "gather: space to depth": Case(
        gather((2, 4, 6), lambda a: a.reshape(2, 2, 2, 3, 2).transpose(2, 4, 0, 1, 3).reshape(8, 2, 3)),
        maps((2, 4, 6), LEVELS),
        {"x0": 1, "y": 8},
        "always",
    ),
    "gather: crop and transpose": Case(
        gather((4, 3, 5), lambda a: a[1:3, :, 1:4].transpose(2, 0, 1)), maps((4, 3, 5), BYTE), {"x0": 3, "y": 2}
    ),
    "gather: a pixel's channels together": Case(
        gather((3, 2, 2), lambda a: a.transpose(1, 2, 0).reshape(-1)), maps((3, 2, 2), SIGNED), {"x0": 2, "y": 5}
    ),
    "gather: a vector as a map, with gaps": Case(
        gather((5,), lambda a: np.array([4, -1, 0, 2, 2, -1, 3, 1]).reshape(2, 2, 2), 2**40),
        maps((5,), BYTE),
        2,
        "bursty",
    ),
    "gather: one element": Case(gather((2, 1, 1), lambda a: a[1:]), maps((2, 1, 1), BIT), 1, "always"),
    "argmax of a vector": Case(ArgMax(), maps((6,), SIGNED), 4),
    "argmax with ties": Case(ArgMax(), maps((5, 3, 4), IntType(-1, 0)), {"x0": 2, "y": 3}, "bursty"),
    "argmax of one channel": Case(ArgMax(), maps((1, 2, 2), BYTE), 1, "always"),
}


@needs_icarus
@pytest.mark.parametrize("name", CASES)
def test_icarus(name: str, tmp_path: Path) -> None:
    """The bench passes the design, and what it sent is what the plain loops say."""
    case = CASES[name]
    written(case.graph, case.images(), tmp_path / "set", fold=case.fold)
    made = run(tmp_path / "set", profile=case.profile).values
    expected = naive.apply(case.op, *(made[f"x{i}"] for i in range(len(case.inputs))))
    assert made["y"].tolist() == expected.tolist()


IN_VERILATOR = (
    "sum of three",
    "clamp of 63 bits",
    "absolute value of 63 bits",
    "table, one row a channel",
    "mux of a signed and an unsigned branch",
    "argmax with ties",
    "gather: a border of a constant",
)
"""The ops that networks do not have, and a mux that extends its branches; see `test_network` for the others."""


@needs_verilator
def test_verilator(tmp_path: Path) -> None:
    """Side by side in one design."""
    builder = GraphBuilder()
    images, readers = {}, {}
    for number, name in enumerate(IN_VERILATOR):
        case = CASES[name]
        values = [builder.input(f"{number}.x{i}", *value) for i, value in enumerate(case.inputs)]
        images |= {f"{number}.{key}": array for key, array in case.images().items()}
        node = builder.add(case.op, *values, name=f"{number}.y")
        builder.output(node.name, node)
        readers[node.name] = (case.op, [value.name for value in values])
    written(builder.finish(), images, tmp_path / "set", fold=3)
    made = run(tmp_path / "set", simulator="verilator").values
    for name, (op, inputs) in readers.items():
        assert made[name].tolist() == naive.apply(op, *(made[x] for x in inputs)).tolist()


def test_ties_are_among_the_frames() -> None:
    """Sums of exactly half, and equal largest values: else strict comparisons are not told from others."""
    (levels,) = CASES["tgap around half"].frames or ()
    assert (2 * levels.sum(axis=(2, 3)) == 7 * 12).any()
    scores = CASES["argmax with ties"].images()["x0"]
    assert ((scores == scores.max(axis=1, keepdims=True)).sum(axis=1) > 1).any()

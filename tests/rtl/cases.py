"""Small designs that together use every part of the reference RTL, as vector sets with directed stimulus.

`mutants` runs all of them. Weights and thresholds are drawn once from a fixed seed, so that the sets never change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rtl.assemble import assemble

from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph, Shape
from intinfer.model import Model
from intinfer.ops import (
    Add,
    Affine,
    ArgMax,
    Bitshift,
    ChannelSelect,
    Clamp,
    Concat,
    Conv2d,
    Flatten,
    MaxPool,
    Mux,
    Requant,
    SumPool,
    Table,
    Tgap,
    Threshold,
)
from intinfer.ops.base import Op
from intinfer.rounding import RoundMode
from intinfer.tensor import CellularWeights, IntTensor, Weights
from intinfer.types import IntArray, IntType
from intinfer_golden import write_vectors
from intinfer_golden.stimulus import directed

Make = Callable[[np.random.Generator], Graph]
BITS3, BYTE, SIGNED4 = IntType(0, 7), IntType(0, 255), IntType(-8, 7)
WIDE = IntType(-300, 300)


def build(folder: Path) -> list[tuple[str, Path, str]]:
    """Write every case below `folder`: its name, the directory of its set, and the text of its design."""
    built = []
    for number, (name, (make, fold)) in enumerate(CASES.items()):
        graph = make(np.random.default_rng(number))
        directory = folder / name
        masks = len(graph.nodes) == 1 and isinstance(graph.nodes[0].op, Conv2d)
        stimulus = directed(graph, goal=100.0, seed=1, masks=masks, rounds=4)
        write_vectors(
            Model(graph),
            stimulus.frames,
            directory,
            formats=("memh",),
            fold=fold,
            labels=stimulus.labels,
            masks=stimulus.masks,
            seed=1,
        )
        built.append((name, directory, assemble(json.loads((directory / "manifest.json").read_text()))))
    return built


def one(op: Op, *inputs: tuple[Shape, IntType]) -> Graph:
    """The graph of a single node."""
    builder = GraphBuilder()
    values = [builder.input(f"x{i}", shape, type_) for i, (shape, type_) in enumerate(inputs)]
    builder.output("y", builder.add(op, *values, name="node"))
    return builder.finish()


def conv(
    weight: Weights | IntArray,
    *,
    encoding: str = "ternary",
    stride: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    pad_value: int = 0,
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    accumulator: Accumulator | None = None,
) -> Conv2d:
    stored = IntTensor(weight, encoding) if isinstance(weight, np.ndarray) else weight
    rule = accumulator or Accumulator.prove(16)
    return Conv2d(stored, stride, pads, (pad_value,), dilation, groups, rule)


def ternary(rng: np.random.Generator, *shape: int) -> IntArray:
    return rng.integers(-1, 2, shape)


def binary(rng: np.random.Generator, *shape: int) -> IntArray:
    return 2 * rng.integers(0, 2, shape) - 1


def thresholds(rng: np.random.Generator, channels: int, count: int, type_: IntType, base: int, step: int) -> Threshold:
    """Half of the channels fall."""
    rows = np.sort(rng.integers(type_.lo + 1, type_.hi, (channels, count)), axis=1)
    falling = np.arange(channels) % 2
    rows[falling == 1] = rows[falling == 1, ::-1]
    return Threshold(IntTensor(rows), IntTensor(falling), base, step)


def requant(rounding: RoundMode, rng: np.random.Generator) -> Requant:
    shift = IntTensor(np.array([4, 5, 6]))
    multiplier = IntTensor(np.array([3, -5, 11]))
    return Requant(multiplier, IntTensor(rng.integers(-40, 40, 3)), shift, rounding, -8, 7)


CASES: dict[str, tuple[Make, int]] = {
    "conv_ternary": (
        lambda rng: one(conv(ternary(rng, 4, 2, 3, 3), pads=(1, 0, 1, 1), groups=2), ((4, 5, 4), BITS3)),
        2,
    ),
    "conv_stride": (
        lambda rng: one(conv(ternary(rng, 3, 3, 3, 3), stride=(2, 2), pads=(0, 1, 1, 1)), ((3, 6, 5), BYTE)),
        3,
    ),
    "conv_binary": (
        lambda rng: one(conv(binary(rng, 5, 6, 1, 1), encoding="binary"), ((6, 3, 2), BITS3)),
        4,
    ),
    "conv_signed": (
        lambda rng: one(
            conv(rng.integers(-4, 4, (2, 2, 2, 3)), encoding="s3", pads=(0, 1, 1, 0), pad_value=-3, dilation=(2, 1)),
            ((2, 5, 5), SIGNED4),
        ),
        1,
    ),
    "conv_depthwise": (
        lambda rng: one(conv(ternary(rng, 3, 1, 3, 3), pads=(1, 1, 1, 1), groups=3), ((3, 4, 4), IntType(0, 1))),
        3,
    ),
    "conv_generated": (
        lambda rng: one(conv(CellularWeights.of(30, (0, 1, 1, 0, 1, 0, 0), 4)), ((4, 2, 3), SIGNED4)),
        2,
    ),
    "conv_wrap": (
        lambda rng: one(conv(ternary(rng, 3, 4, 1, 2), accumulator=Accumulator.wrap(5)), ((4, 2, 4), BITS3)),
        2,
    ),
    "conv_saturate": (
        lambda rng: one(
            conv(ternary(rng, 3, 4, 1, 2), accumulator=Accumulator.saturate(4, TapOrder.KKC, 2)), ((4, 2, 4), BITS3)
        ),
        2,
    ),
    "conv_saturate_ckk": (
        lambda rng: one(
            conv(ternary(rng, 3, 3, 2, 2), accumulator=Accumulator.saturate(4, TapOrder.CKK, 3)), ((3, 3, 4), BITS3)
        ),
        1,
    ),
    "threshold": (lambda rng: one(thresholds(rng, 4, 3, WIDE, 0, 1), ((4, 2, 3), WIDE)), 2),
    "threshold_bipolar": (lambda rng: one(thresholds(rng, 3, 1, WIDE, -1, 2), ((3, 2, 2), WIDE)), 1),
    "max_pool": (
        lambda rng: one(MaxPool((3, 2), (2, 2), (1, 0, 1, 0), (1, 1)), ((3, 5, 6), SIGNED4)),
        2,
    ),
    "sum_pool": (lambda rng: one(SumPool((2, 2), (2, 1), (0, 1, 0, 0)), ((3, 4, 4), SIGNED4)), 2),
    "gap": (lambda rng: one(SumPool((3, 4), (1, 1), (0, 0, 0, 0)), ((5, 3, 4), BITS3)), 2),
    "bitshift": (lambda rng: one(Bitshift(3), ((4, 3, 3), BITS3), ((4, 3, 3), BITS3)), 3),
    "or": (lambda rng: one(Bitshift(1), ((4, 2, 3), IntType(0, 1)), ((4, 2, 3), IntType(0, 1))), 2),
    "tgap": (lambda rng: one(Tgap(7), ((5, 3, 4), BITS3)), 2),
    "mux": (lambda rng: one(Mux(), ((4,), IntType(0, 1)), ((4, 2, 3), BITS3), ((4, 2, 3), BITS3)), 3),
    "channel_select": (lambda rng: one(ChannelSelect(IntTensor(np.array([3, 0, 2, 0, 1]))), ((4, 2, 3), BITS3)), 2),
    "concat": (lambda rng: one(Concat(), ((3, 2, 2), BITS3), ((2, 2, 2), SIGNED4)), 2),
    "add": (lambda rng: one(Add((1, -2)), ((3, 2, 2), BITS3), ((3, 2, 2), SIGNED4)), 2),
    "affine": (
        lambda rng: one(
            Affine(IntTensor(np.array([5, -7, 9])), IntTensor(np.array([-100, 3, 77]))), ((3, 2, 2), SIGNED4)
        ),
        2,
    ),
    "clamp": (lambda rng: one(Clamp(-20, 30), ((3, 2, 3), WIDE)), 2),
    "table": (
        lambda rng: one(Table(IntTensor(rng.integers(-9, 10, (3, 8))), 0, -9, 9), ((3, 2, 3), BITS3)),
        2,
    ),
    "requant_floor": (lambda rng: one(requant(RoundMode.FLOOR, rng), ((3, 2, 3), WIDE)), 2),
    "requant_half_up": (lambda rng: one(requant(RoundMode.HALF_UP, rng), ((3, 2, 3), WIDE)), 1),
    "requant_half_even": (lambda rng: one(requant(RoundMode.HALF_EVEN, rng), ((3, 2, 3), WIDE)), 3),
    "requant_half_away": (lambda rng: one(requant(RoundMode.HALF_AWAY, rng), ((3, 2, 3), WIDE)), 2),
    "flatten": (lambda rng: one(Flatten(), ((3, 2, 4), BITS3)), 2),
    "argmax": (lambda rng: one(ArgMax(), ((5,), SIGNED4)), 2),
}
"""Name -> (graph, fold). The blocks are added when they are built."""

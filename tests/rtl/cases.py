"""Small designs that together use every part of the reference RTL, as vector sets with directed stimulus.

`mutants` runs all of them. Weights and thresholds are drawn once from a fixed seed, so that the sets never change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import numpy as np
from rtl import blocks
from rtl.assemble import assemble
from rtl.netlist import Json
from rtl.networks import RANDOM, converted
from test_demand_mdgnet import Blocks

from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph, Shape
from intinfer.model import Model
from intinfer.ops import (
    Abs,
    Add,
    Affine,
    ArgMax,
    Bitshift,
    ChannelSelect,
    Clamp,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Gather,
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
from intinfer_golden.describe.regions import isolate
from intinfer_golden.make.stimulus.direct import directed

Make = Callable[[np.random.Generator], Graph]
Assemble = Callable[[Json], str]
BITS3, BYTE, SIGNED4 = IntType(0, 7), IntType(0, 255), IntType(-8, 7)
WIDE = IntType(-300, 300)


@dataclass(frozen=True)
class Built:
    """The set of a case, and the text of its design."""

    name: str
    directory: Path
    text: str


def build(folder: Path, names: Collection[str] | None = None) -> list[Built]:
    """Write the cases with these names, or all, below `folder`."""
    cases: dict[str, tuple[Callable[[], Graph], int, Assemble]] = {
        name: (partial(make, np.random.default_rng(number)), fold, assemble)
        for number, (name, (make, fold)) in enumerate(CASES.items())
    }
    cases |= {"mrb": (mrb, 3, blocks.mrb), "mdgnet_normal": (mdgnet_normal, 3, blocks.mdgnet_normal)}
    return [
        _written(folder, name, make(), fold, design)
        for name, (make, fold, design) in cases.items()
        if names is None or name in names
    ]


def _written(folder: Path, name: str, graph: Graph, fold: int, design: Assemble) -> Built:
    alone = len(graph.nodes) == 1
    stimulus = directed(graph, seed=1, masks=alone and isinstance(graph.nodes[0].op, Conv2d), rounds=2)
    assert not alone or stimulus.coverage.percent == 100, f"{name}: a node alone reaches every bin"
    every = 5 if name in ("mrb", "mdgnet_normal") else 1  # simulated a thousand times, the blocks make do with less
    write_vectors(
        Model(graph),
        replace(
            stimulus,
            frames={value: frames[::every] for value, frames in stimulus.frames.items()},
            labels=stimulus.labels[::every],
            rounds=None,
        ),
        folder / name,
        formats=("memh",),
        fold=fold,
    )
    text = design(json.loads((folder / name / "manifest.json").read_text()))
    return Built(name, folder / name, text)


def mrb() -> Graph:
    """The first MRB of a network with random parameters."""
    network = converted("mognet:n=8,g=2,k=3,height=4,width=3,classes=3,layout=1m,pool=0", RANDOM)
    return block(network.graph, "s1.mrb.*")


def mdgnet_normal() -> Graph:
    """A normal block; every group of its convolutions is idle in one image and busy in another."""
    return block(Blocks(16, 2, 2, bright=0.5, split_shuffle=True, seed=19).graph, "n1.*")


def block(graph: Graph, names: str) -> Graph:
    """The nodes whose names match, as a graph of their own."""
    return isolate(graph, [node.name for node in graph.nodes if fnmatchcase(node.name, names)]).graph


def chain(rng: np.random.Generator) -> Graph:
    """A border larger than the window, and a threshold behind: nothing but data holds the line buffer back."""
    builder = GraphBuilder()
    x = builder.input("x", (2, 2, 2), BITS3)
    op = conv(ternary(rng, 2, 2, 1, 1), pads=(2, 2, 0, 1), pad_value=5)
    acc = builder.add(op, x, name="conv")
    builder.output("y", builder.add(thresholds(rng, 2, 3, acc.type, 0, 1), acc, name="act"))
    return builder.finish()


def forked(rng: np.random.Generator) -> Graph:
    """x is read by a pool, whose select bits come last, and by both branches of a multiplexer."""
    builder = GraphBuilder()
    x = builder.input("x", (3, 2, 4), BITS3)
    select = builder.add(Tgap(7), x, name="select")
    other = builder.add(Table(IntTensor(rng.integers(-9, 10, (1, 8))), 0, -9, 9), x, name="other")
    builder.output("y", builder.add(Mux(), select, other, x, name="mux"))
    return builder.finish()


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
        lambda rng: one(conv(ternary(rng, 4, 2, 3, 3), pads=(1, 0, 1, 1), groups=2), ((4, 4, 3), BITS3)),
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
    "conv_stride_3": (
        lambda rng: one(conv(ternary(rng, 2, 1, 2, 2), stride=(3, 3), pads=(1, 1, 2, 2)), ((1, 4, 5), BITS3)),
        1,
    ),
    "conv_pointwise_pads": (
        lambda rng: one(conv(ternary(rng, 2, 2, 1, 1), pads=(1, 2, 0, 1), pad_value=5), ((2, 2, 2), BITS3)),
        2,
    ),
    "conv_unsigned": (
        lambda rng: one(conv(rng.integers(0, 8, (2, 2, 1, 2)), encoding="u3"), ((2, 2, 3), SIGNED4)),
        1,
    ),
    "conv_saturate_part": (
        lambda rng: one(
            conv(ternary(rng, 2, 5, 1, 1), accumulator=Accumulator.saturate(4, TapOrder.KKC, 3)), ((5, 1, 3), BITS3)
        ),
        2,
    ),
    "dense": (
        lambda rng: one(Dense(IntTensor(ternary(rng, 5, 6), "ternary"), Accumulator.prove(9)), ((6,), BITS3)),
        4,
    ),
    "threshold_shared": (lambda rng: one(thresholds(rng, 1, 3, WIDE, 2, 1), ((3, 2, 2), WIDE)), 2),
    "threshold_positive": (lambda rng: one(thresholds(rng, 5, 2, BITS3, 0, 1), ((5, 2, 2), BITS3)), 2),
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
    "affine_all": (
        lambda rng: one(Affine(IntTensor(np.array([3, -2])), IntTensor(np.array([7, -1]))), ((2, 2, 2), BITS3)),
        2,
    ),
    "clamp_above": (lambda rng: one(Clamp(3, 30), ((4, 2, 2), WIDE)), 2),
    "clamp_below": (lambda rng: one(Clamp(-30, -3), ((3, 2, 2), WIDE)), 2),
    "table_shared": (
        lambda rng: one(Table(IntTensor(rng.integers(-9, 10, (1, 16))), -8, -9, 9), ((3, 2, 3), SIGNED4)),
        3,
    ),
    "tgap_point": (lambda rng: one(Tgap(3), ((3, 1, 1), IntType(0, 3))), 2),
    "requant_shared": (
        lambda rng: one(
            Requant(
                IntTensor(np.array([-5])), IntTensor(np.array([9])), IntTensor(np.array([3])), RoundMode.FLOOR, 2, 90
            ),
            ((3, 2, 2), WIDE),
        ),
        2,
    ),
    "requant_unshifted": (
        lambda rng: one(
            Requant(
                IntTensor(np.array([1, 2])),
                IntTensor(np.array([0, -3])),
                IntTensor(np.array([0, 1])),
                RoundMode.HALF_UP,
                -90,
                -2,
            ),
            ((2, 2, 2), WIDE),
        ),
        2,
    ),
    "chain": (chain, 2),
    "forked": (forked, 2),
    "clamp": (lambda rng: one(Clamp(-20, 30), ((3, 2, 3), WIDE)), 2),
    "abs": (lambda rng: one(Abs(), ((3, 2, 3), SIGNED4)), 2),
    "table": (
        lambda rng: one(Table(IntTensor(rng.integers(-9, 10, (3, 8))), 0, -9, 9), ((3, 2, 3), BITS3)),
        2,
    ),
    "requant_floor": (lambda rng: one(requant(RoundMode.FLOOR, rng), ((3, 2, 3), WIDE)), 2),
    "requant_half_up": (lambda rng: one(requant(RoundMode.HALF_UP, rng), ((3, 2, 3), WIDE)), 1),
    "requant_half_even": (lambda rng: one(requant(RoundMode.HALF_EVEN, rng), ((3, 2, 3), WIDE)), 3),
    "requant_half_away": (lambda rng: one(requant(RoundMode.HALF_AWAY, rng), ((3, 2, 3), WIDE)), 2),
    "flatten": (lambda rng: one(Flatten(), ((3, 2, 4), BITS3)), 2),
    "gather": (
        lambda rng: one(
            Gather(IntTensor(np.pad(np.arange(18).reshape(3, 2, 3), ((0, 1), (1, 0), (0, 2)), constant_values=-1)), -5),
            ((3, 2, 3), BITS3),
        ),
        2,
    ),
    "gather_vector": (lambda rng: one(Gather(IntTensor(rng.permutation(12)[:10])), ((3, 2, 2), SIGNED4)), 3),
    "argmax": (lambda rng: one(ArgMax(), ((5,), SIGNED4)), 2),
}
"""Name -> (graph, fold)."""

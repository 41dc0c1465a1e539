"""Small nets that mistakes are made in, and what `verify` says of the dump of a design that makes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from golden_sets import write_unchecked

from intinfer import reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph
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
    Op,
    Requant,
    SumPool,
    Table,
    Tgap,
    Threshold,
)
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, IntType
from intinfer_golden import verify
from intinfer_golden.describe.spans import Spans
from intinfer_golden.verification.compare import Comparison

Design = Callable[[dict[str, Any]], Any]
"""From the set's own values, as nested lists by node, to what the faulty design gives."""


@dataclass(frozen=True)
class Net:
    """A graph, the inputs of its set, and what a design of its convolution is made from."""

    graph: Graph
    inputs: dict[str, IntArray]
    convolution: tuple[Any, ...] = ()
    options: dict[str, Any] | None = None

    def attribute(self, node: str, name: str) -> Any:
        return getattr(self.graph.node(node).op, name).values.tolist()


def made(
    inputs: dict[str, tuple[tuple[int, ...], int, int]], *nodes: tuple[str, Op, tuple[str, ...]], frames: int = 12
) -> tuple[Graph, dict[str, IntArray]]:
    """A graph and noise for its inputs; (name, op, operands) a node."""
    rng = np.random.default_rng(len(nodes) + frames)
    builder = GraphBuilder()
    values = {name: builder.input(name, shape, IntType(lo, hi)) for name, (shape, lo, hi) in inputs.items()}
    for name, op, operands in nodes:
        values[name] = builder.add(op, *(values[x] for x in operands), name=name)
    read = {x for _, _, operands in nodes for x in operands}
    for name, _, _ in nodes:
        if name not in read:
            builder.output(name, values[name])
    arrays = {name: rng.integers(lo, hi, (frames, *shape), endpoint=True) for name, (shape, lo, hi) in inputs.items()}
    return builder.finish(), arrays


def plain() -> Net:
    """3x3, 6 channels to 4, ternary, padded with 0, thresholds both ways."""
    rng = np.random.default_rng(5)
    weight = rng.integers(-1, 2, (4, 6, 3, 3))
    levels = np.sort(rng.integers(-20, 20, (4, 3)), axis=1)
    levels[2:] = levels[2:, ::-1]
    op = Conv2d(IntTensor(weight, "ternary"), (1, 1), (1, 1, 1, 1), (0,), (1, 1), 1, Accumulator.prove(12))
    act = Threshold(IntTensor(levels), IntTensor([0, 0, 1, 1]), 0, 1)
    graph, arrays = made({"x": ((6, 6, 7), 0, 7)}, ("conv", op, ("x",)), ("act", act, ("conv",)))
    return Net(graph, arrays, (weight.tolist(), (6, 7)), {"pads": (1, 1)})


def depthwise() -> Net:
    """3x3 depthwise, binary, stride 2, pad value 3, signed input, 9 bits that wrap."""
    weight = np.random.default_rng(6).integers(0, 2, (5, 1, 3, 3)) * 2 - 1
    op = Conv2d(IntTensor(weight, "binary"), (2, 2), (1, 1, 1, 1), (3,), (1, 1), 5, Accumulator.wrap(5))
    graph, arrays = made({"x": ((5, 7, 8), -4, 3)}, ("dw", op, ("x",)))
    options = {"stride": (2, 2), "pads": (1, 1), "pad": 3, "groups": 5}
    return Net(graph, arrays, (weight.tolist(), (4, 4)), options)


def grouped() -> Net:
    """3x2 in two groups, 8 channels to 6, 4-bit weights, dilation (2, 1), saturating, max pool behind."""
    weight = np.random.default_rng(8).integers(-8, 8, (6, 4, 3, 2))
    rule = Accumulator.saturate(7, TapOrder.CKK)
    op = Conv2d(IntTensor(weight, "s4"), (1, 1), (0, 0, 0, 0), (0,), (2, 1), 2, rule)
    pool = MaxPool((2, 2), (1, 1), (0, 0, 0, 0), (1, 1))
    graph, arrays = made({"x": ((8, 8, 6), 0, 3)}, ("conv", op, ("x",)), ("pool", pool, ("conv",)))
    return Net(graph, arrays, (weight.tolist(), (4, 5)), {"dilation": (2, 1), "groups": 2})


def pointwise() -> Net:
    """1x1, 12 channels to 8, 8-bit weights, requantised to 5 bits."""
    rng = np.random.default_rng(9)
    weight = rng.integers(-128, 128, (8, 12, 1, 1))
    op = Conv2d(IntTensor(weight, "s8"), (1, 1), (0, 0, 0, 0), (0,), (1, 1), 1, Accumulator.prove(20))
    multiplier, offset = IntTensor(rng.integers(20, 60, 8)), IntTensor(rng.integers(-3000, 3000, 8))
    requant = Requant(multiplier, offset, IntTensor([11]), RoundMode.HALF_EVEN, -16, 15)
    graph, arrays = made({"x": ((12, 4, 5), 0, 15)}, ("conv", op, ("x",)), ("requant", requant, ("conv",)))
    return Net(graph, arrays, (weight.tolist(), (4, 5)), {})


def block() -> Net:
    """A TGAP that selects one of two branches, 3-bit levels."""
    graph, arrays = made(
        {"x": ((4, 2, 3), 0, 7), "a": ((4, 3, 3), 0, 7), "b": ((4, 3, 3), 0, 7)},
        ("select", Tgap(7), ("x",)),
        ("mux", Mux(), ("select", "a", "b")),
        ("merge", Bitshift(3), ("a", "b")),
        ("add", Add((3, -2)), ("a", "b")),
        ("both", Concat(), ("a", "b")),
        frames=24,
    )
    arrays["x"][1::3, :, 1, 2] += 21 - arrays["x"][1::3].sum(axis=(2, 3))  # ties, where that is a level
    arrays["x"][0] = 7 * np.array([0, 1, 0, 1])[:, None, None]
    arrays["x"] = np.clip(arrays["x"], 0, 7)
    return Net(graph, arrays)


def others() -> Net:
    """One of each op that is left."""
    rng = np.random.default_rng(10)
    index = rng.permutation(4 * 4 * 5).reshape(4, 4, 5)
    index[:, 0] = -1
    graph, arrays = made(
        {"x": ((4, 4, 5), -8, 7)},
        ("affine", Affine(IntTensor([3, -2, 5, 7]), IntTensor([1, 20, -30, 4])), ("x",)),
        ("table", Table(IntTensor(rng.integers(0, 32, (4, 16))), -8, 0, 31), ("x",)),
        ("clamp", Clamp(-3, 4), ("x",)),
        ("max", MaxPool((2, 2), (2, 2), (0, 0, 0, 1), (1, 1)), ("x",)),
        ("sum", SumPool((2, 3), (1, 1), (0, 1, 0, 1)), ("x",)),
        ("shuffle", ChannelSelect.shuffle(4, 2), ("table",)),
        ("flat", Flatten(), ("clamp",)),
        ("gather", Gather(IntTensor(index), 5), ("x",)),
        ("argmax", ArgMax(), ("clamp",)),
        ("fc", Dense(IntTensor(rng.integers(-20, 20, (5, 80))), Accumulator.prove(20)), ("flat",)),
        frames=16,
    )
    return Net(graph, arrays)


def signs() -> Net:
    """An absolute value, and one seen through a clamp."""
    graph, arrays = made(
        {"x": ((3, 4, 5), -8, 7)}, ("abs", Abs(), ("x",)), ("size", Abs(), ("x",)), ("low", Clamp(0, 6), ("size",))
    )
    return Net(graph, arrays)


NETS = {make.__name__: make() for make in (plain, depthwise, grouped, pointwise, block, others, signs)}


def told(folder: Path, net: str, node: str, actual: Any, frames: Spans | None = None) -> Comparison:
    """What `verify` says of a dump in the order of the vectors, of all frames or of some."""
    target = folder / net
    if not target.exists():
        write_unchecked(NETS[net].graph, NETS[net].inputs, target, formats=["npy"])
    array = np.array(actual)
    dump = folder / "dump.csv"
    flat = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
    dump.write_text("\n".join(map(str, flat.reshape(-1).tolist())))
    (comparison,) = verify(target, [dump], node=node, frames=frames).comparisons
    return comparison


def right(net: str) -> dict[str, IntArray]:
    return reference.trace(NETS[net].graph, NETS[net].inputs)


def names(comparison: Comparison, cause: str) -> bool:
    """Whether a cause is told, word by word or up to its dots."""
    if cause.endswith(" ..."):
        return any(found.startswith(cause[:-4]) for found in comparison.causes)
    return cause in comparison.causes

"""Graphs for the tests of the model file: any single op, one of every kind of attribute, MOGNET's shape."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph, ImageInput
from intinfer.ops import (
    Bitshift,
    ChannelSelect,
    Conv2d,
    Dense,
    Flatten,
    MaxPool,
    Mux,
    Requant,
    SumPool,
    Tgap,
    Threshold,
)
from intinfer.rounding import RoundMode
from intinfer.strategies import MAKERS, Operands
from intinfer.tensor import CellularWeights, IntTensor, Weights
from intinfer.types import IntType

FRACTIONS = st.fractions() | st.sampled_from([Fraction(0), Fraction(-7, 2**1074), Fraction(10**639, 3)])
NOTES = st.dictionaries(
    st.sampled_from(["source", "sha256", "b c", "é", "\U0001f600", ""]), st.text('ab\n"\\/é\U0001f600', max_size=9)
)
SOURCES = st.lists(st.sampled_from(["conv1.weight", "bn/γ", ""]), max_size=2)


def assert_same(one: Graph, other: Graph) -> None:
    """Equal in everything a graph holds."""
    for name in ("inputs", "outputs", "image", "classes", "provenance"):
        assert getattr(one, name) == getattr(other, name)
    assert len(one.nodes) == len(other.nodes)
    for a, b in zip(one.nodes, other.nodes, strict=True):
        assert (a.inputs, a.output, a.source, type(a.op)) == (b.inputs, b.output, b.source, type(b.op))
        for field in fields(a.op):
            left, right = getattr(a.op, field.name), getattr(b.op, field.name)
            assert type(left) is type(right)
            assert left == right


@st.composite
def described(draw: st.DrawFn, graph: Graph) -> Graph:
    """`graph` built again with drawn source names, output affines, class names and provenance."""
    builder = GraphBuilder()
    for value in graph.inputs:
        builder.input(value.name, value.shape, value.type)
    values = dict(graph.values)
    for node in graph.nodes:
        builder.add(node.op, *(values[name] for name in node.inputs), name=node.name, source=draw(SOURCES))
    for i, value in enumerate([*graph.values.values()][-2:]):
        length = draw(st.sampled_from([1, value.shape[0]]))
        numbers = draw(st.lists(FRACTIONS, min_size=2 * length, max_size=2 * length))
        builder.output(f"out{i}", value, numbers[:length], numbers[length:])
    channels = [*graph.values.values()][-2:][0].shape[0]
    classes = [f"class {i}" for i in range(channels)] if draw(st.booleans()) else []
    return builder.finish(None, classes, draw(NOTES))


@st.composite
def graphs_of(draw: st.DrawFn, kind: str) -> Graph:
    """A graph of one node of this op."""
    source = Operands(draw, fresh=True)
    MAKERS[kind](source)
    source.builder.output("y", source.values[-1])
    return draw(described(source.builder.finish()))


def small() -> Graph:
    """Every kind of attribute once; 8 nodes on an RGB image."""
    builder = GraphBuilder()
    prove = Accumulator.prove(24)
    ones, still = (1, 1), (0, 0, 0, 0)
    x = builder.input("image", (3, 8, 8), IntType(0, 255))
    weight = IntTensor(np.arange(108).reshape(4, 3, 3, 3) % 3 - 1, "ternary")
    z = builder.add(Conv2d(weight, ones, (1, 1, 1, 1), (0,), ones, 1, prove), x, name="conv1", source=["conv1.weight"])
    cuts = IntTensor(np.array([[-100, 0, 90]] * 3 + [[90, 0, -100]]), "s12")
    a = builder.add(
        Threshold(cuts, IntTensor(np.array([0, 0, 0, 1])), 0, 1), z, name="conv1.act", source=["bn1", "act1"]
    )
    generated = CellularWeights.of(30, (0, 1, 1, 0, 1, 0, 0, 0, 1, 1), 4)
    z = builder.add(Conv2d(generated, ones, still, (0,), ones, 1, prove), a, name="pw")
    a = builder.add(Requant(IntTensor([3]), IntTensor([4]), IntTensor([2]), RoundMode.HALF_UP, 0, 3), z, name="pw.act")
    a = builder.add(MaxPool((2, 2), (2, 2), still, ones), a, name="pool")
    a = builder.add(ChannelSelect.shuffle(10, 2), a, name="shuffle")
    z = builder.add(Flatten(), a, name="flat")
    head = IntTensor(np.where(np.arange(320).reshape(2, 160) % 3 == 0, 1, -1), "binary")
    z = builder.add(Dense(head, Accumulator.saturate(9, TapOrder.KKC, 4)), z, name="fc")
    builder.output("logits", z, (Fraction(1, 3), Fraction(-2)), (Fraction(5, 7),))
    return builder.finish(ImageInput("RGB", "crop"), ("cat", "dog"), {"source": "net.onnx", "note": "two\nlines"})


def mognet_like(seed: int = 0) -> Graph:
    """MOGNET(128, g = 4, 3 bits, CIFAR-10) by its layer table, with random weights and thresholds."""
    rng = np.random.default_rng(seed)
    builder = GraphBuilder()
    value = builder.input("image", (3, 32, 32), IntType(0, 255))

    def conv(name: str, weight: Weights, pad: int, groups: int = 1) -> None:
        nonlocal value
        op = Conv2d(weight, (1, 1), (pad,) * 4, (0,), (1, 1), groups, Accumulator.prove(32))
        value = builder.add(op, value, name=name, source=[f"{name}.weight"])

    def activate(name: str) -> None:
        nonlocal value
        channels = value.shape[0]
        cuts = np.sort(rng.integers(-(2**19), 2**19, (channels, 7)).clip(value.type.lo, value.type.hi), axis=1)
        down = rng.integers(0, 2, channels)
        cuts = np.where(down[:, None] == 1, cuts[:, ::-1], cuts)
        op = Threshold(IntTensor(cuts), IntTensor(down, "u1"), 0, 1)
        value = builder.add(op, value, name=f"{name}.act", source=[f"{name}.bn", f"{name}.act"])

    def block(name: str, inner: int, out: int) -> None:
        skip = value
        conv(f"{name}.pw1", IntTensor(2 * rng.integers(0, 2, (inner, skip.shape[0], 1, 1)) - 1, "binary"), 0)
        conv(f"{name}.gconv", IntTensor(rng.integers(-1, 2, (inner, inner // 4, 3, 3)), "ternary"), 1, 4)
        conv(f"{name}.pw2", CellularWeights.of(30, rng.permutation(np.arange(out) % 2).tolist(), inner), 0)
        activate(f"{name}.pw2")

    conv("conv1", IntTensor(rng.integers(-1, 2, (128, 3, 3, 3)), "ternary"), 1)
    activate("conv1")
    for stage, (first, inner, out) in enumerate([(64, 64, 128), (64, 128, 256), (128, 256, 512)], 1):
        block(f"s{stage}.cflog", first, out)
        skip = value
        select = builder.add(Tgap(7), skip, name=f"s{stage}.mrb.select")
        block(f"s{stage}.mrb.c1", inner, out)
        block(f"s{stage}.mrb.c2", inner, out)
        value = builder.add(Mux(), select, value, skip, name=f"s{stage}.mrb.mux")
        value = builder.add(Bitshift(3), value, skip, name=f"s{stage}.mrb.merge")
        value = builder.add(MaxPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), value, name=f"s{stage}.pool")
    block("s4.cflog", 256, 512)
    conv("final1x1", IntTensor(2 * rng.integers(0, 2, (10, 512, 1, 1)) - 1, "binary"), 0)
    value = builder.add(SumPool((4, 4), (1, 1), (0, 0, 0, 0)), value, name="gap")
    value = builder.add(Flatten(), value, name="flat")
    builder.output("logits", value)
    return builder.finish(ImageInput("RGB"), [f"class {i}" for i in range(10)])

"""Writing a model file: whole or not at all, and refused where the format has no place for the graph."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import unchecked
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_graphs import assert_same, small

from intinfer import model_file
from intinfer.accumulator import Accumulator, Overflow, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.errors import GraphError, ModelFileError
from intinfer.graph import Graph, Node, Output, Value
from intinfer.model_file import load, save, to_bytes
from intinfer.ops import (
    Add,
    Affine,
    Bitshift,
    Clamp,
    Conv2d,
    Gather,
    MaxPool,
    Op,
    Requant,
    SumPool,
    Table,
    Tgap,
    Threshold,
)
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor
from intinfer.types import IntType


def left_behind(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def cannot_write(path: Path, reason: str, graph: Graph | None = None) -> None:
    with pytest.raises(ModelFileError) as caught:
        save(graph or small(), path)
    assert str(caught.value) == f"{path}: cannot be written: {reason}"


def test_it_replaces_a_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "m.npz").write_text("old")
    save(small(), str(tmp_path / "m.npz"))
    assert_same(load(str(tmp_path / "m.npz")), small())
    assert left_behind(tmp_path) == ["m.npz"]


def test_it_writes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.npz").symlink_to(tmp_path / "m.npz")
    save(small(), tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert not (tmp_path / "m.npz").is_symlink()
    assert_same(load(tmp_path / "link.npz"), small())


def test_a_new_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    save(small(), tmp_path / "m.npz")
    assert (tmp_path / "m.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "m.npz").write_text("old")
    monkeypatch.setattr(os, step, fail)
    cannot_write(tmp_path / "m.npz", "No space left on device")
    assert (tmp_path / "m.npz").read_text() == "old"
    assert left_behind(tmp_path) == ["m.npz"]


def test_an_interrupt_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "m.npz").write_text("old")
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(small(), tmp_path / "m.npz")
    assert left_behind(tmp_path) == ["m.npz"]


def test_places_it_cannot_write_to(tmp_path: Path) -> None:
    cannot_write(tmp_path, "it is a directory")
    cannot_write(tmp_path / "no" / "m.npz", f"there is no folder {tmp_path / 'no'}; create it first")
    cannot_write(Path(os.devnull), "it is not a regular file")
    with pytest.raises(ModelFileError) as caught:
        save(small(), "a\0b")
    assert str(caught.value) == "'a\\x00b': cannot be written: the path holds a zero byte"
    assert left_behind(tmp_path) == []


def test_bytes_that_do_not_read_back_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = mutated_small(lambda b, x: b.output("other", x))
    monkeypatch.setattr(model_file, "_decode", lambda data: other)
    cannot_write(tmp_path / "m.npz", "read back, the bytes give another graph; this is a bug of intinfer")
    assert left_behind(tmp_path) == []


def mutated_small(finish: Callable[[GraphBuilder, Value], object], **kwargs: Any) -> Graph:
    builder = GraphBuilder()
    finish(builder, builder.input("x", (2,), IntType(0, 1)))
    return builder.finish(**kwargs)


class Renamed(Clamp):
    """An op that is none of OPS although it has the kind of one."""


def clamped(*ends: Any, **changes: Any) -> Callable[[GraphBuilder, Value], object]:
    return lambda b, x: b.output("y", b.add(Clamp(*ends), x, name="c", **changes))


REFUSED: list[tuple[Callable[[GraphBuilder, Value], object], dict[str, Any], str]] = [
    (
        clamped(0, 2**62 + 1),
        {},
        "node 'c' (clamp): attributes.hi: 4611686018427387905 is outside -4611686018427387904..4",
    ),
    (
        clamped(0, 10**5000),
        {},
        "node 'c' (clamp): attributes.hi: an integer of 16610 bits is outside -461168601842738790",
    ),
    (clamped(False, 1), {}, "node 'c' (clamp): attributes.lo: an integer is needed, got false"),
    (clamped(np.int64(0), 1), {}, "node 'c' (clamp): attributes.lo: an integer is needed, got a Python int64"),
    (clamped(0, 1, source=["s" * 1001]), {}, "node 'c' (clamp): source[0]: 1001 characters, at most 1000 are allowed"),
    (lambda b, x: b.add(Renamed(0, 1), x, name="c"), {}, "node 'c' (clamp): is not one of intinfer.ops.OPS"),
    (lambda b, x: b.output("y", x, [Fraction(1, 10**640)]), {}, "output 'y': a scale of more than 640 digits above or"),
    (lambda b, x: b.output("y", x, [0.5]), {}, "output 'y': scale is made of floats; give Fractions"),  # type: ignore[list-item]
    (lambda b, x: b.output("bad\x1b", x), {}, "output name 'bad\\x1b' must be 1..200 printable characters"),
    (lambda b, x: b.output("", x), {}, "output name '' must be 1..200 printable characters"),
    (clamped(0, 1), {"classes": ["a", "b\ud800"]}, "classes[1]: 'b\\ud800' holds a character that cannot be printed"),
    (clamped(0, 1), {"provenance": {"epochs": 3}}, "provenance[0]: a string is needed, got 3"),
    (
        clamped(0, 1),
        {"provenance": {"log": "x" * 10_001}},
        "provenance[0]: 10001 characters, at most 10000 are allowed",
    ),
]


@pytest.mark.parametrize(("make", "ends", "reason"), REFUSED)
def test_what_the_format_has_no_place_for_the_builder_refuses(
    make: Callable[[GraphBuilder, Value], object], ends: dict[str, Any], reason: str
) -> None:
    with pytest.raises(GraphError) as caught:
        mutated_small(make, **ends)
    assert str(caught.value).startswith(reason)


def graph_without_builder(op: Any = None, output: Output | None = None, **ends: Any) -> Graph:
    x = Value("x", (2,), IntType(0, 1))
    node = Node(op or Clamp(0, 1), ("x",), Value("c", (2,), IntType(0, 1)), ends.pop("source", ()))
    parts = {"inputs": (x,), "nodes": (node,), "outputs": (output or Output("y", "c"),)}
    return unchecked(small(), **parts, **{"image": None, "classes": (), "provenance": {}} | ends)


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (
            graph_without_builder(Clamp(0, 2**62 + 1)),
            "nodes[0].attributes.hi: 4611686018427387905 is outside -4611686018427387904..4611686018427387904",
        ),
        (graph_without_builder(Renamed(0, 1)), "nodes[0]: op 'clamp' is not one of intinfer.ops.OPS"),
        (
            graph_without_builder(output=Output("y", "c", (Fraction(1, 10**640),))),
            "outputs[0].scale[0]: a fraction of more than 640 digits above or below",
        ),
        (
            graph_without_builder(output=Output("bad\x1b", "c")),
            "outputs[0].name: 'bad\\x1b' holds a character that cannot be printed",
        ),
        (graph_without_builder(output=Output("", "c")), "outputs[0].name: an output needs a name"),
        (
            graph_without_builder(classes=("a", "b\ud800")),
            "classes[1]: 'b\\ud800' holds a character that cannot be printed",
        ),
        (graph_without_builder(provenance={"epochs": 3}), "provenance.epochs: a string is needed, got 3"),
        (
            graph_without_builder(source=("s" * 1001,)),
            "nodes[0].source[0]: 1001 characters, at most 1000 are allowed",
        ),
    ],
)
def test_graphs_the_format_has_no_place_for(graph: Graph, reason: str, tmp_path: Path) -> None:
    """Made without the builder."""
    cannot_write(tmp_path / "m.npz", reason, graph)
    assert left_behind(tmp_path) == []


NUMBERS = st.integers(-(2**70), 2**70) | st.sampled_from([2**62, 2**62 + 1, -(2**62), -(2**62) - 1, 2**63, 2**64])
SIZES = st.integers(0, 5) | st.sampled_from([4096, 4097, 2**20, 2**31, 2**62 + 1])


@st.composite
def ops(draw: st.DrawFn) -> tuple[Op, Value]:
    """An op with attributes from anywhere, and an input that it may take."""
    low, high = sorted(draw(st.tuples(NUMBERS, NUMBERS)))
    c, number, size = draw(st.integers(1, 2)), lambda: draw(NUMBERS), lambda: draw(SIZES)

    def tensor(*shape: int) -> IntTensor:
        return IntTensor(
            np.array(draw(st.lists(st.integers(-(2**62), 2**62), min_size=c, max_size=c))[: shape[0]]).reshape(shape)
        )

    pair, pads = (lambda: (size(), size())), (lambda: (size(), size(), size(), size()))
    weight = IntTensor(np.ones((2, c, 1, 2), dtype=np.int64))
    bits = draw(st.integers(2, 62))
    order = draw(st.sampled_from([None, *TapOrder]))
    overflow = draw(st.sampled_from(list(Overflow)))
    makers: dict[str, Callable[[], Op]] = {
        "clamp": lambda: Clamp(low, high),
        "threshold": lambda: Threshold(IntTensor([[1]]), IntTensor([0]), number(), number()),
        "add": lambda: Add((number(),)),
        "requant": lambda: Requant(
            tensor(1), tensor(1), IntTensor([2]), draw(st.sampled_from(list(RoundMode))), low, high
        ),
        "affine": lambda: Affine(tensor(c), tensor(c)),
        "table": lambda: Table(IntTensor([[1, 2, 3]]), number(), low, high),
        "tgap": lambda: Tgap(number()),
        "bitshift": lambda: Bitshift(size()),
        "gather": lambda: Gather(IntTensor([-1, 0]), number()),
        "max_pool": lambda: MaxPool(pair(), pair(), pads(), pair()),
        "sum_pool": lambda: SumPool(pair(), pair(), pads()),
        "conv2d": lambda: Conv2d(
            weight, pair(), pads(), (number(),), pair(), 1, Accumulator(bits, overflow, order, size())
        ),
    }
    shape = (c, 3, 3)
    return makers[draw(st.sampled_from(sorted(makers)))](), Value("x", shape, IntType(0, 2))


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_the_builder_takes_goes_through_a_file(data: st.DataObject) -> None:
    try:
        op, value = data.draw(ops())
        builder = GraphBuilder()
        x = builder.input(value.name, value.shape, value.type)
        operands = (x,) * (op.arity or 1)
        builder.output("y", builder.add(op, *operands, name="n"), [Fraction(data.draw(NUMBERS), 7)])
        graph = builder.finish()
    except GraphError:
        return
    assert_same(model_file._decode(to_bytes(graph)), graph)


def test_a_graph_whose_declared_type_is_wrong_is_not_written(tmp_path: Path) -> None:
    graph = small()
    node = graph.nodes[-1]
    wrong = Value(node.name, node.output.shape, IntType(0, 1))
    nodes = (*graph.nodes[:-1], type(node)(node.op, node.inputs, wrong, node.source))
    reason = "node 'fc' (dense): declared [2] of 0..1, its op gives [2] of -256..255"
    cannot_write(tmp_path / "m.npz", reason, unchecked(graph, nodes=nodes))

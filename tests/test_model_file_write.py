"""Writing a model file: whole or not at all, and refused where the format has no place for the graph."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_graphs import assert_same, small

from intinfer import model_file
from intinfer.builder import GraphBuilder
from intinfer.errors import ModelFileError
from intinfer.graph import Graph, Value
from intinfer.model_file import load, save
from intinfer.ops import Clamp
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


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (
            mutated_small(lambda b, x: b.output("y", b.add(Clamp(0, 2**62 + 1), x, name="c"))),
            "nodes[0].attributes.hi: 4611686018427387905 is outside -4611686018427387904..4611686018427387904",
        ),
        (
            mutated_small(lambda b, x: b.output("y", b.add(Clamp(0, 10**5000), x, name="c"))),
            "nodes[0].attributes.hi: an integer of 16610 bits is outside -4611686018427387904..4611686018427387904",
        ),
        (
            mutated_small(lambda b, x: b.output("y", b.add(Clamp(False, 1), x, name="c"))),
            "nodes[0].attributes.lo: an integer is needed, got false",
        ),
        (
            mutated_small(lambda b, x: b.output("y", b.add(Clamp(np.int64(0), 1), x, name="c"))),  # type: ignore[arg-type]
            "nodes[0].attributes.lo: an integer is needed, got a Python int64",
        ),
        (
            mutated_small(lambda b, x: b.output("y", b.add(Renamed(0, 1), x, name="c"))),
            "nodes[0]: op 'clamp' is not one of intinfer.ops.OPS",
        ),
        (
            mutated_small(lambda b, x: b.output("y", x, [Fraction(1, 10**640)])),
            "outputs[0].scale[0]: a fraction of more than 640 digits above or below",
        ),
        (
            mutated_small(lambda b, x: b.output("bad\x1b", x)),
            "outputs[0].name: 'bad\\x1b' holds a character that cannot be printed",
        ),
        (mutated_small(lambda b, x: b.output("", x)), "outputs[0].name: an output needs a name"),
        (
            mutated_small(lambda b, x: b.output("y", x), classes=["a", "b\ud800"]),
            "classes[1]: 'b\\ud800' holds a character that cannot be printed",
        ),
        (
            mutated_small(lambda b, x: b.output("y", x), provenance={"epochs": 3}),
            "provenance.epochs: a string is needed, got 3",
        ),
        (
            mutated_small(lambda b, x: b.output("y", x), provenance={"log": "x" * 10_001}),
            "provenance.log: 10001 characters, at most 10000 are allowed",
        ),
        (
            mutated_small(lambda b, x: b.output("y", b.add(Clamp(0, 1), x, name="c", source=["s" * 1001]))),
            "nodes[0].source[0]: 1001 characters, at most 1000 are allowed",
        ),
    ],
)
def test_graphs_the_format_has_no_place_for(graph: Graph, reason: str, tmp_path: Path) -> None:
    cannot_write(tmp_path / "m.npz", reason, graph)
    assert left_behind(tmp_path) == []


def test_a_graph_whose_declared_type_is_wrong_is_not_written(tmp_path: Path) -> None:
    graph = small()
    node = graph.nodes[-1]
    wrong = Value(node.name, node.output.shape, IntType(0, 1))
    nodes = (*graph.nodes[:-1], type(node)(node.op, node.inputs, wrong, node.source))
    forged = Graph(graph.inputs, nodes, graph.outputs, graph.image, graph.classes, graph.provenance)
    reason = "node 'fc' (dense): declared [2] of 0..1, its op gives [2] of -256..255"
    cannot_write(tmp_path / "m.npz", reason, forged)

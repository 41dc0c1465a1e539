"""`intinfer inspect`: what the graph says, no more and no less."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers import tiny_graph, trapping_graph, two_ended_graph

import intinfer
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.cli import main
from intinfer.graph import Graph
from intinfer.ops import Conv2d
from intinfer.tensor import CellularWeights
from intinfer.types import IntType


def inspected(graph: Graph, tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    path = tmp_path / "m.npz"
    intinfer.save(graph, path)
    assert main(["inspect", str(path), *options]) == 0
    return capsys.readouterr().out


def test_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = tiny_graph()
    lines = inspected(graph, tmp_path, capsys).splitlines()
    assert lines[:2] == ["input image: 3x8x8 of 0..255 (8 bits)", "image: RGB, other sizes: exact"]
    rows = {line.split()[0]: " ".join(line.split()) for line in lines[4:10]}
    conv, fc = graph.values["conv"].type, graph.values["fc"].type
    assert rows["conv"] == (
        f"conv conv2d image 6x8x8 {conv} ({conv.bits}) 32 prove, needs {conv.bits} weight ternary 162 = 324 bits"
        " conv2d_dot"
    )
    assert rows["Act"] == (
        "Act threshold conv 6x8x8 0..3 (2) thresholds s9 18 = 162 bits; descending u1 6 = 6 bits conv2d_dot"
    )
    assert rows["fc"] == (
        f"fc dense flatten 4 {fc} ({fc.bits}) 16 prove, needs {fc.bits} weight binary 96 = 96 bits dense_dot"
    )
    assert lines[11:] == [
        "output logits: 4, value fc, real = scale * z + offset, scale 1/3, offset -1/2",
        "stored: weight 420 bits; thresholds 162 bits; descending 6 bits",
        "classes: cat, dog, frog, ship",
        "net: tiny",
    ]


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = tiny_graph()
    document = json.loads(inspected(graph, tmp_path, capsys, "--json"))
    assert document["inputs"] == [{"name": "image", "shape": [3, 8, 8], "lo": 0, "hi": 255, "bits": 8}]
    assert document["image"] == {"mode": "RGB", "fit": "exact"}
    assert document["classes"] == ["cat", "dog", "frog", "ship"]
    assert document["provenance"] == {"net": "tiny"}
    assert document["outputs"] == [{"name": "logits", "value": "fc", "scale": ["1/3"], "offset": ["-1/2"]}]
    assert [node["name"] for node in document["nodes"]] == [node.name for node in graph.nodes]
    type_ = graph.values["conv"].type
    assert document["nodes"][0] == {
        "name": "conv",
        "shape": [6, 8, 8],
        "lo": type_.lo,
        "hi": type_.hi,
        "bits": type_.bits,
        "op": "conv2d",
        "inputs": ["image"],
        "accumulator": {"bits": 32, "overflow": "prove"},
        "stored": [{"constant": "weight", "shape": [6, 3, 3, 3], "encoding": "ternary", "bits": 324}],
        "source": ["conv.weight"],
        "kernel": {"name": "conv2d_dot", "why": "first choice"},
    }
    assert document["nodes"][1]["kernel"] == {"name": "conv2d_dot", "why": "fused into conv"}
    assert document["nodes"][2]["accumulator"] is None


def test_an_accumulator_whose_order_matters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert " -256..255 (9)  9 trap CKK fold 1  weight ternary" in inspected(trapping_graph(), tmp_path, capsys)


def test_generated_weights_and_a_scale_a_channel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builder = GraphBuilder()
    x = builder.input("x", (4, 5, 5), IntType(0, 3))
    weight = CellularWeights.of(30, (0, 1, 1), 4)
    op = Conv2d(weight, (1, 1), (0, 0, 0, 0), (0,), (1, 1), 1, Accumulator.wrap(4))
    scale = (Fraction(1), Fraction(2), Fraction(3))
    builder.output("y", builder.add(op, x, name="ca"), scale, (Fraction(1, 3**40),))
    text = inspected(builder.finish(), tmp_path, capsys)
    assert " 4 wrap weight generated: rule 30, 3 cells, 4 rows, 0 bits" in " ".join(text.split())
    assert "output y: 3x5x5, value ca, real = scale * z + offset, scale one a channel, offset 1/12157665459" in text
    assert "\nstored: weight 0 bits\nclasses: not named\n" in text
    assert np.unique(weight.values).tolist() == [-1, 1]


def test_several_inputs_and_nothing_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = inspected(two_ended_graph(), tmp_path, capsys)
    assert text.startswith("input a: 2x3x3 of 0..3 (2 bits)\ninput b: 2x3x3 of 0..3 (2 bits)\n\nnode ")
    assert "\nstored: no constants\n" in text

"""A second reader, written from `spec/model_file.md` alone, agrees with the first; the text lists every op."""

from __future__ import annotations

import json
import re
import struct
import zlib
from dataclasses import fields
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_graphs import described, mognet_like, small

import intinfer
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph
from intinfer.model_file import load, save
from intinfer.ops import OPS, Affine
from intinfer.strategies import graphs
from intinfer.tensor import CellularWeights, IntTensor
from intinfer.types import IntType

RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
SPEC = files(intinfer).joinpath("spec/model_file.md").read_text("utf-8")


class SpecReader:
    """Plain Python, no NumPy, nothing of intinfer."""

    def __init__(self, data: bytes) -> None:
        assert data[-22:-18] == bytes.fromhex("504b0506")
        count, _, at = struct.unpack("<HLL", data[-12:-2])
        self.members = {}
        for _ in range(count):
            assert data[at : at + 4] == bytes.fromhex("504b0102")
            crc, size, _, length = struct.unpack("<LLLH", data[at + 16 : at + 30])
            (offset,) = struct.unpack("<L", data[at + 42 : at + 46])
            name = data[at + 46 : at + 46 + length].decode("ascii")
            start = offset + 30 + length
            assert zlib.crc32(data[start : start + size]) == crc
            self.members[name] = data[start + 128 : start + size]
            at += 46 + length
        self.header = json.loads(self.members["header.npy"].decode("utf-8"))

    def tensor(self, item: dict[str, Any]) -> tuple[list[int], list[int]]:
        """Shape and flat values."""
        if "rule" in item:
            return self.generated(item)
        name, content = item["encoding"], self.members[item["tensor"] + ".npy"]
        width = {"binary": 1, "ternary": 2}.get(name) or int(name[1:])
        count = 1
        for extent in item["shape"]:
            count *= extent
        assert len(content) == (count * width + 7) // 8
        values = []
        for element in range(count):
            bits = [content[b // 8] >> (b % 8) & 1 for b in range(element * width, element * width + width)]
            code = sum(bit << i for i, bit in enumerate(bits))
            if name == "binary":
                values.append(1 if code else -1)
            elif name[0] == "u":
                values.append(code)
            else:
                values.append(code - (bits[-1] << width))
        return item["shape"], values

    def generated(self, item: dict[str, Any]) -> tuple[list[int], list[int]]:
        cells, seed = item["cells"], bytes.fromhex(item["seed"])
        rows = [[seed[c // 8] >> (c % 8) & 1 for c in range(cells)]]
        while len(rows) < item["rows"]:
            old = rows[-1]
            patterns = [4 * old[c - 1] + 2 * old[c] + old[(c + 1) % cells] for c in range(cells)]
            rows.append([item["rule"] >> pattern & 1 for pattern in patterns])
        return [cells, len(rows), 1, 1], [2 * row[c] - 1 for c in range(cells) for row in rows]


def check_second_reader(graph: Graph, path: Path) -> None:
    save(graph, path)
    reader = SpecReader(path.read_bytes())
    header = reader.header
    assert [item["name"] for item in header["inputs"]] == [value.name for value in graph.inputs]
    for item, node in zip(header["nodes"], graph.nodes, strict=True):
        value = node.output
        declared = (item["name"], tuple(item["shape"]), item["lo"], item["hi"])
        assert declared == (value.name, value.shape, value.type.lo, value.type.hi)
        assert (item["op"], tuple(item["inputs"]), tuple(item["source"])) == (node.op.kind, node.inputs, node.source)
        for name, stored in item["attributes"].items():
            attribute = getattr(node.op, name)
            if isinstance(attribute, (IntTensor, CellularWeights)):
                assert reader.tensor(stored) == (list(attribute.shape), attribute.values.reshape(-1).tolist())
            elif isinstance(attribute, Accumulator):
                assert stored == {f.name: getattr(attribute, f.name) for f in fields(attribute)}
            else:
                assert stored == (list(attribute) if isinstance(attribute, tuple) else attribute)
    for item, output in zip(header["outputs"], graph.outputs, strict=True):
        assert (item["name"], item["value"]) == (output.name, output.value)
        assert [Fraction(text) for text in item["scale"]] == list(output.scale)
        assert [Fraction(text) for text in item["offset"]] == list(output.offset)


@RELAXED
@given(graph=graphs().flatmap(described))
def test_a_reader_made_from_the_spec_agrees(graph: Graph, tmp_path: Path) -> None:
    check_second_reader(graph, tmp_path / "m.npz")


@settings(RELAXED, max_examples=150)
@given(name=st.sampled_from(["binary", "ternary", *(f"u{k}" for k in range(1, 64)), *(f"s{k}" for k in range(1, 65))]),
       data=st.data())  # fmt: skip
def test_a_reader_made_from_the_spec_agrees_on_every_encoding(name: str, data: st.DataObject, tmp_path: Path) -> None:
    low = -1 if name in ("binary", "ternary") else 0 if name[0] == "u" else -(2 ** (int(name[1:]) - 1))
    high = 1 if name in ("binary", "ternary") else low + 2 ** int(name[1:]) - 1
    numbers = st.integers(low, high) if name != "binary" else st.sampled_from([-1, 1])
    values = data.draw(st.lists(numbers, min_size=1, max_size=20))
    builder = GraphBuilder()
    x = builder.input("x", (len(values),), IntType(0, 0))
    op = Affine(IntTensor(np.array(values, dtype=np.int64), name), IntTensor(np.zeros(len(values), dtype=np.int64)))
    builder.output("y", builder.add(op, x, name="y"))
    check_second_reader(builder.finish(), tmp_path / "m.npz")
    np.testing.assert_array_equal(load(tmp_path / "m.npz").nodes[0].op.multiplier.values, values)


def test_a_reader_made_from_the_spec_agrees_on_whole_networks(tmp_path: Path) -> None:
    check_second_reader(small(), tmp_path / "m.npz")
    check_second_reader(mognet_like(), tmp_path / "m.npz")


def test_the_examples_of_the_spec(tmp_path: Path) -> None:
    assert "the ternary values -1, 0, +1, +1, -1 are the bytes `53 03`" in SPEC
    builder = GraphBuilder()
    x = builder.input("x", (5,), IntType(0, 1))
    op = Affine(IntTensor([-1, 0, 1, 1, -1], "ternary"), IntTensor([0] * 5))
    builder.output("y", builder.add(op, x, name="y"))
    save(builder.finish(), tmp_path / "m.npz")
    data = (tmp_path / "m.npz").read_bytes()
    assert SpecReader(data).members["t0.npy"] == bytes.fromhex("5303")
    assert data.index(b"t0.npy") - 30 == data.index(bytes.fromhex("504b030414000000000000002100"), 1)


def test_the_spec_lists_the_attributes_of_every_op() -> None:
    names = {
        "int": "int",
        "bool": "bool",
        "RoundMode": "round",
        "tuple[int, ...]": "ints",
        "Pair": "pair",
        "Pads": "pads",
        "IntTensor": "tensor",
        "Weights": "weights",
        "Accumulator": "accumulator",
    }
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+ \| .*?) ?\|$", SPEC.split("## 4.")[1].split("## 5.")[0], re.MULTILINE))
    expected = {
        kind: f"{op.since} | " + ", ".join(f"{field.name}: {names[str(field.type)]}" for field in fields(op))
        for kind, op in OPS.items()
    }
    assert rows == expected

"""The model file: every graph comes back, every attribute type is known, the bytes are the same everywhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from model_files import refused, with_header
from model_graphs import assert_same, described, graphs_of, mognet_like, small

from intinfer import reference
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.errors import ModelFileError
from intinfer.files.attributes import CODECS, codecs
from intinfer.graph import Graph, Shape, Value
from intinfer.model_file import FORMAT, VERSION, load, save
from intinfer.ops import OPS, Affine, Conv2d, Flatten
from intinfer.strategies import graphs
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, IntType

RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=80)


# ---------------------------------------------------------------------------------------------- round trip


@RELAXED
@given(graph=graphs().flatmap(described))
def test_any_graph_comes_back(graph: Graph, tmp_path: Path) -> None:
    save(graph, tmp_path / "m.npz")
    assert_same(load(tmp_path / "m.npz"), graph)


@pytest.mark.parametrize("kind", sorted(OPS))
def test_every_op_comes_back(kind: str, tmp_path: Path) -> None:
    @settings(RELAXED, max_examples=12)
    @given(graph=graphs_of(kind))
    def check(graph: Graph) -> None:
        save(graph, tmp_path / "m.npz")
        assert_same(load(tmp_path / "m.npz"), graph)

    check()


def test_a_loaded_graph_computes_the_same(tmp_path: Path) -> None:
    save(small(), tmp_path / "m.npz")
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8))
    before, after = reference.trace(small(), images), reference.trace(load(tmp_path / "m.npz"), images)
    assert list(before) == list(after)
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values, err_msg=name)


def test_large_tensors_are_packed_in_parts_that_meet(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(-4, 4, (3, 70_001))
    builder = GraphBuilder()
    x = builder.input("x", (70_001,), IntType(0, 1))
    op = OPS["dense"](weight=IntTensor(values, "s3"), accumulator=Accumulator.prove(32))
    builder.output("y", builder.add(op, x, name="y"))
    save(builder.finish(), tmp_path / "m.npz")
    np.testing.assert_array_equal(load(tmp_path / "m.npz").nodes[0].op.weight.values, values)
    assert (tmp_path / "m.npz").stat().st_size < 3 * 70_001 * 3 / 8 + 2000


# ---------------------------------------------------------------------------------------------- attribute types


def test_an_unknown_attribute_type_fails_loudly() -> None:
    @dataclass(frozen=True, eq=False)
    class Novel(Flatten):
        kind: ClassVar[str] = "novel"
        slope: float

        def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
            raise NotImplementedError

        def reference(self, *inputs: IntArray) -> IntArray:
            raise NotImplementedError

    message = (
        "op 'novel', attribute 'slope': type <class 'float'> has no codec; "
        "add it to intinfer.files.attributes.CODECS and to spec/model_file.md"
    )
    with pytest.raises(TypeError) as caught:
        codecs(Novel)
    assert str(caught.value) == message


def test_every_codec_is_tried_by_an_op_or_here(tmp_path: Path) -> None:
    used = {id(codec) for op in OPS.values() for codec in codecs(op).values()}
    assert {hint for hint, codec in CODECS.items() if id(codec) not in used} == {bool}
    boolean = CODECS[bool]
    assert boolean.encode(True, "at", None) is True  # type: ignore[arg-type]
    assert boolean.decode(False, "at", None) is False  # type: ignore[arg-type]
    with pytest.raises(ModelFileError, match=r"^at: true or false is needed, got 1$"):
        boolean.decode(1, "at", None)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------- the bytes


def test_the_constants() -> None:
    assert (FORMAT, VERSION) == ("intinfer-model", 2)


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save(small(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    save(load(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_bytes_do_not_change_from_release_to_release(tmp_path: Path) -> None:
    """When this fails, VERSION must rise, or the change of the writer be taken back."""
    save(small(), tmp_path / "m.npz")
    digest = hashlib.sha256((tmp_path / "m.npz").read_bytes()).hexdigest()
    assert digest == "a61eb5df365bc00b5a9afe7d2bef5e083d80109cadf009fad183433697a36518"


def test_the_lowest_version_that_has_all_of_a_graph_is_written(tmp_path: Path) -> None:
    builder = GraphBuilder()
    x = builder.input("x", (2,), IntType(-4, 3))
    builder.output("y", builder.abs(x, name="y"))
    save(builder.finish(), tmp_path / "new.npz")
    save(small(), tmp_path / "old.npz")
    versions = []
    for name in ("new.npz", "old.npz"):
        with np.load(tmp_path / name, allow_pickle=False) as arrays:
            versions.append(json.loads(bytes(arrays["header"]))["version"])
    assert versions == [2, 1]
    assert load(tmp_path / "new.npz").values["y"].type == IntType(0, 4)


def test_an_op_is_refused_in_a_file_of_a_version_before_it(tmp_path: Path) -> None:
    builder = GraphBuilder()
    builder.output("y", builder.abs(builder.input("x", (2,), IntType(-4, 3)), name="y"))
    save(builder.finish(), tmp_path / "m.npz")
    data = with_header((tmp_path / "m.npz").read_bytes(), lambda document: document.update(version=1))
    refused(data, tmp_path / "m.npz", "version: 1 is declared, and what the file holds is of 2")


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
def test_another_process_writes_the_same_bytes(hash_seed: str, tmp_path: Path) -> None:
    code = (
        "import sys; from model_graphs import small; from intinfer.model_file import save; save(small(), sys.argv[1])"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path, "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "other.npz")], check=True, env=environment)
    save(small(), tmp_path / "m.npz")
    assert (tmp_path / "other.npz").read_bytes() == (tmp_path / "m.npz").read_bytes()


def test_the_order_of_provenance_does_not_matter(tmp_path: Path) -> None:
    for name, keys in (("a", ("x", "y")), ("b", ("y", "x"))):
        builder = GraphBuilder()
        builder.output("z", builder.input("z", (1,), IntType(0, 1)))
        save(builder.finish(provenance=dict.fromkeys(keys, "")), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_numpy_opens_it_without_pickle(tmp_path: Path) -> None:
    save(small(), tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as arrays:
        assert arrays.files == ["header", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"]
        assert {(a.dtype, a.ndim) for a in arrays.values()} == {(np.dtype(np.uint8), 1)}
        assert json.loads(bytes(arrays["header"]))["format"] == "intinfer-model"


def test_equal_tensors_share_a_member(tmp_path: Path) -> None:
    builder = GraphBuilder()
    x = builder.input("x", (2,), IntType(0, 1))
    same, wider = IntTensor([1, 2], "s8"), IntTensor([1, 2], "s16")
    for name in ("a", "b"):
        x = builder.add(Affine(same, wider), x, name=name)
    builder.output("y", x)
    save(builder.finish(), tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as arrays:
        assert arrays.files == ["header", "t0", "t1"]
    first, second = load(tmp_path / "m.npz").nodes
    assert first.op.multiplier is second.op.multiplier
    assert (first.op.multiplier, first.op.offset) == (same, wider)


def test_mognet_stays_within_15_percent_of_its_content(tmp_path: Path) -> None:
    graph = mognet_like()
    convs = [n.op.weight for n in graph.nodes if isinstance(n.op, Conv2d)]
    weight_bits = sum(w.stored_bits for w in convs)
    tensors = [getattr(n.op, f.name) for n in graph.nodes for f in fields(n.op)]
    content = sum(t.stored_bits for t in tensors if isinstance(t, IntTensor)) / 8
    assert (len(convs), weight_bits) == (32, 1_715_968)
    save(graph, tmp_path / "m.npz")
    assert content < (tmp_path / "m.npz").stat().st_size < 1.15 * content
    assert_same(load(tmp_path / "m.npz"), graph)

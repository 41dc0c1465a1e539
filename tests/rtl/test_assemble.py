"""Designs assembled from manifests: random graphs of every op, branches that meet again, and what is refused."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import naive
from rtl.assemble import assemble
from rtl.cases import CASES
from rtl.sets import RTL, SOURCES, run, written
from rtl.simulate import PROFILES, bench
from tools import needs_icarus, needs_verilator

from intinfer import reference
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.errors import RangeError
from intinfer.graph import Graph
from intinfer.ops import Affine, Bitshift, Clamp, Conv2d, Mux, Tgap
from intinfer.ops.base import Op
from intinfer.strategies import graphs_with_images
from intinfer.tensor import CellularWeights, IntTensor
from intinfer.types import IntArray, IntType
from intinfer_golden.make.frames import Stimulus

LEVELS = IntType(0, 7)


@needs_icarus
@settings(max_examples=20)
@given(graphs_with_images(), st.integers(1, 9), st.sampled_from(PROFILES))
def test_random_graphs(case: tuple[Graph, dict[str, IntArray]], fold: int, profile: str) -> None:
    """Every op, several inputs and outputs, forks: the design sends what the plain loops say."""
    graph, inputs = case
    with TemporaryDirectory() as folder:
        try:
            written(graph, inputs, Path(folder) / "set", fold=fold)
        except RangeError:
            assume(False)  # a trap accumulator that left its range
        made = run(Path(folder) / "set", profile=profile).values
    for image in range(3):
        expected = naive.evaluate(graph, {name: array[image].tolist() for name, array in inputs.items()})
        for output in graph.outputs:
            assert made[output.value][image].tolist() == expected[output.value]


# ------------------------------------------------------------------------------ branches that meet again


def residual() -> Graph:
    """x -> TGAP(x) ? x : (x + x) >> 1: the select bits need a whole frame of what the other readers wait with."""
    builder = GraphBuilder()
    x = builder.input("x", (2, 3, 3), LEVELS)
    select = builder.add(Tgap(7), x, name="select")
    mean = builder.add(Bitshift(3), x, x, name="mean")
    builder.output("y", builder.add(Mux(), select, x, mean, name="y"))
    builder.output("x", x)
    return builder.finish()


def frames(count: int) -> dict[str, IntArray]:
    return {"x": np.random.default_rng(2).integers(0, 8, (count, 2, 3, 3))}


@needs_icarus
@pytest.mark.parametrize("profile", PROFILES)
def test_a_fifo_of_a_frame_is_enough(profile: str, tmp_path: Path) -> None:
    written(residual(), frames(6), tmp_path / "set")
    made = run(tmp_path / "set", profile=profile).values
    assert np.array_equal(made["y"], frames(6)["x"])
    assert np.array_equal(made["x"], frames(6)["x"])


@needs_icarus
def test_a_fifo_of_less_than_a_frame_is_a_deadlock_that_the_bench_sees(tmp_path: Path) -> None:
    manifest = written(residual(), frames(2), tmp_path / "set")
    text = assemble(manifest)
    assert text.count(".DEPTH(18)") == 1
    (tmp_path / "dut.sv").write_text(text.replace(".DEPTH(18)", ".DEPTH(8)"))
    with bench(tmp_path / "set", [tmp_path / "dut.sv", *SOURCES], watchdog=500) as simulate:
        result = simulate()
    assert result.compiled
    assert not result.passed
    assert "m0_axis: 0 of 72 beats came" in result.output


# ----------------------------------------------------------------------------------------------- demand


def node(op: Op, channels: int = 2) -> Graph:
    """One node on maps of 2 x 2."""
    builder = GraphBuilder()
    builder.output("y", builder.add(op, builder.input("x", (channels, 2, 2), LEVELS), name="y"))
    return builder.finish()


MASKS = np.array([[1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 0, 1]], dtype=bool)


@needs_icarus
def test_given_demand_saves_products(tmp_path: Path) -> None:
    """Frames of all, some and no demanded channels, back to back; the other channels are sent as 0."""
    weight = IntTensor(np.random.default_rng(3).integers(-1, 2, (3, 5, 2, 1)), "ternary")
    graph = node(Conv2d(weight, (1, 1), (0, 0, 1, 0), (0,), (1, 1), 1, Accumulator.prove(9)), 5)
    images = np.random.default_rng(4).integers(0, 8, (4, 5, 2, 2))
    written(graph, Stimulus({"x": images}, masks={"y": MASKS}), tmp_path / "set", fold=3)
    made = run(tmp_path / "set")
    full = reference.run(graph, {"x": images})["y"]
    assert np.array_equal(made.values["y"], full * MASKS[:, :, None, None])
    assert f"MACS y {MASKS.sum() * 4 * 10}\n" in made.result.output


@needs_icarus
def test_a_node_that_makes_no_products_takes_the_masks_and_computes_all(tmp_path: Path) -> None:
    images = np.random.default_rng(5).integers(0, 8, (4, 3, 2, 2))
    written(node(Clamp(2, 5), 3), Stimulus({"x": images}, masks={"y": MASKS}), tmp_path / "set")
    assert np.array_equal(run(tmp_path / "set").values["y"], images.clip(2, 5))


# --------------------------------------------------------------------------------------------- the text


@needs_verilator
def test_verilator_warns_of_nothing(tmp_path: Path) -> None:
    """With all warnings on, in designs that use every op."""
    for number, (name, (make, fold)) in enumerate(CASES.items()):
        graph = make(np.random.default_rng(number))
        lowest = {v.name: np.full((1, *v.shape), v.type.lo) for v in graph.inputs}
        (tmp_path / "dut.sv").write_text(assemble(written(graph, lowest, tmp_path / name, fold=fold)))
        lint = ["verilator", "--lint-only", "-Wall", "-y", str(RTL), "--top-module", "dut", "dut.sv"]
        done = subprocess.run(lint, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), name


RULE_110 = Conv2d(CellularWeights.of(110, (0, 1, 1), 2), (1, 1), (0,) * 4, (0,), (1, 1), 1, Accumulator.prove(9))
BIPOLAR = Affine(IntTensor([1, -1], "binary"), IntTensor([0, 0]))


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        (residual(), {"order": "nchw"}, "x: has order NCHW; the reference RTL takes NHWC"),
        (node(RULE_110), {}, "y: weights of rule 110; the reference RTL has 30"),
        (node(BIPOLAR), {}, "y: multiplier in bipolar code; the reference RTL takes two's complement"),
    ],
)
def test_what_the_reference_rtl_lacks_is_refused(
    graph: Graph, options: dict[str, str], message: str, tmp_path: Path
) -> None:
    manifest = written(graph, {"x": np.zeros((1, *graph.inputs[0].shape), np.int64)}, tmp_path / "set", **options)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        assemble(manifest)


def test_a_set_without_memh_is_refused(tmp_path: Path) -> None:
    graph = node(Affine(IntTensor([1, 2]), IntTensor([0, 0])))
    manifest = written(graph, {"x": np.zeros((1, 2, 2, 2), np.int64)}, tmp_path / "set")
    for tensor in manifest["tensors"]:
        tensor["files"] = []
    with pytest.raises(ValueError, match=r"^y: there is no memh file; write the vectors with --format memh$"):
        assemble(manifest)

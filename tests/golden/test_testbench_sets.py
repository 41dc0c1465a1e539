"""Benches of all kinds of sets: layouts, several streams, demand masks, dumps and waves."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from golden_benches import FIFO, FLIP, HEAD, PORT, WIRES, fault, fifo_set, gated, identity, port_bits, wires
from golden_sets import read_memh, write_unchecked
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rtl.simulate import bench, simulate
from tools import needs_icarus, needs_verilator

from intinfer.builder import GraphBuilder
from intinfer.errors import DataError
from intinfer.ops import Clamp, Concat, Mux
from intinfer.types import IntArray, IntType
from intinfer_golden.testbench import write_bench

PROFILES = ("always", "random", "bursty")
ONCE = "+resets=0"
"""With repeat=1: the set once, from the first reset on."""


@st.composite
def layouts(draw: st.DrawFn) -> tuple[IntArray, IntType, str, int]:
    """Images of all codes and ranks, an order and a fold."""
    type_ = draw(st.sampled_from([IntType(0, 1), IntType(0, 6), IntType(-8, 7), IntType(0, 255), IntType(-(2**61), 9)]))
    shape = draw(st.one_of(st.tuples(*[st.integers(1, 4)] * 3), st.tuples(st.integers(1, 9))))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    order = draw(st.sampled_from(["n" + "".join(rest) for rest in itertools.permutations("chw")]))
    return rng.integers(type_.lo, type_.hi, (2, *shape), endpoint=True), type_, order, draw(st.integers(1, 5))


@needs_icarus
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(layout=layouts(), data=st.data())
def test_every_layout_is_unfolded(
    layout: tuple[IntArray, IntType, str, int], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A bit that flips anywhere is reported at its element, with its values."""
    images, type_, order, fold = layout
    folder = tmp_path_factory.mktemp("layout")
    graph = identity(images.shape[1:], type_)
    directory = write_unchecked(graph, images, folder / "set", formats=("memh",), order=order, fold=fold)
    (folder / "dut.sv").write_text(wires(port_bits(directory)))
    index = tuple(data.draw(st.integers(0, extent - 1)) for extent in images.shape)
    # Number the elements, and look where the chosen one lands when rows of the innermost axis are cut into words.
    numbers = np.arange(images.size).reshape(images.shape)
    laid = numbers.transpose(["nchw".index(axis) for axis in order if "nchw".index(axis) < images.ndim])
    padded = np.pad(laid, [(0, 0)] * (laid.ndim - 1) + [(0, -laid.shape[-1] % fold)], constant_values=-1)
    ((beat, lane),) = np.argwhere(padded.reshape(-1, fold) == numbers[index])
    bit = data.draw(st.integers(0, type_.bits - 1))
    expected = int(images[index])
    code = (expected ^ (1 << bit)) & ((1 << type_.bits) - 1)
    actual = code - (1 << type_.bits) if type_.signed and code >> (type_.bits - 1) else code
    place = " ".join(f"{axis}={i}" for axis, i in zip("ncyx", index, strict=False))
    with bench(directory, [folder / "dut.sv"], repeat=1) as run:
        for profile in PROFILES:
            assert run(profile).passed
            result = run(profile, 1, ONCE, f"+beat={beat}", f"+bit={lane * type_.bits + bit}")
            digits = -(-type_.bits // 4)
            shown = f"(0x{expected & ((1 << type_.bits) - 1):0{digits}x}), actual {actual} (0x{code:0{digits}x})"
            assert f"ERROR: m0_axis: clip0 {place}: expected {expected} {shown}; beat {beat}, " in result.output
            assert "FAIL: 1 errors" in result.output
            assert result.returncode != 0


@needs_icarus
def test_bits_beyond_the_elements_are_0(tmp_path: Path) -> None:
    graph = identity((5,), IntType(0, 1))
    directory = write_unchecked(graph, np.ones((2, 5)).astype(int), tmp_path / "set", formats=("memh",), fold=3)
    (tmp_path / "dut.sv").write_text(wires(8))
    with bench(directory, [tmp_path / "dut.sv"]) as run:
        assert "tdata[7:3] must be 0, actual 0x08; beat 0" in run("always", 1, "+beat=0", "+bit=6").output
        assert "lane 2 is unused and must be 0, actual 0x1; beat 3" in run("always", 1, "+beat=3", "+bit=2").output


@needs_icarus
def test_each_stream_is_checked_and_named(tmp_path: Path) -> None:
    """Two inputs and two outputs, the second of which is wrong or stops."""
    images = {f"x{i}": np.random.default_rng(i).integers(0, 8, (2, 3, 2, 2)) for i in range(2)}
    directory = write_unchecked(identity((3, 2, 2), IntType(0, 7), 2), images, tmp_path / "set", formats=("memh",))
    ports = ",\n".join(PORT.format(number=i, beat_bits=8) for i in range(2))
    first = WIRES.format(number=0, condition="1'b1") + "  assign m0_axis_tdata = s0_axis_tdata;\n"
    second = WIRES.format(number=1, condition="count != stop") + FLIP.format(number=1, beat_bits=8)
    stop = '  int stop;\n  initial if ($value$plusargs("stop=%d", stop) == 0) stop = -1;\n'
    head = "module dut (\n    input logic clk,\n    input logic rst_n,\n"
    (tmp_path / "dut.sv").write_text(f"{head}{ports}\n);\n{HEAD}{stop}{first}{second}endmodule\n")
    with bench(directory, [tmp_path / "dut.sv"], watchdog=1000, repeat=1) as run:
        assert "PASS: 2 frames (not past 65536), 48 beats in " in run("random", 1, ONCE).output
        wrong = run("random", 1, ONCE, "+beat=13").output
        assert f"m1_axis: clip1 n=1 c=1 y=0 x=0: expected {images['x1'][1, 1, 0, 0]} " in wrong
        assert "FAIL: 1 errors" in wrong
        stopped = run("bursty", 1, ONCE, "+stop=7")
        assert not stopped.passed
        assert "m1_axis: 7 of 24 beats came; tvalid 0, tready " in stopped.output
        assert "s1_axis: 7 of 24 beats taken" in stopped.output
        assert "0_axis" not in stopped.output


@needs_icarus
@pytest.mark.parametrize("profile", PROFILES)
def test_channels_that_are_not_demanded_are_not_compared(tmp_path: Path, profile: str) -> None:
    directory, images = gated(tmp_path)
    with bench(directory, [tmp_path / "dut.sv"], repeat=1) as run:
        result = run(profile, 1, ONCE)
        assert result.passed, result.output
        assert "24 elements differ that are not demanded\nPASS: 4 frames (not past 65536), " in result.output
        assert "MASK" not in result.output
        assert run(profile, 1, ONCE, "+beat=2", "+bit=6").passed  # of channel 1, which image 0 does not demand
        wrong = run(profile, 1, ONCE, "+beat=2", "+bit=8").output
        assert f"m0_axis: dw n=0 c=2 y=1 x=0: expected {images[0, 2, 1, 0]} " in wrong
        assert "FAIL: 1 errors" in wrong
        assert "tdata[15:12] must be 0" in run(profile, 1, ONCE, "+beat=5", "+bit=15").output  # image 1 demands nothing
        (directory / "demand" / "dw.memh").write_text("5\n0\n7\n")
        assert "ERROR: demand/dw.memh: holds 3 words, manifest.json says 4" in run(profile, 1, ONCE).output


@needs_icarus
def test_a_dump_is_what_the_design_sent(tmp_path: Path) -> None:
    directory, _ = fifo_set(tmp_path)
    waves = tmp_path / "waves.vcd"
    (tmp_path / "dump").mkdir()
    with bench(directory, [FIFO]) as run:
        result = run("random", 1, f"+dump={tmp_path / 'dump'}", f"+vcd={waves}")
        assert result.passed, result.output
        assert "+dump" in run("random", 1, "+dump=nowhere").output
    sent, wanted = tmp_path / "dump" / "clip0.memh", directory / "values" / "clip0.memh"
    assert read_memh(sent, 12) == read_memh(wanted, 12)
    assert "$enddefinitions" in waves.read_text()
    flipped = tmp_path / "flipped"
    flipped.mkdir()
    arguments = (f"+fault={fault('FLIP')}", "+beat=5", "+bit=0", f"+dump={flipped}")
    with bench(directory, [FIFO]) as run:
        assert not run("always", 1, *arguments).passed
    words = read_memh(flipped / "clip0.memh", 12)
    assert [i for i, (a, b) in enumerate(zip(words, read_memh(wanted, 12), strict=True)) if a != b] == [5]


def test_the_same_manifest_gives_the_same_bench(tmp_path: Path) -> None:
    directory, _ = fifo_set(tmp_path)
    first = {path.name: path.read_bytes() for path in (directory / "bench").iterdir()}
    write_bench(directory)
    assert first == {path.name: path.read_bytes() for path in (directory / "bench").iterdir()}
    assert sorted(first) == [
        "Makefile",
        "README.md",
        "adapter.sv",
        "files.f",
        "frames.txt",
        "run.sh",
        "tb.sv",
        "test_dut.py",
    ]
    readme = first["README.md"].decode()
    words = "16 bits | 3 x 4 bits twos_complement | 12"
    for row in (
        f"| s0_axis | input | x0 | clip0 (clamp) | {words} | values/x0.memh |",
        f"| m0_axis | output | clip0 | result of clip0 (clamp) | {words} | values/clip0.memh |",
    ):
        assert row in readme.splitlines()


def test_the_readme_says_which_input_is_which(tmp_path: Path) -> None:
    """Select bits and branches of a multiplexer, the order of others, and what nothing or much reads."""
    builder = GraphBuilder()
    zero, one = (builder.input(name, (2, 1, 1), IntType(0, 1)) for name in ("off", "on"))
    select, spare = builder.input("bits", (2,), IntType(0, 1)), builder.input("sp|are", (2, 1, 1), IntType(0, 1))
    chosen = builder.add(Mux(), select, one, zero, name="mux")
    builder.output("y", builder.add(Concat(), chosen, one, name="both"))
    builder.output("same", spare)
    for i in range(5):
        builder.add(Clamp(0, 1), one, name=f"c{i}")
    arrays = {value: np.zeros((1, 2, 1, 1), dtype=np.int64) for value in ("off", "on", "sp|are")}
    images = arrays | {"bits": np.zeros((1, 2), dtype=np.int64)}
    directory = write_unchecked(builder.finish(), images, tmp_path / "set", formats=("memh",))
    lines = (directory / "bench" / "README.md").read_text().splitlines()
    cells = [line.split(" | ")[:4] for line in lines if "_axis | " in line]
    assert cells == [
        ["| s0_axis", "input", "off", "I0 of mux (mux)"],
        ["| s1_axis", "input", "on", "I1 of mux (mux), input 1 of both (concat), c0 (clamp), c1 (clamp), and 3 more"],
        ["| s2_axis", "input", "bits", "S of mux (mux)"],
        ["| s3_axis", "input", "sp\\|are", "read by no node"],
        ["| m0_axis", "output", "both", "result of both (concat)"],
        ["| m1_axis", "output", "sp\\|are", "an input, unchanged"],
    ]


@pytest.mark.parametrize("nodes", [None, [{}], [{"name": "n", "op": "nothing", "inputs": []}], [None]])
def test_a_manifest_with_damaged_nodes_is_refused(tmp_path: Path, nodes: object) -> None:
    directory, _ = fifo_set(tmp_path)
    path = directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"nodes": nodes}))
    with pytest.raises(DataError, match=r"manifest\.json: is damaged \(.*; make the vectors again"):
        write_bench(directory)


@pytest.mark.parametrize(
    "simulator", [pytest.param("icarus", marks=needs_icarus), pytest.param("verilator", marks=needs_verilator)]
)
def test_words_wider_than_simulators_print(tmp_path: Path, simulator: str) -> None:
    """A whole pixel of 500 accumulators a word; the dump of a run that fails is whole."""
    images = np.random.default_rng(0).integers(-(2**19), 2**19, (2, 500, 1, 2))
    graph = identity((500, 1, 2), IntType(-(2**19), 2**19 - 1))
    directory = write_unchecked(graph, images, tmp_path / "set", formats=("memh",), fold=500)
    (tmp_path / "dut.sv").write_text(wires(10_000))
    with bench(directory, [tmp_path / "dut.sv"], simulator) as run:
        assert run("random").passed
        wrong = run("random", 1, "+beat=3", f"+bit={20 * 499}", f"+dump={tmp_path}")
    expected = int(images[1, 499, 0, 1])
    assert f"m0_axis: clip0 n=1 c=499 y=0 x=1: expected {expected} (0x" in wrong.output
    assert wrong.returncode != 0
    wanted = read_memh(directory / "values" / "clip0.memh", 10_000)
    assert read_memh(tmp_path / "clip0.memh", 10_000) == [*wanted[:3], wanted[3] ^ (1 << 20 * 499)]


@needs_icarus
def test_an_output_that_no_node_makes_has_no_demand_mask(tmp_path: Path) -> None:
    builder = GraphBuilder()
    x = builder.input("x", (2,), IntType(0, 3))
    builder.output("same", x)
    builder.add(Clamp(0, 3), x, name="unused")
    directory = write_unchecked(builder.finish(), np.array([[1, 2]]), tmp_path / "set", formats=("memh",))
    (tmp_path / "dut.sv").write_text(wires(8))
    with bench(directory, [tmp_path / "dut.sv"]) as run:
        assert run().passed
        assert "m0_axis: x n=0 c=1: expected 2 (0x2), actual 3 (0x3);" in run("always", 1, "+beat=1").output


@needs_icarus
def test_names_of_any_characters_reach_messages(tmp_path: Path) -> None:
    builder = GraphBuilder()
    x = builder.input("x", (2,), IntType(0, 3))
    builder.output("y", builder.add(Clamp(0, 3), x, name='a"b\\c%dé'))
    directory = write_unchecked(builder.finish(), np.array([[1, 2]]), tmp_path / "set", formats=("memh",))
    (tmp_path / "dut.sv").write_text(wires(8))
    result = simulate(directory, [tmp_path / "dut.sv"], timeout=60)
    assert result.passed, result.output
    with bench(directory, [tmp_path / "dut.sv"]) as run:
        assert r'm0_axis: a"b\c%d\xe9 n=0 c=1: expected 2 (0x2), actual 3 (0x3);' in run("always", 1, "+beat=1").output


def test_a_set_without_a_bench_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no manifest.json; give a folder that intinfer golden made"):
        write_bench(tmp_path)
    graph, images = identity((2,), IntType(0, 3)), np.array([[1, 2]])
    directory = write_unchecked(graph, images, tmp_path / "set", formats=("npy",))
    assert not (directory / "bench").exists()
    with pytest.raises(DataError, match=r"x0 has no memh file, which a test bench reads; make it with --format memh"):
        write_bench(directory)
    manifest = directory / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": 1}))
    with pytest.raises(DataError, match=r"has version 1, this intinfer reads 3"):
        write_bench(directory)

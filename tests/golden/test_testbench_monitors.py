"""Monitors look at streams inside a design, in the generated bench and in somebody's own simulation."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from golden_benches import MONITORED, OWN_TOP
from golden_sets import write_unchecked
from rtl.simulate import bench
from tools import needs_icarus, needs_verilator

from intinfer.builder import GraphBuilder
from intinfer.errors import DataError
from intinfer.ops import Clamp
from intinfer.types import IntType
from intinfer_golden.testbench import Interface, write_bench

SIMULATORS = [pytest.param("icarus", marks=needs_icarus), pytest.param("verilator", marks=needs_verilator)]
INNER = {"first.out": "first", "a": "first", "rows[1].pass.in": "first"}
"""Below the module under test: of an instance, of its own level, and of one instance of an array."""


def vectors(folder: Path) -> Path:
    """Of two clamps: a difference above the second reaches no output."""
    builder = GraphBuilder()
    x = builder.input("x", (3, 2, 2), IntType(0, 255))
    first = builder.add(Clamp(0, 200), x, name="first")
    builder.output("y", builder.add(Clamp(0, 100), first, name="second"))
    images = np.random.default_rng(3).integers(0, 201, (3, 3, 2, 2))
    images[1, 1, 1, 1] = 150
    (folder / "design.sv").write_text(MONITORED)
    return write_unchecked(builder.finish(), images, folder / "set", formats=("memh",))


ERROR = r"ERROR: {0}: first n=1 c=1 y=1 x=1: expected 150 \(0x96\), actual 151 \(0x97\)"


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_monitors_see_what_the_outputs_hide(tmp_path: Path, simulator: str) -> None:
    directory, ports = vectors(tmp_path), Interface(tlast="none")
    design = tmp_path / "design.sv"
    if simulator == "icarus":
        write_bench(directory, ports)
        with bench(directory, [design], simulator) as run:
            assert run("random", 1, "+wrong").passed
    write_bench(directory, ports, INNER)
    with bench(directory, [design], simulator) as run:
        right, wrong = run("random"), run("random", 1, "+wrong")
    assert right.passed, right.output
    assert not wrong.passed
    for stream in INNER:
        assert re.search(ERROR.format(re.escape(stream)), wrong.output)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_monitors_can_be_bound_to_a_design_in_a_bench_of_ones_own(tmp_path: Path, simulator: str) -> None:
    directory = vectors(tmp_path)
    write_bench(directory, Interface(tlast="none"), INNER)
    top, program = tmp_path / "own.sv", tmp_path / "own"
    top.write_text(OWN_TOP)
    files = ["bench/tb.sv", str(tmp_path / "design.sv"), "bench/bind.sv", str(top)]
    if simulator == "icarus":
        command = ["iverilog", "-g2012", "-s", "own", "-s", "bench_bound", "-D", "DUT_PATH=own.chip"]
        command += ["-o", str(program)]
        call = ["vvp", "-n", str(program)]
    else:
        command = ["verilator", "--binary", "--timing", "--timescale", "1ns/1ps", "-Wno-fatal", "-CFLAGS", "-O0"]
        command += ["--top-module", "own", "-Mdir", str(program)]
        call = [str(program / "Vown")]
    subprocess.run([*command, *files], cwd=directory, check=True, capture_output=True)

    def printed(*plusargs: str) -> str:
        return subprocess.run([*call, *plusargs], cwd=directory, check=True, capture_output=True, text=True).stdout

    right, wrong, short = printed(), printed("+wrong"), printed("+words=30")
    for stream in INNER:
        assert f"\nPASS: {stream}: 36 beats seen, 0 errors of all checkers\n" in f"\n{right}"
        assert f"\nFAIL: {stream}: 36 beats seen, 3 errors of all checkers\n" in wrong
        assert re.search(ERROR.format(re.escape(stream)), wrong)
        assert f"ERROR: {stream}: the simulation ended within a set: 30 of 36 beats\nFAIL: {stream}: " in short


def test_what_is_no_stream_of_the_set_is_refused(tmp_path: Path) -> None:
    directory, ports = vectors(tmp_path), Interface(tlast="none")
    with pytest.raises(DataError, match="has no values of a node 'third'"):
        write_bench(directory, ports, {"a": "third"})
    with pytest.raises(DataError, match="'a b' is no stream inside a design"):
        write_bench(directory, ports, {"a b": "first"})

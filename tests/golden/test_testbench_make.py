"""`make` in the folder of a bench, as its README says, with real exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from golden_benches import FIFO, fault, fifo_set, make
from rtl.simulate import PROFILES
from tools import needs_cocotb, needs_icarus, needs_verilator


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("icarus", marks=needs_icarus),
        pytest.param("verilator", marks=needs_verilator),
        pytest.param("cocotb", marks=needs_cocotb),
    ],
)
def test_make_runs_all_profiles_and_fails_when_one_does(tmp_path: Path, target: str) -> None:
    directory, images = fifo_set(tmp_path)
    flags, watchdog = "VERILATOR_FLAGS=-CFLAGS -O0", "+watchdog=500"
    right = make(directory, target, flags, "REPEAT=1", "ARGS=+longest=300")
    assert right.returncode == 0, right.stdout + right.stderr
    assert [profile in right.stdout for profile in PROFILES] == [True] * len(PROFILES)
    assert len(re.findall(r"PASS: 3 frames \(not past 65536\), 36 beats in.*, 36 beats out", right.stdout)) == len(
        PROFILES
    )
    wrong = make(directory, target, flags, "PROFILES=random", f"ARGS=+fault={fault('FLIP')}")
    assert wrong.returncode != 0
    assert f"clip0 n=1 c=4 y=0 x=2: expected {images[1, 4, 0, 2]} " in wrong.stdout
    deaf = make(
        directory,
        target,
        flags,
        "PROFILES=always random",
        "REPEAT=1",
        f"ARGS=+fault={fault('IGNORES_FULL')} {watchdog}",
    )
    assert deaf.returncode != 0
    assert deaf.stdout.count("PASS: 3 frames ") == 1  # always


@needs_icarus
def test_make_fails_when_the_design_ends_the_simulation(tmp_path: Path) -> None:
    directory, _ = fifo_set(tmp_path)
    assert make(directory, "icarus", f"ARGS=+fault={fault('LEAVES')}").returncode != 0
    unnamed = make(directory, "icarus", "RTL=")
    assert unnamed.returncode != 0
    assert 'give the design: make icarus RTL="a.sv b.sv"' in unnamed.stderr


@needs_icarus
def test_make_warns_of_options_that_the_bench_does_not_have(tmp_path: Path) -> None:
    """Misspelt, they would do nothing in silence; they may be for the design."""
    directory, _ = fifo_set(tmp_path)
    known = "+longest=300 +profile.s0_axis=slow +mismatches=3"
    run = make(directory, "icarus", "PROFILES=always", "REPEAT=1", f"ARGS={known} +longst=3 +fault=0")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "+longst=3 +fault=0: no option of this bench" in run.stderr
    assert "+longest" not in run.stderr


@pytest.mark.parametrize(
    "target", [pytest.param("icarus", marks=needs_icarus), pytest.param("cocotb", marks=needs_cocotb)]
)
def test_macros_and_include_folders_reach_icarus(tmp_path: Path, target: str) -> None:
    """Folders are relative to the one that make runs in, as RTL is."""
    directory, _ = fifo_set(tmp_path)
    text = FIFO.read_text()
    guarded = f'`include "port.vh"\n`ifdef WORD\n{text.replace("s0_axis_tdata", "`WORD_IN")}`endif\n'
    (tmp_path / "guarded.sv").write_text(guarded)
    (directory / "bench" / "headers").mkdir()
    (directory / "bench" / "headers" / "port.vh").write_text("`define WORD_IN s0_axis_tdata\n")
    options = (f"RTL={tmp_path / 'guarded.sv'}", "PROFILES=always", "REPEAT=1", "ARGS=+longest=300")
    right = make(directory, target, *options, "IVERILOG_FLAGS=-DWORD=12 -Iheaders")
    assert right.returncode == 0, right.stdout + right.stderr
    assert make(directory, target, *options, "IVERILOG_FLAGS=-Iheaders").returncode != 0
    assert make(directory, target, *options, "IVERILOG_FLAGS=-DWORD=12").returncode != 0


@needs_icarus
def test_files_of_a_run_stand_where_make_was_called(tmp_path: Path) -> None:
    """The simulation runs in another folder."""
    directory, _ = fifo_set(tmp_path)
    folder = directory / "bench"
    (folder / "sent").mkdir()
    options = ("PROFILES=always", "REPEAT=1")
    run = make(directory, "icarus", *options, "VCD=waves.vcd", "RESULTS=outcomes", "ARGS=+dump=sent +longest=300")
    assert run.returncode == 0, run.stdout + run.stderr
    assert (folder / "sent" / "clip0.memh").read_text().split() == [
        line for line in (directory / "values" / "clip0.memh").read_text().splitlines() if not line.startswith("/")
    ]
    assert "$enddefinitions" in (folder / "waves.vcd").read_text()
    assert (folder / "outcomes" / "icarus.always.xml").exists()
    assert make(directory, "icarus", *options, "ARGS=+vcd=others.vcd +longest=300").returncode == 0
    assert "$enddefinitions" in (folder / "others.vcd").read_text()


def test_the_readme_names_all_options(tmp_path: Path) -> None:
    """Of `make` and of the bench: those that have a variable of make by that."""
    folder = fifo_set(tmp_path)[0] / "bench"
    readme, makefile = (folder / "README.md").read_text(), (folder / "Makefile").read_text()
    (known,) = re.findall(r"^KNOWN := (.*)$", makefile, re.MULTILINE)
    plusargs = re.findall(r"(\w+)[=.]%", known)
    assert "dump_pass" in plusargs
    assert [name for name in plusargs if f"+{name}" not in readme and f"`{name.upper()}=" not in readme] == []
    variables = set(re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE)) | set(
        re.findall(r"\$\(([A-Z]+_FLAGS)\)", makefile)
    )
    assert {"IVERILOG_FLAGS", "REPEAT"} <= variables
    assert [name for name in sorted(variables) if not re.search(rf"`{name}\b|{name}=", readme)] == []


@needs_icarus
def test_make_fails_a_design_that_hangs_within_a_moment(tmp_path: Path) -> None:
    """No cycle of a bench comes then."""
    directory, _ = fifo_set(tmp_path)
    design = tmp_path / "hangs.sv"
    text = FIFO.read_text()
    loop = "  logic spin;\n  initial #60 spin = 0;\n  always @(spin) spin <= !spin;\nendmodule\n"
    design.write_text("`timescale 1ns / 1ps\n" + text.replace("endmodule\n", loop))
    hangs = make(directory, "icarus", f"RTL={design}", "PROFILES=always", "TIMEOUT=2")
    assert hangs.returncode != 0
    assert "FAIL: the simulation ended without a verdict of the bench, after " in hangs.stdout


@needs_cocotb
def test_cocotb_fails_designs_that_hang_or_stop(tmp_path: Path) -> None:
    directory, _ = fifo_set(tmp_path)
    design = tmp_path / "stops.sv"
    for what in ("spin <= !spin", "$stop"):
        more = f"  logic spin;\n  initial #60 spin = 0;\n  always @(spin) {what};\nendmodule\n"
        design.write_text("`timescale 1ns / 1ps\n" + FIFO.read_text().replace("endmodule\n", more))
        wrong = make(directory, "cocotb", f"RTL={design}", "PROFILES=always", "TIMEOUT=3")
        assert wrong.returncode != 0, what

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

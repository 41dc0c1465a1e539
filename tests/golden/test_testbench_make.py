"""`make` in the folder of a bench, as its README says, with real exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_benches import fault, fifo_set, make
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
    assert [profile in right.stdout for profile in PROFILES] == [True] * 5
    assert right.stdout.count("PASS: 3 frames, 36 beats") == 5
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
    assert deaf.stdout.count("PASS: 3 frames") == 1  # always


@needs_icarus
def test_make_fails_when_the_design_ends_the_simulation(tmp_path: Path) -> None:
    directory, _ = fifo_set(tmp_path)
    assert make(directory, "icarus", f"ARGS=+fault={fault('LEAVES')}").returncode != 0
    unnamed = make(directory, "icarus", "RTL=")
    assert unnamed.returncode != 0
    assert 'give the design: make icarus RTL="a.sv b.sv"' in unnamed.stderr

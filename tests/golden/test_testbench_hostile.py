"""Designs that are right but for one thing, of the kinds that people make: the bench shows each in some profile."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hostile_designs import HOSTILE, hostile_set
from rtl.simulate import PROFILES, bench
from tools import needs_cocotb, needs_icarus, needs_verilator

CONV = {
    **dict.fromkeys((1, 2, 3, 4, 5, 6, 27), "always"),  # one register is not reset
    7: "always",  # a beat that waits is kept over a reset
    8: "always",  # the first frame of all
    9: "always",  # the first frame after each reset
    14: "random",  # pads at the right border
    16: "always",  # tlast early in frame 3
    17: "always",  # and missing in frame 5
    18: "bursty",  # data change while they wait
    19: "bursty",  # tvalid waits for tready
    20: "random",  # tvalid falls when it is not taken
    21: "slow_sink",  # a beat is sent twice after a stall
    22: "always",  # X on a lane
    23: "always",  # Z
    28: "always",  # the second reset is ignored
    29: "always",  # a reset while a beat stands is ignored
    31: "random",  # data are taken without tvalid
    32: "slow_source",  # a long gap between two frames
    33: "slow_source",  # within one
    34: "slow_source",  # before the first
    35: "slow_sink",  # a long stall between two frames
    36: "slow_sink",  # within one
    37: "always",  # prints PASS, ends the simulation
    38: "always",  # $stop
    39: "always",  # prints the whole line
}
"""+fault=NUMBER of hostile/conv.sv -> a profile that shows it."""
ADD = {
    **dict.fromkeys((1, 2, 3, 5), "random"),  # one register is not reset
    4: "slow_source",  # an operand is lost that waits long for the other
    6: "slow_source",  # waits long between two frames
    7: "slow_source",  # the first waits long
    11: "slow_source",  # the second does
    8: "random",  # a carry in frame 2
    10: "slow_source",  # 300 cycles are long enough
}
GATE = {
    **dict.fromkeys((1, 2, 3, 4, 5, 6), "random"),  # pointers of frames and banks, and marks, that are not reset
    7: "random",  # a sum
    8: "random",  # a sum is not cleared while the output stalls
    9: "slow_sink",  # the selects of another frame after a stall
}
BANKS = {
    1: "slow",  # the last beats of a frame in and out are lost sight of when they come in one cycle
    2: "slow_sink",  # 300 cycles before the last beat are long enough
    3: "slow_sink",  # 600 before the last row
    4: "slow_source",  # 600 before the last row
    5: "slow_source",  # 300 before the last beat
    6: "random",  # the last beat of the first frame of all
    7: "slow",  # both sides wait long
    8: "slow",  # the output stalls just when the input comes back
    9: "slow",  # as 1, the other way
}
ALL = {"conv": CONV, "add": ADD, "gate": GATE, "banks": BANKS}
LONGEST = "+longest=700"
CASES = [pytest.param("icarus", name, marks=needs_icarus) for name in ALL]
CASES.append(pytest.param("verilator", "conv", marks=needs_verilator))
CASES += [
    pytest.param("verilator", name, marks=[needs_verilator, pytest.mark.slow]) for name in ("add", "gate", "banks")
]


@pytest.mark.parametrize(("simulator", "name"), CASES)
def test_hostile_designs(tmp_path: Path, simulator: str, name: str) -> None:
    directory = hostile_set(tmp_path, name)
    with bench(directory, [HOSTILE / f"{name}.sv"], simulator, watchdog=5000, repeat=1) as run:
        for profile in PROFILES:
            right = run(profile, 1, LONGEST)
            assert right.passed, right.output
        for fault, profile in ALL[name].items():
            if simulator == "verilator" and fault in (22, 23):
                continue  # two values
            wrong = run(profile, 1, f"+fault={fault}", LONGEST)
            assert wrong.compiled
            assert not wrong.passed, f"{fault}: {wrong.output}"


@needs_verilator
@pytest.mark.slow
def test_counters_of_frames(tmp_path: Path) -> None:
    """By default as many frames are sent as a counter of 16 bits needs, where that can be afforded."""
    directory = hostile_set(tmp_path, "conv")
    with bench(directory, [HOSTILE / "conv.sv"], "verilator", repeat=0, timeout=120) as run:
        right = run("always")
        assert right.passed
        assert re.search(r"PASS: 655\d\d frames \(past 65536\), 1638\d+ beats in \(past 65536\), ", right.output)
        assert [run("always", 1, f"+fault={fault}").passed for fault in (10, 11, 12, 13)] == [False] * 4


@needs_icarus
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("+skew=9", "+skew: '9' is no whole number from 0 to 8"),
        ("+skew=-1", "+skew: '-1' is no whole number from 0 to 8"),
        ("+skew=1.5", "+skew: '1.5' is no whole number from 0 to 8"),
        ("+repeat=0", "+repeat: '0' is no whole number from 1 to "),
        ("+resets=8", "+resets: '8' is no whole number from 0 to 7"),
        ("+longest=99999999999", "+longest: '99999999999' is no whole number from 1 to 2147483647"),
        ("+mismatches=x", "+mismatches: 'x' is no whole number from 0 to 2147483647"),
        ("+longest=", "+longest: '' is no whole number from 1 to 2147483647"),
    ],
)
def test_numbers_of_plusargs_are_checked(tmp_path: Path, argument: str, message: str) -> None:
    directory = hostile_set(tmp_path, "add")
    with bench(directory, [HOSTILE / "add.sv"], repeat=0 if "repeat" in argument else 2) as run:
        result = run("always", 1, argument)
    assert f"ERROR: {message}" in result.output
    assert "FAIL: nothing was sent to the design: options or files are wrong; profile" in result.output
    assert not result.passed


@needs_cocotb
def test_cocotb_fails_hostile_designs(tmp_path: Path) -> None:
    """A beat that is kept over a reset, and long gaps and stalls of every place."""
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    directory = hostile_set(tmp_path, "conv")
    runner = get_runner("icarus")
    sources = [directory / "bench" / "adapter.sv", HOSTILE / "conv.sv"]
    runner.build(sources=sources, hdl_toplevel="bench_adapter", build_dir=tmp_path / "build")

    def failures(fault: int, profile: str, *plusargs: str) -> int:
        results = tmp_path / f"{fault}.{profile}.xml"
        with suppress(SystemExit):  # how the runner says that a test failed
            runner.test(
                hdl_toplevel="bench_adapter",
                test_module="test_dut",
                build_dir=tmp_path / "build",
                test_dir=directory / "bench",
                plusargs=[f"+profile={profile}", f"+fault={fault}", LONGEST, "+repeat=1", "+watchdog=3000", *plusargs],
                extra_env={"COCOTB_RESOLVE_X": "zeros"},
                results_xml=str(results),
            )
        return int(get_results(results)[1])

    assert failures(0, "always") == 0
    for fault in (7, 32, 35):
        assert failures(fault, CONV[fault]) == 1, fault
    assert failures(0, "always", "+skew=9") == 1

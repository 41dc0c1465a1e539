"""The generated bench passes a right design and fails wrong ones and damaged files, in Icarus and in Verilator."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from golden_benches import FIFO, fault
from golden_sets import write_unchecked
from rtl.simulate import Run, bench
from tools import needs_icarus, needs_verilator

from intinfer.builder import GraphBuilder
from intinfer.ops import Clamp
from intinfer.types import IntType

SHAPE, TYPE, FOLD = (5, 2, 3), IntType(-8, 7), 3
IMAGES = np.random.default_rng(0).integers(-8, 8, (3, *SHAPE))
"""36 beats: two a pixel, of which the second has one unused lane. A beat has 16 bits, a word 12."""

PROFILES = ("always", "random", "bursty")
ONCE = ("+resets=0",)
FLIP = r"clip \(bn, act\) n=1 c=4 y=0 x=2: expected {0} \(0x.\), actual "
FAULTS: dict[str, tuple[tuple[str, ...], str]] = {
    "FLIP": (PROFILES, FLIP + r"-?\d \(0x.\); beat 17, cycle"),
    "UNKNOWN_VALUE": (PROFILES, FLIP + r"unknown \(0b...x\); beat 17, cycle"),
    "FLOATING_VALUE": (PROFILES, FLIP + r"unknown \(0b...z\); beat 17, cycle"),
    "LANES": (PROFILES, r"clip \(bn, act\) n=1 c=0 y=1 x=0: expected {1} .*\n.*n=1 c=2 y=1 x=0: expected {2} "),
    "PADDING": (PROFILES, r"tdata\[15:12\] must be 0, actual 0x04; beat 6, "),
    "UNKNOWN_PADDING": (PROFILES, r"tdata\[15:12\] must be 0, actual 0x0x; beat 6, "),
    "UNUSED_LANE": (PROFILES, r"lane 2 is unused and must be 0, actual 0x2; beat 7, "),
    "EARLY_LAST": (PROFILES, r"tlast is 1, only the last of a frame's 12 beats has it; .* beat 10 of frame n=0"),
    "LATE_LAST": (PROFILES, r"tlast is 0, .* beat 11 of frame n=0.*\n.*tlast is 1, .* beat 0 of frame n=1"),
    "NO_LAST": (PROFILES, r"tlast is 0, .* beat 11 of frame n=1"),
    "UNKNOWN_LAST": (PROFILES, r"tlast is x, .* beat 5 of frame n=0"),
    "EXTRA_BEAT": (PROFILES, r"extra beat 0x.... after all 36; cycle"),
    "LATE_FRAME": (PROFILES, r"extra beat 0x.... after all 36; cycle"),
    "MISSING_BEAT": (PROFILES, r"m0_axis: 35 of 36 beats came; .*\n.*watchdog: no beat for 50\d cycles"),
    "STUCK_READY": (PROFILES, r"s0_axis: 20 of 36 beats taken; tvalid 1, tready 0\n"),
    "EARLY_VALID": (PROFILES, r"m0_axis: tvalid is 1 during reset"),
    "UNKNOWN_VALID": (PROFILES, r"m0_axis: tvalid is x after reset; beat 0, "),
    "UNKNOWN_READY": (PROFILES, r"s0_axis: tready is x after reset; cycle"),
    "DROPPED_VALID": (("random", "bursty"), r"m0_axis: tvalid fell before tready; beat \d+, "),
    "CHANGED_DATA": (("random", "bursty"), r"m0_axis: tdata changed from 0x.... to 0x.... before tready; beat \d+, "),
    "CHANGED_LAST": (("random", "bursty"), r"m0_axis: tlast changed before tready; beat \d+, "),
    "WAITS_FOR_READY": (("bursty",), r"m0_axis: 0 of 36 beats came; tvalid 0, tready 0"),
    "IGNORES_FULL": (("random", "bursty"), r"m0_axis: clip .* expected"),
    "IGNORES_VALID": (("random", "bursty"), r"m0_axis: clip .* expected"),
    "LEAVES": (PROFILES, r""),
}
"""Fault -> the profiles that show it, and what the bench then prints."""

SIMULATORS = [pytest.param("icarus", marks=needs_icarus), pytest.param("verilator", marks=needs_verilator)]


@pytest.fixture(scope="module", params=SIMULATORS)
def simulator(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an identity, so that outputs are inputs."""
    builder = GraphBuilder()
    x = builder.input("x", SHAPE, TYPE)
    builder.output("y", builder.add(Clamp(TYPE.lo, TYPE.hi), x, name="clip", source=("bn", "act")))
    directory = tmp_path_factory.mktemp("vectors") / "set"
    return write_unchecked(builder.finish(), IMAGES, directory, formats=("memh",), fold=FOLD)


@pytest.fixture(scope="module")
def run(simulator: str, vectors: Path) -> Iterator[Run]:
    """The design in the bench, compiled once."""
    with bench(vectors, [FIFO], simulator, watchdog=500, repeat=1) as compiled:
        yield compiled


def expected_text(name: str) -> str:
    values = IMAGES[1, 4, 0, 2], IMAGES[1, 0, 1, 0], IMAGES[1, 2, 1, 0]
    return re.sub(r"\{(\d)\}", lambda number: str(values[int(number[1])]), FAULTS[name][1])


def test_a_right_design_passes_in_the_same_cycles_everywhere(run: Run) -> None:
    cycles = {"always": 38, "random": 105, "bursty": 416}
    for profile, count in cycles.items():
        result = run(profile, 1, *ONCE)
        assert result.passed, result.output
        counts = "3 frames (not past 65536), 36 beats in (not past 65536), 36 beats out (not past 65536)"
        assert f"PASS: {counts}, {count} cycles; profile {profile}, seed 1\n" in result.output
    assert run("random", 2).passed
    assert run("random", 2).output != run("random", 1).output


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_design_fails(run: Run, simulator: str, name: str) -> None:
    if simulator == "verilator" and re.search("UNKNOWN|FLOATING", name):
        pytest.skip("Verilator has two values")
    shown_in, text = FAULTS[name][0], expected_text(name)
    for profile in PROFILES:
        result = run(profile, 1, f"+fault={fault(name)}", *ONCE)
        assert result.compiled
        assert result.passed == (profile not in shown_in), f"{profile}: {result.output}"
        if profile in shown_in and name != "LEAVES":
            assert result.returncode not in (0, 124)
            assert re.search(r"^FAIL: \d+ errors; profile", result.output, re.MULTILINE)
            assert re.search(text, result.output), f"{profile}: {result.output}"


def test_all_errors_are_counted_and_some_are_printed(run: Run) -> None:
    result = run("always", 1, f"+fault={fault('NO_LAST')}", "+mismatches=1", *ONCE)
    assert result.output.count("ERROR: ") == 1
    assert "FAIL: 2 errors" in result.output


def test_an_unknown_profile_is_an_error(run: Run) -> None:
    result = run("allways")
    assert result.returncode != 0
    assert (
        "+profile: allways is unknown; give always, random, bursty, mixed, slow_sink, slow_source, slow"
        in result.output
    )
    assert "FAIL: nothing was sent to the design: options or files are wrong; profile allways" in result.output


def cut(text: str) -> str:
    return text[: text.rindex("\n", 0, -1) + 1]


DAMAGES: dict[str, tuple[Callable[[str], str] | None, str]] = {
    "cut after a line": (cut, r"holds 35 words, manifest.json says 36; make the vectors again"),
    "cut in a line": (lambda text: text[:-2], r"line 41 is no word of 12 bits; make the vectors again"),
    "too long": (lambda text: text + "000\n", r"holds 37 words, manifest.json says 36"),
    "empty": (lambda text: "", r"holds 0 words, manifest.json says 36"),
    "unknown digit": (lambda text: text[:-2] + "x\n", r"line 41 is no word of 12 bits"),
    "long word": (lambda text: text[:-1] + "0\n", r"line 41 is no word of 12 bits"),
    "address": (lambda text: cut(text) + "@00\n", r"line 41 is no word of 12 bits"),
    "missing": (None, r"cannot be opened; run the simulator in the folder that holds manifest.json"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["x", "clip"])
def test_a_damaged_file_is_an_error(run: Run, vectors: Path, name: str, damage: str) -> None:
    """Also one that $readmemh takes without a word: it would leave words unknown, or cut them."""
    file = vectors / "values" / f"{name}.memh"
    change, text = DAMAGES[damage]
    kept = file.read_bytes()
    try:
        if change is None:
            file.unlink()
        else:
            file.write_text(change(kept.decode("ascii")))
        result = run()
    finally:
        file.write_bytes(kept)
    assert result.returncode != 0
    assert not result.passed
    assert re.search(rf"^ERROR: values/{name}.memh: {text}", result.output, re.MULTILINE), result.output

"""The generated cocotb test passes right designs and fails wrong ones."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from golden_benches import FIFO, fault, fifo_set, gated, make
from tools import needs_cocotb

ONCE = ("+resets=0", "+repeat=1")


@needs_cocotb
def test_cocotb_fails_wrong_designs(tmp_path: Path) -> None:
    """Each fault in the profile that shows it, one build for all."""
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    directory, _ = fifo_set(tmp_path)
    runner = get_runner("icarus")
    runner.build(
        sources=[directory / "bench" / "adapter.sv", FIFO], hdl_toplevel="bench_adapter", build_dir=tmp_path / "build"
    )

    def printed(name: str, profile: str) -> str:
        log = tmp_path / f"{name}.log"
        results = tmp_path / f"{name}.xml"
        with suppress(SystemExit):  # how the runner says that a test failed
            runner.test(
                hdl_toplevel="bench_adapter",
                test_module="test_dut",
                build_dir=tmp_path / "build",
                test_dir=directory / "bench",
                plusargs=[f"+profile={profile}", "+watchdog=500", *ONCE, f"+fault={fault(name)}"],
                extra_env={"COCOTB_RESOLVE_X": "zeros"},
                results_xml=str(results),
                log_file=log,
            )
        text = log.read_text()
        assert get_results(results) == (1, 0 if name == "NONE" else 1), text
        return text

    assert "PASS: 3 frames (not past 65536), 36 beats in, 36 beats out" in printed("NONE", "bursty")
    assert "actual unknown (0b" in printed("UNKNOWN_VALUE", "always")
    assert "the upper 4 bits of tdata must be 0" in printed("PADDING", "always")
    assert "lane 2 is unused and must be 0, actual 0b0010" in printed("UNUSED_LANE", "always")
    assert "tlast is 0 on beat 11 of frame n=0" in printed("LATE_LAST", "always")
    assert "after all 36" in printed("EXTRA_BEAT", "always")
    assert "after all 36" in printed("LATE_FRAME", "random")
    assert "35 of 36 beats came" in printed("MISSING_BEAT", "always")
    assert "tvalid fell before tready" in printed("DROPPED_VALID", "random")
    assert "before tready" in printed("CHANGED_DATA", "bursty")
    assert "expected" in printed("IGNORES_VALID", "random")
    assert "0 of 36 beats came; tvalid 0" in printed("WAITS_FOR_READY", "bursty")
    assert "tvalid is X after reset" in printed("UNKNOWN_VALID", "always")
    assert "20 beats taken; tready 0" in printed("STUCK_READY", "always")


@needs_cocotb
def test_cocotb_ignores_channels_that_are_not_demanded_and_damaged_files_fail(tmp_path: Path) -> None:
    directory, _ = gated(tmp_path)
    design = f"RTL={tmp_path / 'dut.sv'}"
    right = make(directory, "cocotb", design, "PROFILES=bursty")
    assert right.returncode == 0, right.stdout
    assert "MASK" not in right.stdout
    wrong = make(directory, "cocotb", design, "PROFILES=random", "ARGS=+beat=2 +bit=8 +resets=0", "REPEAT=1")
    assert wrong.returncode != 0
    assert "m0_axis: dw n=0 c=2 y=1 x=0: expected" in wrong.stdout
    (directory / "demand" / "dw.memh").write_text("5\n0\n7\n")
    assert (
        "demand/dw.memh was changed; make the vectors again"
        in make(directory, "cocotb", design, "PROFILES=always").stdout
    )

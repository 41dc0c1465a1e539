"""`intinfer mutants` as people call it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import own_designs
import pytest
from tools import needs_icarus

from intinfer.cli import main

pytestmark = needs_icarus


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command line for the average pool."""
    design = own_designs.pool(tmp_path_factory.mktemp("own"))
    return ["mutants", str(design.directory), "--rtl", str(own_designs.POOL[0]), "--dut", "pool_top"]


def test_the_table_and_exit_code_0_when_all_are_killed(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = tmp_path / "outcomes"
    given = [*command, "--operator", "arithmetic", "--sample", "2", "--jobs", "2", "--resume", str(outcomes)]
    assert main(given) == 0
    first = capsys.readouterr().out
    assert first.splitlines()[0].split() == ["file", "mutants", "stillborn", "killed", "survived", "score"]
    assert "every wrong design is failed by the bench" in first
    assert len(outcomes.read_text().splitlines()) == 2
    assert main([*given, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["killed"] == 2
    assert len(outcomes.read_text().splitlines()) == 2


def test_the_list(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("pool.v:" in line for line in lines) > 50
    assert "m0_axis: after a stall of 260 cycles: a beat is lost" in lines
    assert main([*command, "--list", "--json", "--sample", "7", "--seed", "3"]) == 0
    assert len(json.loads(capsys.readouterr().out)["mutants"]) == 7


def test_a_bench_that_passes_a_wrong_design_gives_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bits above the word are not read: one more of them is no difference that a bench can see."""
    design = own_designs.pool(tmp_path)
    source = own_designs.POOL[0].read_text()
    head, body = source.split("sum[{upper, 1'b0}] + s0_axis_tdata[2:0];")
    (tmp_path / "top.v").write_text(f"{head}sum[{{upper, 1'b0}}] + (s0_axis_tdata[2:0] | 0);{body}")
    given = ["mutants", str(design.directory), "--rtl", str(tmp_path / "top.v"), "--dut", "pool_top", "--json"]
    assert main([*given, "--include", str(own_designs.OWN), "--operator", "logic"]) == 1
    document = json.loads(capsys.readouterr().out)
    survived = [entry for entry in document["mutants"] if entry["verdict"] == "survived"]
    assert [entry["mutant"].rpartition("/")[2].split(":")[0:1] for entry in survived] == [["top.v"]]
    assert "| -> ^" in survived[0]["mutant"]
    assert survived[0]["line"] == source[: len(head)].count("\n") + 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--rtl", "nothing.v"], "nothing.v: is no file"),
        (["--rtl", str(own_designs.POOL[0]), str(own_designs.POOL[0])], "is given twice"),
        (["--operator", "miracle"], "no mutant is of it; there are "),
        (["--include", "nowhere"], "nowhere: is no folder"),
        (["--dut", "other", "--operator", "arithmetic"], "does not compile in icarus"),
        (["--dut", "a b"], "is no name of a module"),
        (["--define", "a b"], "is no macro"),
    ],
)
def test_bad_input_is_one_line(
    change: list[str], message: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, *change]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_folder_that_is_no_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", str(tmp_path), "--rtl", str(own_designs.POOL[0])]) == 2
    assert "has no manifest.json" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_the_end_of_a_campaign_ends_its_simulations(
    number: signal.Signals, code: int, command: list[str], tmp_path: Path
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-m", "intinfer", *command, "--jobs", "2"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job of a shell ignores it
    ) as process:
        end = time.monotonic() + 60
        while not list(tmp_path.glob("intinfer-bench-*/tb.vvp")) and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(30) == code
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []
    end = time.monotonic() + 10
    while (left := _running(str(tmp_path))) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left


def _running(text: str) -> str:
    """Processes with a text in their command line."""
    return subprocess.run(["pgrep", "-fa", text], capture_output=True, text=True, check=False).stdout

"""Wrong designs of people's own RTL in the benches that a set has: each kind that a bench could miss is failed."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import own_designs
import pytest
from tools import needs_icarus, needs_verilator

from intinfer.errors import DataError
from intinfer_golden.mutants import Design, Journal, Outcome, StoppedError, campaign, checked, wrong_designs
from intinfer_golden.mutants.campaign import RUNS, try_wrong
from intinfer_golden.mutants.own import chosen
from intinfer_golden.mutants.processes import TIMEOUT, Processes
from intinfer_golden.mutants.report import document, survivors, table
from intinfer_golden.mutants.simulate import bench
from intinfer_golden.mutants.wrappers import saboteurs
from intinfer_golden.testbench import ports

pytestmark = needs_icarus
QUICK = RUNS[:1]
"""One short run."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def pool(folder: Path) -> Design:
    return checked(own_designs.pool(folder))


@pytest.fixture(scope="module")
def mux(folder: Path) -> Design:
    return checked(replace(own_designs.mux(folder), runs=RUNS[:3]))


def outcome(design: Design, start: str) -> Outcome:
    """Of the wrong design whose text begins so, its file without folder."""
    (wrong,) = (one for one in wrong_designs(design) if str(one).rpartition("/")[2].startswith(start))
    return try_wrong(wrong, [design])


POOL = {
    "sums not reset": "pool.v:50: not reset: for (i = 0",
    "sum starts at 37": "pool.v:50: reset value: 0 -> 37",
    "reset ignored, registers initialised": "pool.v:47: reset ignored",
    "one register not reset": "pool.v:48: not reset: state",
    "another register not reset": "pool.v:49: not reset: upper",
    "second reset ignored": "reset: second reset: ignored",
    "a word is kept over a reset": "m0_axis: second reset: a beat is kept",
    "words are counted on over a reset": "m0_axis: second reset: beats are counted on",
    "select stuck at 0 in frame 0": "m0_axis: first frame: all is zero",
    "channels reversed until the first TLAST": "s0_axis: first frame: lanes in reverse",
    "wrong from frame 1,040 on": "m0_axis: from frame 1040 on: a bit is inverted",
    "a counter of 16 bits": "s0_axis: from beat 65536 on: all is zero",
    "a beat dropped after a stall": "m0_axis: after a stall of 260 cycles: a beat is lost",
    "a beat dropped after a very long stall": "m0_axis: after a stall of 65600 cycles: a beat is lost",
    "a beat dropped after a gap": "s0_axis: after a gap of 260 cycles: a beat is lost",
}


@pytest.mark.parametrize("name", POOL)
def test_kinds_that_benches_miss_are_killed(name: str, pool: Design) -> None:
    assert outcome(pool, POOL[name]).verdict == "killed"


@pytest.mark.parametrize("start", ["s0_axis: first frame: all is zero", "s1_axis: first frame: lanes in reverse"])
def test_a_multiplexer_that_is_wrong_in_the_first_frame_is_killed(start: str, mux: Design) -> None:
    assert outcome(mux, start).verdict == "killed"


@needs_verilator
@pytest.mark.slow
def test_kinds_that_benches_miss_are_killed_in_verilator(folder: Path) -> None:
    runs = tuple(run for run in RUNS if run[0] in ("always", "slow_sink"))[:2]
    design = checked(replace(own_designs.pool(folder, "verilator"), runs=runs))
    assert outcome(design, POOL["a beat dropped after a very long stall"]).verdict == "killed"


def test_saboteurs_that_do_nothing_wrong_are_the_design(pool: Design, tmp_path: Path) -> None:
    """With `sick` never high every body of a saboteur lets the streams through: the bench passes it."""
    adapter = (pool.directory / "bench" / "adapter.sv").read_text()
    (source,) = (path for _, path in pool.sources)
    tried = 0
    for saboteur in saboteurs(ports(pool.directory)):
        harmless = saboteur.apply(adapter).replace("assign sick = ", "assign sick = 1'b0 && ")
        if saboteur.operator == "second reset":
            continue
        (tmp_path / "adapter.sv").write_text(harmless)
        if tried % 6 == 0:
            with bench(
                pool.directory, [source], dut=pool.dut, includes=[own_designs.OWN], adapter=tmp_path / "adapter.sv"
            ) as run:
                result = run()
            assert result.passed, f"{saboteur}\n{result.output}"
        tried += 1
    assert tried > 15


def test_a_design_that_says_pass_and_ends_the_simulation_does_not_pass(pool: Design, tmp_path: Path) -> None:
    """PASS is the bench's own word."""
    text = (
        own_designs.POOL[0]
        .read_text()
        .replace("\tlocalparam TAKE", '\tinitial #99 begin $display("PASS: 9"); $finish; end\n\tlocalparam TAKE')
    )
    (tmp_path / "pool.v").write_text(text)
    with bench(pool.directory, [tmp_path / "pool.v"], dut=pool.dut, includes=[own_designs.OWN]) as run:
        result = run()
    assert "PASS: 9" in result.output
    assert (result.compiled, result.passed) == (True, False)
    liar = replace(pool, sources=(("pool.v", tmp_path / "pool.v"),), includes=(own_designs.OWN,))
    with pytest.raises(DataError, match="does not pass its own bench"):
        checked(liar)


def test_a_design_that_does_not_compile_is_refused_with_the_log(pool: Design, tmp_path: Path) -> None:
    (tmp_path / "pool.v").write_text("module pool_top (input clk; endmodule")
    with pytest.raises(DataError, match=r"does not compile in icarus: .*pool\.v:1: .*error"):
        checked(replace(pool, sources=(("pool.v", tmp_path / "pool.v"),)))


def test_a_loop_without_end_is_ended_and_counts_as_killed(pool: Design, tmp_path: Path) -> None:
    text = (
        own_designs.POOL[0]
        .read_text()
        .replace(
            "\tlocalparam TAKE",
            "\tinteger k;\n\talways @(posedge clk) begin k = 0; while (k < 9) k = k + 1; end\n\tlocalparam TAKE",
        )
    )
    (tmp_path / "pool.v").write_text(text)
    design = replace(pool, sources=(("pool.v", tmp_path / "pool.v"),), includes=(own_designs.OWN,), runs=QUICK)
    design = replace(checked(replace(design, said=())), seconds=(0.1,) * len(design.runs))
    (endless,) = (
        m for m in wrong_designs(design) if m.key.startswith("pool.v") and "k = k + 1" in m.key and "+ -> -" in m.key
    )
    begun = time.monotonic()
    assert try_wrong(endless, [design]).verdict == "killed"
    assert time.monotonic() - begun < 15


def test_a_campaign_is_in_order_and_goes_on_where_it_was(pool: Design, tmp_path: Path) -> None:
    design = replace(pool, runs=QUICK, said=pool.said[:1])
    other = replace(design, name="other")
    wrong = chosen(wrong_designs(design), ["relational", "negation"])
    path = tmp_path / "outcomes"
    journal = Journal(path, [design, other])
    first = list(campaign(wrong, lambda one: [design], 2, journal.known, journal.add))
    assert [one.wrong for one in first] == wrong
    assert {one.verdict for one in first} == {"killed"}
    lines = path.read_text().splitlines()
    assert len(lines) == len(wrong)
    path.write_text("\n".join([*lines[:-1], lines[-1][:20]]))  # killed while it wrote
    again, tried = Journal(path, [other, design]), []  # in the order of their speed, which is another each time

    def done(outcome: Outcome) -> None:
        tried.append(outcome.wrong)
        again.add(outcome)

    second = list(campaign(wrong, lambda one: [design], 2, again.known, done))
    assert [(one.wrong, one.verdict) for one in second] == [(one.wrong, one.verdict) for one in first]
    assert len(tried) == 1
    assert sorted(path.read_text().splitlines()) == sorted(lines)
    other = Journal(path, [replace(design, defines=("X",))])
    assert all(other.known(one) is None for one in wrong)


def test_a_file_that_is_no_journal_is_refused(pool: Design, tmp_path: Path) -> None:
    path = tmp_path / "x"
    for text in ("hello\n", '{"format": "intinfer-mutants"}\n', "[" * 99999 + "\n", "1\n"):
        path.write_text(text)
        with pytest.raises(DataError, match="line 1 is no outcome"):
            Journal(path, [pool])
        assert path.read_text() == text


def test_the_table_counts_and_names_what_survived(pool: Design) -> None:
    one, two, three = wrong_designs(pool)[:3]
    outcomes = [Outcome(one, "killed", "a run"), Outcome(two, "survived"), Outcome(three, "stillborn")]
    assert table(outcomes)[1].split()[1:] == ["3", "1", "1", "1", "50.0", "%"]
    assert table(outcomes, {two.key: "proven"})[1].split()[1:] == ["3", "1", "1", "1", "0", "100.0", "%"]
    assert survivors(outcomes) == [outcomes[1]]
    assert survivors(outcomes, {two.key: "proven"}) == []
    written = document(outcomes)
    assert (written["stillborn"], written["killed"], written["survived"]) == (1, 1, 1)
    assert [entry["verdict"] for entry in written["mutants"]] == ["killed", "survived", "stillborn"]


def test_processes_end_with_their_groups() -> None:
    processes = Processes()
    ended = processes.run(["sh", "-c", "echo begun; sleep 60 & sleep 60"], Path("/"), 0.5, Path("/tmp"))
    assert ended.returncode == TIMEOUT
    assert ended.output.startswith("begun\n")
    flood = processes.run([sys.executable, "-c", "while True: print('x' * 9999)"], Path("/"), 60, Path("/tmp"))
    assert flood.returncode == TIMEOUT
    assert len(flood.output) < 1 << 22
    processes.stop()
    with pytest.raises(StoppedError):
        processes.run(["true"], Path("/"), 1, Path("/tmp"))


def test_a_campaign_that_is_left_leaves_nothing_behind(
    pool: Design, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    wrong = chosen(wrong_designs(pool), ["relational"])
    found = campaign(wrong, lambda one: [pool], 2)
    next(found)
    found.close()
    assert list(tmp_path.iterdir()) == []
    running = subprocess.run(["pgrep", "-fa", str(tmp_path)], capture_output=True, text=True, check=False)
    assert running.stdout == ""

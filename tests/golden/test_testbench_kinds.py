"""What a bench must see that a plain pass of the set does not show: resets, repetitions, stalls, skew, other ports,
and a design that speaks for itself."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from golden_benches import identity, make
from golden_sets import write_unchecked
from rtl.simulate import PROFILES, bench
from tools import needs_cocotb, needs_icarus, needs_verilator

from intinfer.builder import GraphBuilder
from intinfer.model import Model
from intinfer.types import IntType
from intinfer_golden import write_vectors
from intinfer_golden.make.frames import Stimulus
from intinfer_golden.make.stimulus.direct import directed
from intinfer_golden.testbench import Interface, write_bench

SLICE = """`timescale 1ns / 1ps
module dut (
    input logic {clock},
    input logic {reset},
    input logic [7:0] s0_axis_tdata,
    input logic s0_axis_tvalid,
    output logic s0_axis_tready,
{more}
    output logic [7:0] m0_axis_tdata,
    output logic m0_axis_tvalid,
    input logic m0_axis_tready
);
  logic late_clock;
  assign {delay} late_clock = {clock};
  logic [7:0] data;
  logic full, last, first;
  int count, stalled;  // beats since it was reset, if `count` is; cycles that the beat in it has waited
  initial count = 0;
  assign s0_axis_tready = !full || m0_axis_tready;
  assign m0_axis_tvalid = full;
  assign m0_axis_tdata = {output};
{assigns}
  always @({events}) begin
    if ({resets}) begin
      full <= 0;
{cleared}
    end else begin
      stalled <= full && !m0_axis_tready ? stalled + 1 : 0;
      if (full && m0_axis_tready) count <= count + 1;
      if (s0_axis_tready) begin
        full <= s0_axis_tvalid{lost};
        data <= s0_axis_tdata;
        last <= {last};
        first <= {first};
      end
    end
  end
endmodule
"""
WRONG = {
    "nothing": ("", "always slow_sink slow_source"),
    "a register that is not reset": ("always", "always"),
    "after 1,040 frames": ("always", "always"),
    "a counter of 16 bits": ("always", "always"),
    "after 260 stalled cycles": ("slow_sink", "always slow_sink"),
    "a beat lost after 65,535 stalled cycles": ("slow_sink", "random slow_sink"),
    "ends the simulation": ("always", "always"),
}
"""+fault=NUMBER, in this order -> the profiles that must fail, and those that are tried."""
FAULTY = {
    "output": "fault == 1 && count == 3 || fault == 2 && count >= 1040 * 36 || fault == 3 && count >= 65536 || "
    "fault == 4 && stalled == 260 ? data ^ 8'h1 : data",
    "cleared": "if (fault != 1) count <= 0; stalled <= 0;",
    "lost": " && !(fault == 5 && stalled >= 65535)",
    "assigns": """
  int fault;
  initial if ($value$plusargs("fault=%d", fault) == 0) fault = 0;
  always @(posedge clk)
    if (fault == 6 && count == 20) begin
      $display("PASS: x");
      $finish;
    end
""",
}


def design(interface: Interface | None = None, delay: int = 0, **changes: str) -> str:
    """A register between two streams. A wrong one that depends on `count` is right until the count is reached."""
    ports = interface or Interface()
    edge = "posedge" if ports.active_high else "negedge"
    level = ports.reset if ports.active_high else f"!{ports.reset}"
    more, assigns = [], []
    for name, there, value in (
        ("tlast", ports.has_tlast("out"), "last"),
        ("tuser", ports.tuser, "first"),
        ("tkeep", ports.tkeep, "1'b1"),
    ):
        if ports.has_tlast("in") if name == "tlast" else there:
            more.append(f"    input logic s0_axis_{name},")
        if there:
            more.append(f"    output logic m0_axis_{name},")
            assigns.append(f"  assign m0_axis_{name} = {value};")
    parts = {
        "clock": ports.clock,
        "reset": ports.reset,
        "more": "\n".join(more),
        "delay": f"#({delay})" if delay else "",
        "output": "data",
        "assigns": "\n".join(assigns),
        "events": "posedge late_clock" + (f" or {edge} {ports.reset}" if ports.asynchronous else ""),
        "resets": level,
        "cleared": "count <= 0; stalled <= 0;",
        "lost": "",
        "last": "s0_axis_tlast" if ports.has_tlast("in") else "1'b0",
        "first": "s0_axis_tuser" if ports.tuser else "1'b0",
    }
    parts |= {name: parts[name] + "\n" + text if name == "assigns" else text for name, text in changes.items()}
    return SLICE.format(**parts)


def vectors(folder: Path) -> Path:
    """36 beats a frame, one element of 8 bits a beat."""
    images = np.random.default_rng(1).integers(0, 256, (2, 3, 3, 4))
    return write_unchecked(identity((3, 3, 4), IntType(0, 255)), images, folder / "set", formats=("memh",))


def outcome(directory: Path, name: str) -> ElementTree.Element:
    return ElementTree.parse(directory / "bench" / "build" / "results" / f"{name}.xml").getroot()


def simulated(directory: Path, text: str, target: str, *variables: str) -> tuple[bool, str]:
    """Whether `make` is content, and what it printed."""
    file = directory.parent / "design.sv"
    file.write_text(text)
    done = make(directory, target, f"RTL={file}", "VERILATOR_FLAGS=-CFLAGS -O0", *variables)
    return done.returncode == 0, done.stdout + done.stderr


SIMULATORS = [pytest.param("icarus", marks=needs_icarus), pytest.param("verilator", marks=needs_verilator)]


LONG = [SIMULATORS[0], pytest.param("verilator", marks=[needs_verilator, pytest.mark.slow])]


@pytest.mark.parametrize("simulator", LONG)
def test_kinds_of_wrong_designs(tmp_path: Path, simulator: str) -> None:
    """Compiled once; what a plain pass of the set does not show."""
    file = tmp_path / "design.sv"
    file.write_text(design(**FAULTY))
    with bench(vectors(tmp_path), [file], simulator, repeat=0, watchdog=5000) as run:
        for number, (name, (failing, tried)) in enumerate(WRONG.items()):
            for profile in tried.split():
                result = run(profile, 1, f"+fault={number}")
                assert result.passed == (profile not in failing.split()), f"{name}, {profile}: {result.output[-2000:]}"


GAP = {
    "assigns": """
  int fault, gap;
  logic between, poor;  // the next beat is the first of a frame; it came 256 cycles late
  initial if ($value$plusargs("fault=%d", fault) == 0) fault = 0;
  always @(posedge clk)
    if (!rst_n) begin
      between <= 1;
      gap <= 0;
      poor <= 0;
    end else begin
      gap <= s0_axis_tvalid ? 0 : gap + 1;
      if (s0_axis_tvalid && s0_axis_tready) begin
        between <= s0_axis_tlast;
        poor <= between && gap >= 256;
      end
    end
""",
    "output": "fault == 1 && poor ? data ^ 8'h1 : data",
}


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_long_stalls_between_frames(tmp_path: Path, simulator: str) -> None:
    """Frames are so long that no stall is there by chance."""
    images = np.random.default_rng(1).integers(0, 256, (3, 8, 16, 16))
    directory = write_unchecked(identity((8, 16, 16), IntType(0, 255)), images, tmp_path / "set", formats=("memh",))
    file = tmp_path / "design.sv"
    file.write_text(design(**GAP))
    with bench(directory, [file], simulator) as run:
        assert run("slow_source", 1, "+fault=0", "+longest=300").passed
        assert not run("slow_source", 1, "+fault=1", "+longest=300").passed


ODD_FIRST = "data ^ {7'b0, count == 0 && data == 200}"
"""Wrong in the first beat after a reset, and only where that is the first of frame 3."""
ODD_THIRD = "data ^ {7'b0, count == 107 && data == 201}"
"""Wrong in the last beat of the third frame after a reset, unless that is frame 2, as in every pass of the set."""


def five_frames(folder: Path) -> Path:
    images = np.random.default_rng(1).integers(0, 100, (5, 3, 3, 4))
    images[3, 0, 0, 0] = 200
    images[[0, 1, 3, 4], -1, -1, -1] = 201
    return write_unchecked(identity((3, 3, 4), IntType(0, 255)), images, folder / "set", formats=("memh",))


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_every_frame_comes_first_after_a_reset(tmp_path: Path, simulator: str) -> None:
    file = tmp_path / "design.sv"
    wrong = f"fault == 1 ? {ODD_FIRST} : fault == 2 ? {ODD_THIRD} : data"
    file.write_text(design(output=wrong, assigns=FAULTY["assigns"]))
    with bench(five_frames(tmp_path), [file], simulator) as run:
        assert run("random", 1, "+fault=0").passed
        found = run("random", 1, "+fault=1")
        assert not found.passed
        assert "n=3 c=0 y=0 x=0: expected 200 (0xc8), actual 201 (0xc9)" in found.output
        for profile, *option in (
            ("slow_sink",),
            ("random", "+firsts=0"),
            ("random", "+firsts=3"),
            ("random", "+resets=0"),
        ):
            assert run(profile, 1, "+fault=1", "+longest=300", *option).passed
        assert not run("random", 1, "+fault=2").passed
        assert run("random", 1, "+fault=2", "+firsts=0").passed


@needs_cocotb
@needs_icarus
def test_every_frame_comes_first_after_a_reset_in_cocotb(tmp_path: Path) -> None:
    directory = five_frames(tmp_path)
    found, text = simulated(directory, design(output=ODD_FIRST), "cocotb", "PROFILES=random")
    assert not found
    assert "n=3 c=0 y=0 x=0: expected 200 (0xc8), actual 201 (0xc9)" in text
    for blind in ("PROFILES=bursty", "PROFILES=random ARGS=+firsts=3"):
        passed, text = simulated(directory, design(output=ODD_FIRST), "cocotb", *blind.split())
        assert passed, text


BYTES = """`timescale 1ns / 1ps
module dut (
    input logic clk, rst_n, s0_axis_tvalid, s0_axis_tlast, m0_axis_tready,
    input logic [7:0] s0_axis_tdata,
    output logic s0_axis_tready, m0_axis_tvalid, m0_axis_tlast,
    output logic [7:0] m0_axis_tdata
);
"""
"""The ports of a design of single bytes."""
SLOW_WORK = (
    BYTES
    + """\
  int fault, worked;
  initial if ($value$plusargs("fault=%d", fault) == 0) fault = 0;
  logic busy, full, kept;
  logic [8:0] word, out;
  initial kept = 0;
  assign s0_axis_tready = !busy;
  assign m0_axis_tvalid = full;
  assign {m0_axis_tlast, m0_axis_tdata} = out;
  always @(posedge clk) begin
    kept <= fault == 1 && (rst_n ? kept && !full : kept || (busy && full && worked == 30));
    if (!rst_n) begin
      busy <= 0;
      full <= 0;
      worked <= 0;
    end else begin
      if (m0_axis_tready) full <= 0;
      if (busy && worked < 30) worked <= worked + 1;
      else if (busy && (!full || m0_axis_tready)) begin
        out <= word ^ {8'b0, kept};
        full <= 1;
        busy <= 0;
      end
      if (!busy && s0_axis_tvalid) begin
        word <= {s0_axis_tlast, s0_axis_tdata};
        busy <= 1;
        worked <= 0;
      end
    end
  end
endmodule
"""
)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_reset_finds_a_design_that_is_backed_up(tmp_path: Path, simulator: str) -> None:
    """Work of 30 cycles is done and waits for the register behind it, which waits for the sink."""
    file = tmp_path / "design.sv"
    file.write_text(SLOW_WORK)
    with bench(vectors(tmp_path), [file], simulator) as run:
        assert run("always", 1, "+fault=0").passed
        assert not run("always", 1, "+fault=1").passed
        assert run("always", 1, "+fault=1", "+resets=0").passed


AVERAGE = (
    BYTES
    + """\
  int kept;
  logic [31:0] sums[0:3];  // Icarus Verilog 11 cannot read an array of int without a clock
  logic [1:0] channel;
  logic full;
  initial begin
    if ($value$plusargs("fault=%d", kept) == 0) kept = 0;
    for (int c = 0; c < 4; c++) sums[c] = 0;
  end
  assign s0_axis_tready = !full;
  assign m0_axis_tvalid = full;
  assign m0_axis_tlast = channel == 3;
  assign m0_axis_tdata = {7'b0, 2 * sums[channel] > 7 * 6};
  always @(posedge clk)
    if (!rst_n) begin
      full <= 0;
      channel <= 0;
      for (int c = 0; c < 4; c++) if (c != kept - 1) sums[c] <= 0;
    end else if (full ? m0_axis_tready : s0_axis_tvalid) begin
      channel <= channel + 1;
      sums[channel] <= full ? 0 : sums[channel] + 32'(s0_axis_tdata);
      if (full ? channel == 3 : s0_axis_tlast) full <= !full;
    end
endmodule
"""
)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_the_sum_of_each_channel_must_be_reset(tmp_path: Path, simulator: str) -> None:
    """What it keeps shows only in a frame in which the channel gives 0."""
    builder = GraphBuilder()
    builder.output("y", builder.tgap(builder.input("x", (4, 2, 3), (0, 7)), name="pool", top=7))
    stimulus = directed(builder.finish())
    directory = tmp_path / "set"
    images = Stimulus(stimulus.frames, stimulus.labels)
    write_vectors(Model(builder.finish()), images, directory, formats=("memh",))
    file = tmp_path / "design.sv"
    file.write_text(AVERAGE)
    with bench(directory, [file], simulator, repeat=1) as run:
        results = [run("random", 1, f"+fault={kept}") for kept in range(5)]
    assert [result.passed for result in results] == [True] + [False] * 4


@needs_icarus
def test_a_design_cannot_pass_itself(tmp_path: Path) -> None:
    directory = vectors(tmp_path)
    right, text = simulated(directory, design(**FAULTY), "icarus", "PROFILES=always", "ARGS=+fault=6")
    assert not right
    assert "PASS: x\n" in text
    assert "FAIL: the simulation ended without a verdict of the bench" in text
    (case,) = outcome(directory, "icarus.always").iter("testcase")
    assert (case.get("classname"), case.get("name")) == ("icarus", "always")
    assert outcome(directory, "icarus.always").get("failures") == "1"


@needs_icarus
def test_every_profile_runs_and_has_a_result_and_the_cause_is_one_command(tmp_path: Path) -> None:
    directory = vectors(tmp_path)
    right, text = simulated(
        directory, design(output="count == 40 ? ~data : data"), "icarus", "ARGS=+longest=300", "REPEAT=1"
    )
    assert not right
    results = sorted(path.name for path in (directory / "bench" / "build" / "results").glob("*.xml"))
    assert results == [f"icarus.{profile}.xml" for profile in sorted(PROFILES)]
    assert all(outcome(directory, f"icarus.{profile}").get("failures") == "1" for profile in PROFILES)
    assert re.search(r"frame n=1 'image 1'\n", text)
    assert (
        "to see the cause, in the folder of manifest.json: intinfer explain . --node clip0 --frame 1 --at 1,0,1\n"
        in text
    )
    failure = outcome(directory, "icarus.random").find(".//failure")
    assert failure is not None
    assert failure.text is not None
    assert "n=1 c=1 y=0 x=1: expected" in failure.text


@needs_icarus
def test_a_stream_can_have_a_profile_of_its_own(tmp_path: Path) -> None:
    directory = vectors(tmp_path)
    wrong = design(output="stalled == 260 ? ~data : data")
    options = ("PROFILES=always", "REPEAT=1")
    assert simulated(directory, wrong, "icarus", *options)[0]
    assert not simulated(directory, wrong, "icarus", *options, "ARGS=+profile.m0_axis=slow +longest=300 +resets=0")[0]
    assert simulated(directory, wrong, "icarus", *options, "ARGS=+profile.s0_axis=slow +longest=300 +resets=0")[0]


TARGETS = [pytest.param("icarus", marks=needs_icarus), pytest.param("cocotb", marks=needs_cocotb)]
INTERFACES = [
    Interface(clock="aclk", reset="rst", active_high=True),
    Interface(reset="aresetn", asynchronous=True),
    Interface(reset="rst", active_high=True, asynchronous=True, tlast="none"),
    Interface(tlast="out", tkeep=True, tuser=True),
    Interface(tlast="in"),
]


@pytest.mark.parametrize("target", TARGETS)
def test_other_ports(tmp_path: Path, target: str) -> None:
    directory = vectors(tmp_path)
    options = ("PROFILES=random", "REPEAT=1", "ARGS=+longest=300")
    for interface in INTERFACES if target == "icarus" else INTERFACES[2:4]:
        write_bench(directory, interface)
        last = {"last": "(count + 32'(full && m0_axis_tready)) % 36 == 35"} if interface.tlast == "out" else {}
        right, text = simulated(directory, design(interface, **last), target, *options)
        assert right, text
    write_bench(directory, Interface(tuser=True, tkeep=True))
    plain = Interface(tuser=True, tkeep=True)
    for change, message in (({"first": "1'b1"}, "tuser is 1"), ({}, "tkeep is not all ones")):
        wrong = design(plain, **change)
        wrong = wrong if change else wrong.replace("m0_axis_tkeep = 1'b1", "m0_axis_tkeep = !last")
        right, text = simulated(directory, wrong, target, *options)
        assert not right
        assert message in text


@needs_icarus
def test_a_reset_that_needs_a_clock_is_not_asynchronous(tmp_path: Path) -> None:
    directory = vectors(tmp_path)
    write_bench(directory, Interface(asynchronous=True))
    assert not simulated(directory, design(Interface()), "icarus", "PROFILES=always", "REPEAT=1")[0]


@pytest.mark.parametrize("target", [*TARGETS, pytest.param("verilator", marks=needs_verilator)])
def test_inputs_can_change_after_the_edge(tmp_path: Path, target: str) -> None:
    """A design whose clock comes late sees the next inputs otherwise."""
    directory = vectors(tmp_path)
    late = design(delay=2)
    options = ("REPEAT=1", "ARGS=+longest=300")
    right, text = simulated(directory, late, target, *options, "SKEW=3")
    assert right, text
    if target != "verilator":  # it has no delays smaller than those of the bench's own events
        assert not simulated(directory, late, target, *options, "PROFILES=random")[0]

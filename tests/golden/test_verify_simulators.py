"""Waveforms that simulators wrote: Icarus Verilog's and Verilator's, as VCD and as FST; damaged FST files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from dump_waves import WORDS, write_stream_set
from golden_benches import fifo_set, wires
from tools import module, needs_icarus, needs_verilator

from intinfer.errors import DataError
from intinfer_golden import verify
from intinfer_golden.verification.dumps.waveform import Stream
from intinfer_golden.verification.report import describe


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stream_set(tmp_path_factory.mktemp("sets") / "set")


DESIGN = """
module dut #(parameter W = 8) (input clk, input rst_n, input [W-1:0] s0_axis_tdata, input s0_axis_tvalid,
    output s0_axis_tready, output reg [W-1:0] m0_axis_tdata, output reg m0_axis_tvalid, input m0_axis_tready);
  assign s0_axis_tready = !m0_axis_tvalid || m0_axis_tready;
  always @(posedge clk)
    if (!rst_n) m0_axis_tvalid <= 0;
    else if (s0_axis_tready) begin
      m0_axis_tvalid <= s0_axis_tvalid;
      m0_axis_tdata <= s0_axis_tdata ^ WRONG;
    end
endmodule
module tb(input clk);
  reg [7:0] memory [0:COUNT-1];
  reg rst_n = 0, valid = 0, ready = 0;
  reg [15:0] lfsr = 16'h1234;
  integer next = 0, cycle = 0;
  wire [7:0] data; wire out_valid, in_ready;
  dut dut (.clk(clk), .rst_n(rst_n), .s0_axis_tdata(memory[next < COUNT ? next : 0]), .s0_axis_tvalid(valid),
           .s0_axis_tready(in_ready), .m0_axis_tdata(data), .m0_axis_tvalid(out_valid), .m0_axis_tready(ready));
  initial $readmemh("x.memh", memory);
  always @(posedge clk) begin
    cycle <= cycle + 1;
    lfsr <= {lfsr[14:0], lfsr[15] ^ lfsr[13] ^ lfsr[12] ^ lfsr[10]};
    rst_n <= cycle > 2 && !(cycle >= 20 && cycle < 23);
    ready <= lfsr[0] | lfsr[3];
    if (valid && in_ready && rst_n) next <= next + 1;
    valid <= rst_n && (next + ((valid && in_ready) ? 1 : 0) < COUNT) && ((valid && !in_ready) || lfsr[5]);
    if (cycle >= 19 && cycle < 24) begin next <= 0; valid <= 0; end
    if (cycle == 150) $finish;
  end
endmodule
"""
CLOCKED = """
module top;
  reg clk = 0;
  always #5 clk = ~clk;
  tb tb (.clk(clk));
  initial begin $dumpfile("sim.vcd"); $dumpvars; end
endmodule
"""
DRIVER = """
#include "Vtb.h"
#include "verilated.h"
#include "verilated_TRACE_c.h"
int main() {
  Verilated::traceEverOn(true);
  Vtb top; CLASS trace;
  top.trace(&trace, 99); trace.open("sim.SUFFIX");
  for (unsigned time = 0; time < 3100 && !Verilated::gotFinish(); time += 5) {
    top.clk = time / 5 % 2; top.eval(); trace.dump(time);
  }
  trace.close();
  return 0;
}
"""


def design(vectors: Path, folder: Path, wrong: bool) -> str:
    shutil.copy(vectors / "values" / "x.memh", folder)
    return DESIGN.replace("COUNT", str(len(WORDS))).replace("WRONG", "{7'b0, &s0_axis_tdata[1:0]}" if wrong else "8'b0")


def run_icarus(vectors: Path, folder: Path, wrong: bool, *options: str) -> Path:
    (folder / "tb.sv").write_text(design(vectors, folder, wrong) + CLOCKED)
    subprocess.run(
        ["iverilog", "-g2012", "-s", "top", "-o", "sim", "tb.sv"], cwd=folder, check=True, capture_output=True
    )
    subprocess.run(["vvp", "sim", *options], cwd=folder, check=True, capture_output=True)
    return folder / "sim.vcd"


def check_run(vectors: Path, path: Path, wrong: bool, prefix: str) -> None:
    (comparison,) = verify(vectors, [path], stream=Stream(prefix)).comparisons
    assert (comparison.node, comparison.equal, comparison.words) == ("y", not wrong, len(WORDS)), describe(comparison)
    assert "before the reset" in comparison.notes[0]


@needs_icarus
@pytest.mark.parametrize("wrong", [False, True])
def test_icarus(wrong: bool, vectors: Path, tmp_path: Path) -> None:
    path = run_icarus(vectors, tmp_path, wrong)
    for prefix in ("top.tb.dut.m0_axis", "dut.m0_axis", "m0_axis"):
        check_run(vectors, path, wrong, prefix)


@needs_icarus
@pytest.mark.parametrize("wrong", [False, True])
def test_fst_of_icarus(wrong: bool, vectors: Path, tmp_path: Path) -> None:
    module("pylibfst")
    path = run_icarus(vectors, tmp_path, wrong, "-fst").rename(tmp_path / "sim.fst")
    check_run(vectors, path, wrong, "tb.dut.m0_axis")
    check_run(vectors, path.rename(tmp_path / "waves"), wrong, "tb.dut.m0_axis")  # whatever its name


@needs_icarus
@pytest.mark.parametrize("fault", [None, 50])
def test_waves_of_the_generated_bench(fault: int | None, tmp_path: Path) -> None:
    """It resets the design in the middle of frames and repeats the set; both are told apart from a wrong word."""
    folder, images = fifo_set(tmp_path)
    (tmp_path / "dut.sv").write_text(wires(16))
    arguments = "+resets=3 +repeat=3 +longest=300" + (f" +beat={fault} +bit=2" if fault else "")
    wave = tmp_path / "waves.vcd"
    command = ["make", "-C", str(folder / "bench"), "icarus", f"RTL={tmp_path / 'dut.sv'}", "PROFILES=random"]
    done = subprocess.run([*command, f"VCD={wave}", f"ARGS={arguments}"], capture_output=True, check=False)
    assert (done.returncode == 0) == (fault is None), done.stdout
    (comparison,) = verify(folder, [wave], stream=Stream("tb.m0_axis")).comparisons
    assert (comparison.passes, comparison.compared) == (3, 3 * images.size)
    assert "before the reset (tb.rst_n)" in comparison.notes[0]
    assert (comparison.equal, comparison.differences) == (fault is None, 0 if fault is None else 1)
    if comparison.first is not None:
        assert (comparison.first.word, comparison.first.pass_, comparison.first.lane) == (fault, 2, 0)
    (given,) = verify(folder, [wave], stream=Stream("tb.s0_axis")).comparisons
    assert (given.equal, given.passes) == (True, 3)


@needs_verilator
@pytest.mark.parametrize("kind", ["vcd", pytest.param("fst", marks=pytest.mark.slow)])
def test_verilator(kind: str, vectors: Path, tmp_path: Path) -> None:
    if kind == "fst":
        module("pylibfst")
    (tmp_path / "tb.sv").write_text(design(vectors, tmp_path, kind == "fst"))
    driver = DRIVER.replace("TRACE", kind).replace("CLASS", f"Verilated{kind.capitalize()}C").replace("SUFFIX", kind)
    (tmp_path / "main.cpp").write_text(driver)
    flags = ["-Wno-fatal", "-O0", "--trace" if kind == "vcd" else "--trace-fst", "--top-module", "tb"]
    command = ["verilator", "--cc", "--exe", "--build", *flags, "tb.sv", "main.cpp"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["obj_dir/Vtb"], cwd=tmp_path, check=True, capture_output=True)
    for prefix in ("TOP.tb.dut.m0_axis", "tb.dut.m0_axis", "m0_axis"):
        check_run(vectors, tmp_path / f"sim.{kind}", kind == "fst", prefix)


# ----------------------------------------------------------------------------------------------------------------- FST


@needs_icarus
def test_damaged_fst_files_are_error_lines(vectors: Path, tmp_path: Path) -> None:
    module("pylibfst")
    data = run_icarus(vectors, tmp_path, False, "-fst").read_bytes()
    path, rng = tmp_path / "damaged.fst", np.random.default_rng(0)

    def outcome(content: bytes) -> str:
        path.write_bytes(content)
        try:
            (comparison,) = verify(vectors, [path], stream=Stream("dut.m0_axis")).comparisons
        except DataError as error:
            return str(error)
        return "equal" if comparison.equal else "different"

    assert outcome(data) == "equal"
    for cut in (0, 1, 8, 100, len(data) // 2, len(data) - 1):
        assert "is no whole FST file" in outcome(data[:cut]) or "is empty" in outcome(data[:cut])
    assert "is no whole FST file" in outcome(data + b"\0")
    assert "is no whole FST file" in outcome(b"$timescale 1ns $end\n")
    for _ in range(12):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), 4):
            changed[place] ^= 1 << int(rng.integers(8))
        assert outcome(bytes(changed)).startswith(("equal", "different", f"{path}: "))  # and no crash


LONG = """
module t;
  reg [31:0] count = 0;
  initial begin $dumpfile("long.fst"); $dumpvars; repeat (50000) #1 count = count + 12345; $finish; end
endmodule
"""


@needs_icarus
def test_no_child_is_left_behind(tmp_path: Path) -> None:
    """A parent that is killed takes the child that reads an FST file with it."""
    module("pylibfst")
    (tmp_path / "t.sv").write_text(LONG)
    subprocess.run(["iverilog", "-g2012", "-o", "sim", "t.sv"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["vvp", "sim", "-fst"], cwd=tmp_path, check=True, capture_output=True)
    path = tmp_path / "long.fst"
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom intinfer_golden.verification.dumps.fst import fst_blocks\n"
        "blocks = fst_blocks(Path(sys.argv[1]))\nnext(blocks)\nprint('read', flush=True)\ntime.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, env=environment)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"read\n"
    assert len(processes_with(path)) == 2  # the child waits for somebody to read on
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not processes_with(path):
            return
        time.sleep(0.1)
    raise AssertionError(f"left behind: {processes_with(path)}")


def processes_with(path: Path) -> list[str]:
    """Processes that have a path in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(path).encode() in entry.read_bytes():
                found.append(str(entry))
        except OSError:
            continue
    return found

"""Sets of vectors of identities, and designs for them, for the tests of benches; `make` as a user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from golden_sets import write_unchecked

from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.graph import Graph, Shape
from intinfer.ops import Clamp, Conv2d
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, IntType
from intinfer_golden.make.frames import Stimulus

FIFO = Path(__file__).parent / "golden" / "faulty_fifo.sv"
PORT = """    input logic [{beat_bits}-1:0] s{number}_axis_tdata,
    input logic s{number}_axis_tvalid,
    output logic s{number}_axis_tready,
    input logic s{number}_axis_tlast,
    output logic [{beat_bits}-1:0] m{number}_axis_tdata,
    output logic m{number}_axis_tvalid,
    input logic m{number}_axis_tready,
    output logic m{number}_axis_tlast"""
WIRES = """
  assign m{number}_axis_tvalid = s{number}_axis_tvalid && {condition};
  assign s{number}_axis_tready = m{number}_axis_tready && {condition};
  assign m{number}_axis_tlast = s{number}_axis_tlast;
"""
FLIP = """
  assign m{number}_axis_tdata = s{number}_axis_tdata ^ (count == beat ? {beat_bits}'(1) << place : '0);
  always @(posedge clk) begin
    if (!rst_n) count <= 0;
    else if (m{number}_axis_tvalid && m{number}_axis_tready) count <= count + 1;
  end
"""
HEAD = """
  int beat, place, count;
  initial begin
    if ($value$plusargs("beat=%d", beat) == 0) beat = -1;
    if ($value$plusargs("bit=%d", place) == 0) place = 0;
  end
"""


def wires(beat_bits: int) -> str:
    """A design without registers; +beat=NUMBER +bit=NUMBER flips a bit."""
    port = PORT.format(number=0, beat_bits=beat_bits)
    body = WIRES.format(number=0, condition="1'b1") + FLIP.format(number=0, beat_bits=beat_bits)
    return f"module dut (\n    input logic clk,\n    input logic rst_n,\n{port}\n);\n{HEAD}{body}endmodule\n"


def identity(shape: Shape, type_: IntType, count: int = 1) -> Graph:
    """Outputs are inputs."""
    builder = GraphBuilder()
    inputs = [builder.input(f"x{i}", shape, type_) for i in range(count)]
    for i, x in enumerate(inputs):
        builder.output(f"y{i}", builder.add(Clamp(type_.lo, type_.hi), x, name=f"clip{i}"))
    return builder.finish()


def fifo_set(folder: Path) -> tuple[Path, IntArray]:
    """What the FIFO is made for: 36 beats of 16 bits, a word of 12 bits with an unused lane in every second one."""
    images = np.random.default_rng(0).integers(-8, 8, (3, 5, 2, 3))
    graph = identity((5, 2, 3), IntType(-8, 7))
    return write_unchecked(graph, images, folder / "set", formats=("memh",), fold=3), images


def port_bits(directory: Path) -> int:
    manifest = json.loads((directory / "manifest.json").read_text())
    return int(manifest["tensors"][manifest["ports"][-1]["tensor"]]["beat_bits"])


def fault(name: str) -> int:
    """The number of a fault of the FIFO."""
    (line,) = (line for line in FIFO.read_text().splitlines() if f"localparam int {name} =" in line)
    return int(line.split("=")[1].strip(" ;"))


GATED = """module dut (
    input logic clk,
    input logic rst_n,
    input logic [7:0] d0_axis_tdata,
    input logic d0_axis_tvalid,
    output logic d0_axis_tready,
    input logic d0_axis_tlast,
{port}
);
{head}
  logic [2:0] mask;
  logic known;  // the mask of the frame that comes next
  assign d0_axis_tready = !known;
{wires}
  always_comb begin
    for (int c = 0; c < 3; c++) begin
      m0_axis_tdata[4*c+:4] = mask[c] ? s0_axis_tdata[4*c+:4] : 4'bx;
    end
    m0_axis_tdata[15:12] = 0;
    if (count == beat) m0_axis_tdata[place] = !s0_axis_tdata[place];
  end
  always @(posedge clk) begin
    if (!rst_n) begin
      known <= 0;
      count <= 0;
    end else begin
      if (s0_axis_tvalid && !known && !d0_axis_tvalid) $display("LATE MASK");
      if (d0_axis_tvalid && !d0_axis_tlast) $display("MASK WITHOUT TLAST");
      if (d0_axis_tvalid && d0_axis_tready) begin
        mask <= d0_axis_tdata[2:0];
        known <= 1;
      end else if (m0_axis_tvalid && m0_axis_tready && m0_axis_tlast) known <= 0;
      if (m0_axis_tvalid && m0_axis_tready) count <= count + 1;
    end
  end
endmodule
"""


def gated(folder: Path) -> tuple[Path, IntArray]:
    """A set of an identity with given masks, and a design that leaves channels unknown that are not demanded."""
    builder = GraphBuilder()
    x = builder.input("x", (3, 2, 2), IntType(-7, 7))
    weight = IntTensor(np.ones((3, 1, 1, 1), dtype=np.int64), "binary")
    op = Conv2d(weight, (1, 1), (0, 0, 0, 0), (0,), (1, 1), 3, Accumulator.prove(4))
    builder.output("y", builder.add(op, x, name="dw"))
    images = np.random.default_rng(2).integers(-7, 8, (4, 3, 2, 2))
    masks = {"dw": np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)}
    graph = builder.finish()
    directory = write_unchecked(graph, Stimulus(images, masks=masks), folder / "set", formats=("memh",), fold=3)
    design = GATED.format(
        port=PORT.format(number=0, beat_bits=16), head=HEAD, wires=WIRES.format(number=0, condition="known")
    )
    (folder / "dut.sv").write_text(design)
    return directory, images


MONITORED = """`timescale 1ns / 1ps
module inner (input logic clk, input logic rst_n,
    input logic [7:0] in_tdata, input logic in_tvalid, output logic in_tready,
    output logic [7:0] out_tdata, output logic out_tvalid, input logic out_tready);
  logic [7:0] count;
  bit wrong = 0;
  initial wrong = $test$plusargs("wrong") != 0;
  assign out_tdata = in_tdata + 8'(wrong && in_tdata == 150);
  assign out_tvalid = in_tvalid;
  assign in_tready = out_tready;
endmodule
module dut (input logic clk, input logic rst_n,
    input logic [7:0] s0_axis_tdata, input logic s0_axis_tvalid, output logic s0_axis_tready,
    output logic [7:0] m0_axis_tdata, output logic m0_axis_tvalid, input logic m0_axis_tready);
  logic [7:0] a_tdata;
  logic a_tvalid, a_tready;
  inner first (.clk, .rst_n, .in_tdata(s0_axis_tdata), .in_tvalid(s0_axis_tvalid), .in_tready(s0_axis_tready),
      .out_tdata(a_tdata), .out_tvalid(a_tvalid), .out_tready(a_tready));
  for (genvar i = 0; i < 2; i++) begin : rows  // the same module twice: only one of them carries the node
    logic [7:0] data, unused_tdata;
    logic unused_tvalid, unused_tready;
    assign data = i == 1 ? a_tdata : 8'd7;
    inner pass (.clk, .rst_n, .in_tdata(data), .in_tvalid(a_tvalid), .in_tready(unused_tready),
        .out_tdata(unused_tdata), .out_tvalid(unused_tvalid), .out_tready(m0_axis_tready));
  end
  assign m0_axis_tdata = a_tdata > 100 ? 8'd100 : a_tdata;
  assign m0_axis_tvalid = a_tvalid;
  assign a_tready = m0_axis_tready;
endmodule
"""
"""Two clamps, of which +wrong adds 1 to a value that the second hides."""
OWN_TOP = """`timescale 1ns / 1ps
module own;
  logic clk = 0, rst_n = 0, valid = 0;
  logic [7:0] words[0:35];
  logic [7:0] data = 0;
  int count;
  dut chip (.clk, .rst_n, .s0_axis_tdata(data), .s0_axis_tvalid(valid), .s0_axis_tready(), .m0_axis_tdata(),
      .m0_axis_tvalid(), .m0_axis_tready(1'b1));
  initial $readmemh("values/x.memh", words);
  always #5 clk = !clk;
  initial begin
    if ($value$plusargs("words=%d", count) == 0) count = 36;
    repeat (3) @(negedge clk);
    rst_n = 1;
    for (int i = 0; i < count; i++) begin
      data = words[i];
      valid = 1;
      @(negedge clk);
    end
    $finish;
  end
endmodule
"""
"""A bench of one's own for MONITORED, which sends +words=NUMBER of the set's 36."""


def make(directory: Path, target: str, *variables: str) -> subprocess.CompletedProcess[str]:
    """`make` as a user calls it, in the bench's folder."""
    command = ["make", target, f"RTL={os.path.relpath(FIFO, directory / 'bench')}", f"PYTHON={sys.executable}"]
    return subprocess.run([*command, *variables], cwd=directory / "bench", capture_output=True, text=True, check=False)

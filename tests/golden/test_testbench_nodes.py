"""A bench of named nodes compares inner streams, where a design brings them out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from golden_benches import make
from golden_sets import write_unchecked
from tools import needs_icarus

from intinfer import GraphBuilder

DESIGN = """module dut (
    input logic clk,
    input logic rst_n,
    input logic [7:0] s0_axis_tdata,
    input logic s0_axis_tvalid,
    output logic s0_axis_tready,
    input logic s0_axis_tlast,
    output logic [7:0] m0_axis_tdata,
    output logic m0_axis_tvalid,
    input logic m0_axis_tready,
    output logic m0_axis_tlast,
    output logic [7:0] m1_axis_tdata,
    output logic m1_axis_tvalid,
    input logic m1_axis_tready,
    output logic m1_axis_tlast
);
  // One register a stream; the second output is the node after the first, INNER is what stands between them.
  logic [7:0] first;
  assign first = s0_axis_tdata > 8'd5 ? 8'd5 : s0_axis_tdata;
  logic full0, full1;
  assign s0_axis_tready = (!full0 || m0_axis_tready) && (!full1 || m1_axis_tready);
  assign m0_axis_tvalid = full0;
  assign m1_axis_tvalid = full1;
  always @(posedge clk) begin
    if (!rst_n) begin
      full0 <= 0;
      full1 <= 0;
    end else begin
      if (m0_axis_tready) full0 <= 0;
      if (m1_axis_tready) full1 <= 0;
      if (s0_axis_tvalid && s0_axis_tready) begin
        full0 <= 1;
        full1 <= 1;
        m0_axis_tdata <= first INNER;
        m1_axis_tdata <= first < 8'd2 ? 8'd2 : first;
        m0_axis_tlast <= s0_axis_tlast;
        m1_axis_tlast <= s0_axis_tlast;
      end
    end
  end
endmodule
"""


@needs_icarus
def test_an_inner_stream_is_compared(tmp_path: Path) -> None:
    builder = GraphBuilder()
    x = builder.input("x", (2, 3, 3), (0, 255))
    low = builder.clamp(x, name="low", lo=0, hi=5)
    both = builder.clamp(low, name="both", lo=2, hi=5)
    builder.output("y", builder.flatten(both, name="flat"))
    images = np.random.default_rng(0).integers(0, 9, (3, 2, 3, 3))
    images[1, 1, 2, 0] = 1
    directory = write_unchecked(builder.finish(), images, tmp_path / "set", nodes=["both", "low"], formats=["memh"])
    for inner, code in (("", 0), ("& 8'd6", 2)):
        design = tmp_path / "dut.sv"
        design.write_text(DESIGN.replace("INNER", inner))
        done = make(directory, "icarus", f"RTL={design}")
        assert done.returncode == code, done.stdout + done.stderr
        assert ("m0_axis: low n=" in done.stdout) == bool(code)
        assert "m1_axis: both" not in done.stdout

// Channel multiplexer in SystemVerilog: 4 channels, 2 a word; the select bits of a frame come first.
(* keep_hierarchy = "yes" *)
module lane
  import mux_types::*;
(
    input logic select,
    input level_t one,
    input level_t zero,
    output level_t result
);
  assign result = select ? one : zero;
endmodule

module dut
  import mux_types::*;
#(
    parameter int FOLD = 2
) (
    input logic clk,
    input logic rst_n,
    input logic [7:0] s0_axis_tdata,
    input logic s0_axis_tvalid,
    output logic s0_axis_tready,
    input logic s0_axis_tlast,
    input logic [7:0] s1_axis_tdata,
    input logic s1_axis_tvalid,
    output logic s1_axis_tready,
    input logic s1_axis_tlast,
    input logic [7:0] s2_axis_tdata,
    input logic s2_axis_tvalid,
    output logic s2_axis_tready,
    input logic s2_axis_tlast,
    output logic [7:0] m0_axis_tdata,
    output logic m0_axis_tvalid,
    input logic m0_axis_tready,
    output logic m0_axis_tlast
);
  state_t state;
  logic half;  // the next word holds the upper channels
  logic [CHANNELS-1:0] select;
  logic both, step;

  assign both = s1_axis_tvalid && s2_axis_tvalid;
  assign step = state == RUN && both && m0_axis_tready;
  assign s0_axis_tready = state == FETCH;
  assign {s1_axis_tready, s2_axis_tready} = {2{step}};
  assign m0_axis_tvalid = state == RUN && both;
  assign m0_axis_tlast = s1_axis_tlast;
  assign m0_axis_tdata[7:6] = '0;

  for (genvar i = 0; i < FOLD; i++) begin : lanes
    lane one_lane (
        .select(half ? select[FOLD+i] : select[i]),
        .one(s1_axis_tdata[i*BITS+:BITS]),
        .zero(s2_axis_tdata[i*BITS+:BITS]),
        .result(m0_axis_tdata[i*BITS+:BITS])
    );
  end : lanes

  always_ff @(posedge clk) begin : control
    if (!rst_n) begin
      state <= FETCH;
      half <= 1'b0;
    end else if (state == FETCH && s0_axis_tvalid) begin
      half <= !half;
      select <= {s0_axis_tdata[1:0], select[3:2]};
      if (s0_axis_tlast) state <= RUN;
    end else if (step) begin
      half <= !half;
      if (m0_axis_tlast) state <= FETCH;
    end
  end

`ifndef SYNTHESIS
  int stalled = 0;
  always_ff @(posedge clk) if (m0_axis_tvalid && !m0_axis_tready) stalled <= stalled + 1;
`endif
endmodule

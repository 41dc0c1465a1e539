// Averages of four channels over a frame choose, a channel, between the frame itself and its complement: TGAP and MUX. A
// frame is kept in a memory until its averages are known. +fault=NUMBER makes it wrong.
`timescale 1ns / 1ps
module dut #(
    parameter int PIXELS = 6
) (
    input logic clk,
    input logic rst_n,
    input logic [7:0] s0_axis_tdata,
    input logic s0_axis_tvalid,
    output logic s0_axis_tready,
    input logic s0_axis_tlast,
    output logic [7:0] m0_axis_tdata,
    output logic m0_axis_tvalid,
    input logic m0_axis_tready,
    output logic m0_axis_tlast
);
  int fault;
  initial if ($value$plusargs("fault=%d", fault) == 0) fault = 0;
  function automatic logic is(input int number);
    return fault == number;
  endfunction
  localparam int BEATS = 4 * PIXELS;

  logic [2:0] memory[0:2*BEATS-1];  // two banks
  logic [15:0] sums[0:3];
  logic [7:0] selects;  // of both banks
  logic [1:0] ready;  // a bank holds a frame
  logic into, from;
  int at, sent, stalled, frames;
  logic [2:0] value;
  logic chooser;
  assign s0_axis_tready = !ready[into];
  assign m0_axis_tvalid = ready[from];
  assign m0_axis_tlast = sent == BEATS - 1;
  assign value = memory[int'(from)*BEATS+sent];
  assign chooser = is(9) && stalled > 400 ? !from : from;
  assign m0_axis_tdata = {5'b0, selects[int'(chooser)*4+sent%4] ? value : ~value};
  always @(posedge clk) begin
    stalled <= m0_axis_tvalid && !m0_axis_tready ? stalled + 1 : 0;
    if (s0_axis_tvalid && s0_axis_tready) begin
      memory[int'(into)*BEATS+at] <= s0_axis_tdata[2:0];
      at <= at == BEATS - 1 ? 0 : at + 1;
      sums[at%4] <= sums[at%4] + 16'(s0_axis_tdata[2:0]);
      if (at >= BEATS - 4) begin
        selects[int'(into)*4+at%4] <= 2 * (sums[at%4] + 16'(s0_axis_tdata[2:0])) > 7 * PIXELS;
        if (!(is(8) && m0_axis_tvalid && !m0_axis_tready)) sums[at%4] <= 0;
      end
      if (at == BEATS - 1) begin
        ready[into] <= 1;
        into <= !into;
      end
    end
    if (m0_axis_tvalid && m0_axis_tready) begin
      sent <= sent == BEATS - 1 ? 0 : sent + 1;
      if (sent == BEATS - 1) begin
        ready[from] <= 0;
        from <= !from;
        frames <= frames + 1;
      end
    end
    if (!rst_n) begin
      if (!is(1)) at <= 0;
      if (!is(2)) sent <= 0;
      if (!is(3)) into <= 0;
      if (!is(4)) from <= 0;
      if (!is(5)) ready[0] <= 0;
      if (!is(6)) ready[1] <= 0;
      for (int c = 0; c < 4; c++) if (!(is(7) && c == 2)) sums[c] <= 0;
      frames <= 0;
    end
  end
  initial begin
    #1;
    if (fault != 0) begin
      at = 0;
      sent = 0;
      into = 0;
      from = 0;
      ready = 0;
      for (int c = 0; c < 4; c++) sums[c] = 0;
    end
  end
endmodule

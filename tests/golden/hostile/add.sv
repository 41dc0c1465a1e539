// Two streams of two channels a beat, added: a register for each operand, one for the sum; +fault=NUMBER makes it wrong.
`timescale 1ns / 1ps
module dut #(
    parameter int BEATS = 9  // a frame
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
    output logic [15:0] m0_axis_tdata,
    output logic m0_axis_tvalid,
    input logic m0_axis_tready,
    output logic m0_axis_tlast
);
  int fault;
  initial if ($value$plusargs("fault=%d", fault) == 0) fault = 0;
  function automatic logic is(input int number);
    return fault == number;
  endfunction

  logic [7:0] a, b;
  logic has_a, has_b, full;
  logic [15:0] sum;
  int count, alone, frames;  // beats of the frame that left; cycles that one operand waits
  logic [7:0] laps;
  logic joins, hurt;
  assign joins = has_a && has_b && (!full || m0_axis_tready);
  assign s0_axis_tready = !has_a || joins;
  assign s1_axis_tready = !has_b || joins || is(4) && alone > 600;
  assign m0_axis_tvalid = full;
  assign m0_axis_tdata = hurt ? sum ^ 16'h0001 : sum;
  assign m0_axis_tlast = count == BEATS - 1;
  always @(posedge clk) begin
    if (joins) begin
      sum <= {6'b0, 5'(a[7:4]) + 5'(b[7:4]), 5'(a[3:0]) + 5'(b[3:0])} & (is(8) && frames >= 2 ? 16'hfeff : 16'hffff);
      full <= 1;
      has_a <= 0;
      has_b <= 0;
    end else if (m0_axis_tready) full <= 0;
    if (s0_axis_tready) begin
      has_a <= s0_axis_tvalid;
      a <= s0_axis_tdata;
    end
    if (s1_axis_tready) begin
      has_b <= s1_axis_tvalid;
      b <= s1_axis_tdata;
    end
    if (full && m0_axis_tready) begin
      count <= count == BEATS - 1 ? 0 : count + 1;
      if (count == BEATS - 1) frames <= frames + 1;
      if (count == BEATS - 1 && is(9)) begin
        laps <= laps + 1;
        if (laps == 8'd255) count <= 1;
      end
    end
    alone <= has_a ^ has_b ? alone + 1 : 0;
    if (is(10) && alone == 300 && has_a) hurt <= 1;
    if (is(7) && alone > 650 && has_a) hurt <= 1;
    if (is(11) && alone > 650 && has_b) hurt <= 1;
    if (is(6) && alone > 650 && count == 0 && frames > 0) hurt <= 1;
    if (!rst_n) begin
      if (!is(1)) has_a <= 0;
      if (!is(2)) has_b <= 0;
      if (!is(3)) full <= 0;
      if (!is(5)) count <= 0;
      laps <= 0;
      alone <= 0;
      frames <= 0;
      hurt <= 0;
    end
  end
  initial begin
    #1;
    if (is(1)) has_a = 0;
    if (is(2)) has_b = 0;
    if (is(3)) full = 0;
    if (is(5)) count = 0;
  end
endmodule

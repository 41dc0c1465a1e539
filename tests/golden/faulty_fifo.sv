// A FIFO of two beats between AXI4-Streams; +fault=NUMBER makes it wrong in one way, FLIP by +beat=NUMBER +bit=NUMBER.
module dut #(
    parameter int B = 16
) (
    input logic clk,
    input logic rst_n,
    input logic [B-1:0] s0_axis_tdata,
    input logic s0_axis_tvalid,
    output logic s0_axis_tready,
    input logic s0_axis_tlast,
    output logic [B-1:0] m0_axis_tdata,
    output logic m0_axis_tvalid,
    input logic m0_axis_tready,
    output logic m0_axis_tlast
);
  localparam int NONE = 0;
  localparam int FLIP = 1;
  localparam int UNKNOWN_VALUE = 2;
  localparam int FLOATING_VALUE = 3;
  localparam int LANES = 4;
  localparam int PADDING = 5;
  localparam int UNKNOWN_PADDING = 6;
  localparam int UNUSED_LANE = 7;
  localparam int EARLY_LAST = 8;
  localparam int LATE_LAST = 9;
  localparam int NO_LAST = 10;
  localparam int UNKNOWN_LAST = 11;
  localparam int EXTRA_BEAT = 12;
  localparam int LATE_FRAME = 13;
  localparam int MISSING_BEAT = 14;
  localparam int STUCK_READY = 15;
  localparam int EARLY_VALID = 16;
  localparam int UNKNOWN_VALID = 17;
  localparam int UNKNOWN_READY = 18;
  localparam int DROPPED_VALID = 19;
  localparam int CHANGED_DATA = 20;
  localparam int CHANGED_LAST = 21;
  localparam int WAITS_FOR_READY = 22;
  localparam int IGNORES_FULL = 23;
  localparam int IGNORES_VALID = 24;
  localparam int LEAVES = 25;

  int fault, beat, place;
  initial begin
    if ($value$plusargs("fault=%d", fault) == 0) fault = NONE;
    if ($value$plusargs("beat=%d", beat) == 0) beat = 17;
    if ($value$plusargs("bit=%d", place) == 0) place = 4;
  end

  logic [B:0] slots[0:1];
  logic [1:0] held;
  int into, out;
  logic takes, gives, mark, stalled;
  logic [3:0] cycle;
  logic [B-1:0] data;
  logic last;

  assign last = slots[0][B];
  assign data = slots[0][B-1:0];
  assign takes = s0_axis_tvalid && s0_axis_tready === 1'b1 && held < 2;
  assign gives = held != 0 && m0_axis_tvalid && m0_axis_tready;
  assign s0_axis_tready = fault == IGNORES_FULL ? 1'b1
      : fault == UNKNOWN_READY && out == 4 ? 1'bx
      : held < 2 && !(fault == STUCK_READY && into == 20);
  assign m0_axis_tvalid = fault == EXTRA_BEAT && out == 36 ? 1'b1
      : fault == EARLY_VALID && !rst_n ? 1'b1
      : fault == LATE_FRAME && out >= 36 && out < 48 ? cycle == 0
      : fault == UNKNOWN_VALID && rst_n && into == 0 ? 1'bx
      : fault == DROPPED_VALID ? held != 0 && !stalled
      : fault == WAITS_FOR_READY ? held != 0 && m0_axis_tready
      : held != 0;
  assign m0_axis_tdata = fault == FLIP && out == beat ? data ^ (B'(1) << place)
      : fault == UNKNOWN_VALUE && out == 17 ? {data[B-1:5], 1'bx, data[3:0]}
      : fault == FLOATING_VALUE && out == 17 ? {data[B-1:5], 1'bz, data[3:0]}
      : fault == LANES && out == 18 ? {data[B-1:12], data[3:0], data[7:4], data[11:8]}
      : fault == PADDING && out == 6 ? data | B'(16'h4000)
      : fault == UNKNOWN_PADDING && out == 6 ? {{B - 12{1'bx}}, data[11:0]}
      : fault == UNUSED_LANE && out == 7 ? data | B'(16'h0200)
      : fault == CHANGED_DATA && stalled ? ~data
      : fault == IGNORES_VALID && mark ? ~data
      : data;
  assign m0_axis_tlast = fault == EARLY_LAST && out == 10 ? 1'b1
      : fault == LATE_LAST && (out == 11 || out == 12) ? out == 12
      : fault == NO_LAST && out > 12 ? 1'b0
      : fault == UNKNOWN_LAST && out == 5 ? 1'bx
      : fault == CHANGED_LAST && stalled ? !last
      : last;

  always @(posedge clk) begin
    cycle <= cycle + 1;
    stalled <= m0_axis_tvalid && !m0_axis_tready && !stalled;
    if (!rst_n) begin
      held <= 0;
      into <= 0;
      out <= 0;
      cycle <= 0;
      mark <= 0;
    end else begin
      if (gives) slots[0] <= slots[1];
      if (takes && !(fault == MISSING_BEAT && into == 35)) begin
        slots[1'(held - 2'(gives))] <= {s0_axis_tlast, s0_axis_tdata};
        held <= held + 1 - 2'(gives);
      end else held <= held - 2'(gives);
      if (takes) into <= into + 1;
      if (m0_axis_tvalid === 1'b1 && m0_axis_tready) out <= out + 1;
      if (s0_axis_tlast && !s0_axis_tvalid && into != 0 && into < 36) mark <= 1;
      if (fault == LEAVES && out == 20) $finish;
    end
  end
endmodule

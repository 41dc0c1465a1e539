// A streaming 3 x 3 ternary convolution with two thresholds, one pixel of one channel a beat; +fault=NUMBER makes it wrong.
`timescale 1ns / 1ps
module dut #(
    parameter int H = 5,
    parameter int W = 5
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

  logic signed [3:0] ring[0:15];
  logic [3:0] wr, base;  // where the next pixel goes; where the frame began
  int rx, oy, ox;  // pixels of the frame that came; the next output
  logic full, last, flushing;
  logic [1:0] level;
  int frames, beats, gap, stalled;  // of the fault's own, always reset
  logic seen, ever, hurt, waits;
  int age;

  logic takes, makes, moves, again;
  assign again = is(21) && full && stalled >= 300;
  int need;
  assign need = (oy + 1) * W + ox + 2 > H * W || oy == H - 1 ? H * W : (oy + 1) * W + ox + 2;
  assign makes = rx >= need && !again && (!full || m0_axis_tready) && !(flushing && rx < H * W);
  assign s0_axis_tready = rx < H * W && rx < (oy - 1) * W + ox - 1 + 16;
  assign takes = s0_axis_tvalid && s0_axis_tready;
  assign moves = m0_axis_tvalid && m0_axis_tready;

  // ternary weights  1 0 -1 / -1 1 1 / 0 -1 1
  function automatic int weight(input int k);
    case (k)
      0, 4, 5, 8: return 1;
      2, 3, 7: return -1;
      default: return 0;
    endcase
  endfunction
  function automatic logic [1:0] answer();
    int sum, py, px, low;
    logic [3:0] place;
    sum = 0;
    for (int k = 0; k < 9; k++) begin
      py = oy + k / 3 - 1;
      px = ox + k % 3 - 1;
      place = 4'(int'(base) + py * W + px);  // unsigned
      if (py >= 0 && py < H && px >= 0 && px < W) sum = sum + weight(k) * int'(ring[place]);
      else if (is(14) && px == W && frames > 2) sum = sum + 7 * weight(k);
    end
    low = is(8) && !ever || is(9) && !seen && beats > 7 ? -4 : -3;
    answer = 2'(sum >= low) + 2'(sum >= 4);
    if (is(10) && frames >= 256 || is(11) && frames >= 1040 || is(12) && beats >= 65536 || is(13) && frames >= 65536 || hurt) answer = answer ^ 2'd1;
  endfunction

  assign m0_axis_tvalid = is(19) ? full && m0_axis_tready : is(20) ? full && stalled != 3 : full;
  assign m0_axis_tdata = is(18) && stalled > 20 ? {6'b0, ~level}
      : is(22) && frames == 2 && beats % 25 == 13 ? 8'b0000000x
      : is(23) && frames == 2 && beats % 25 == 13 ? 8'b000000z0
      : {6'b0, level};
  assign m0_axis_tlast = is(16) && frames == 3 && beats % 25 == 20 ? 1'b1
      : is(17) && frames == 5 ? 1'b0
      : last;

  always @(posedge clk) begin
    if (makes) begin
      full <= 1;
      level <= answer();
      last <= ox == W - 1 && oy == H - 1;
      ox <= ox == W - 1 ? 0 : ox + 1;
      if (ox == W - 1) oy <= oy == H - 1 ? 0 : oy + 1;
      if (ox == W - 1 && oy == H - 1) begin
        rx <= 0;
        base <= wr;
        flushing <= 0;
      end
    end else if (m0_axis_tready) full <= again;
    if (takes) begin
      ring[wr] <= 4'(s0_axis_tdata);
      wr <= wr + 1;
      rx <= rx + 1;
      if (rx == H * W - 1) flushing <= 1;
    end
    if (is(31) && !s0_axis_tvalid && s0_axis_tready && rx == 7) ring[wr-4'd1] <= 4'(s0_axis_tdata);
    if (!rst_n && !(is(28) && ever && age > 100) && !(is(29) && full)) begin
      if (!is(1)) rx <= 0;
      if (!is(2)) wr <= 0;
      if (!is(3)) base <= 0;
      if (!is(4)) oy <= 0;
      if (!is(5)) ox <= 0;
      if (!is(6) && !(is(7) && full === 1'b1 && waits)) full <= 0;
      if (!is(27)) flushing <= 0;
    end
  end

  initial begin
    if (is(1)) rx = 0;
    if (is(2)) wr = 0;
    if (is(3)) base = 0;
    if (is(4)) oy = 0;
    if (is(5)) ox = 0;
    if (is(6)) full = 0;
    if (is(27)) flushing = 0;
    ever = 0;
    age = 0;
    #1;  // whatever the order of initial blocks
    if (fault >= 1 && fault <= 6 || fault == 27) begin
      rx = 0;
      wr = 0;
      base = 0;
      oy = 0;
      ox = 0;
      full = 0;
      flushing = 0;
    end
  end

  always @(posedge clk) begin
    age <= age + 1;
    waits <= full && !m0_axis_tready;
    if (moves && m0_axis_tlast) ever <= 1;
    if (!rst_n) begin
      frames <= 0;
      beats <= 0;
      gap <= 0;
      stalled <= 0;
      seen <= 0;
      hurt <= 0;
    end else begin
      if (moves) beats <= beats + 1;
      if (moves && last) frames <= frames + 1;
      if (moves && last) seen <= 1;
      stalled <= full && !m0_axis_tready ? stalled + 1 : 0;
      gap <= s0_axis_tvalid ? 0 : gap + 1;
      // a long gap or stall hurts the rest of the frame, when it stood at one place only
      if (is(32) && gap > 600 && rx == 0 && frames > 0) hurt <= 1;
      if (is(33) && gap > 600 && rx > 0 && rx < H * W) hurt <= 1;
      if (is(34) && gap > 600 && rx == 0 && frames == 0 && beats == 0) hurt <= 1;
      if (is(35) && stalled > 600 && beats % 25 == 0 && beats != 0) hurt <= 1;
      if (is(36) && stalled > 600 && beats % 25 != 0) hurt <= 1;
    end
  end

  // What no hardware does, and simulators do.
  initial begin
    #50;
    if (is(37)) $display("PASS: 999 frames");
    if (is(37)) $finish;
    if (is(38)) $stop;
    if (is(39)) begin
      $display("PASS: 999 frames, 99 beats, 9 cycles; profile always, seed 1");
      $finish(0);
    end
  end
  int spin;  // without end, within a moment
  initial begin
    spin = 0;
    #60 if (is(40)) spin <= 1;
  end
  always @(spin) if (is(40)) spin <= spin + 1;
endmodule

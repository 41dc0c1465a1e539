// Fixed-point requantisation: m = clip(round((z * M[c] + B[c]) / 2^S[c]), LO, HI).
// ROUNDING: "floor", or to the nearest with ties "half_up" (toward +infinity), "half_even", "half_away" (from zero).
//
// MULTIPLIER, OFFSET, SHIFT ($readmemh): one word for each of C channels, or a single one for all (M_ROWS, B_ROWS,
// S_ROWS is C or 1). M and B are two's complement where M_SIGNED, B_SIGNED; shifts are 0..62. z * M + B lies within
// +-2^62, so 64 bits hold it, whatever z * M alone does.
//
// s, m: words of FOLD channels, C channels a pixel. Lanes beyond C are 0 on m.
// Latency: one cycle; a word a cycle.
module requant #(
    parameter int C = 1,
    parameter int FOLD = 1,
    parameter int IN_BITS = 1,
    parameter bit IN_SIGNED = 0,
    parameter int OUT_BITS = 1,
    parameter int M_BITS = 1,
    parameter bit M_SIGNED = 0,
    parameter int M_ROWS = C,
    parameter MULTIPLIER = "",
    parameter int B_BITS = 1,
    parameter bit B_SIGNED = 0,
    parameter int B_ROWS = C,
    parameter OFFSET = "",
    parameter int S_BITS = 1,
    parameter int S_ROWS = C,
    parameter SHIFT = "",
    parameter ROUNDING = "floor",
    parameter longint LO = 0,
    parameter longint HI = 1
) (
    input logic clk,
    input logic rst_n,
    input logic [FOLD*IN_BITS-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    output logic [FOLD*OUT_BITS-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  /* verilator lint_off WIDTH */  // strings of different lengths are compared
  localparam bit FLOOR = ROUNDING == "floor";
  localparam bit HALF_UP = ROUNDING == "half_up";
  localparam bit HALF_EVEN = ROUNDING == "half_even";
  localparam bit HALF_AWAY = ROUNDING == "half_away";
  /* verilator lint_on WIDTH */

  localparam int WIDE = 64;

  logic [M_BITS-1:0] multipliers[M_ROWS];
  logic [B_BITS-1:0] offsets[B_ROWS];
  logic [S_BITS-1:0] shifts[S_ROWS];
  logic [FOLD*OUT_BITS-1:0] codes;
  integer channel;  // of lane 0

  initial begin
    $readmemh(MULTIPLIER, multipliers);
    $readmemh(OFFSET, offsets);
    $readmemh(SHIFT, shifts);
  end

  generate
    for (genvar lane = 0; lane < FOLD; lane++) begin : scaler
      integer row;
      logic [IN_BITS-1:0] level;
      logic [M_BITS-1:0] m;
      logic [B_BITS-1:0] b;
      logic [S_BITS-1:0] s;
      logic signed [WIDE-1:0] z, factor, offset, total, quotient, rounded;
      logic [WIDE-1:0] rest, half;
      logic above, tie, up;
      assign row = channel + lane;
      assign level = s_data[lane*IN_BITS+:IN_BITS];
      assign m = multipliers[M_ROWS==1?0 : row];
      assign b = offsets[B_ROWS==1?0 : row];
      assign s = shifts[S_ROWS==1?0 : row];
      assign z = IN_SIGNED ? WIDE'($signed(level)) : WIDE'(level);
      assign factor = M_SIGNED ? WIDE'($signed(m)) : WIDE'(m);
      assign offset = B_SIGNED ? WIDE'($signed(b)) : WIDE'(b);
      assign total = z * factor + offset;
      assign quotient = total >>> s;
      assign rest = total - (quotient << s);  // 0 .. 2^s - 1
      assign half = (WIDE'(1) << s) >> 1;
      assign above = rest > half;
      assign tie = rest == half && s != 0;
      assign up = !FLOOR && (above || tie && (HALF_UP || HALF_EVEN && quotient[0] || HALF_AWAY && !total[WIDE-1]));
      assign rounded = quotient + (up ? 1 : 0);
      assign codes[lane*OUT_BITS+:OUT_BITS] = channel + lane >= C ? '0
          : OUT_BITS'(rounded < LO ? LO : rounded > HI ? HI : rounded);
    end
  endgenerate

  assign s_ready = !m_valid || m_ready;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      m_valid <= 1'b0;
      channel <= 0;
    end else if (s_ready) begin
      m_valid <= s_valid;
      m_data <= codes;
      m_last <= s_last;
      if (s_valid) channel <= channel + FOLD >= C ? 0 : channel + FOLD;
    end
  end
endmodule

// Argmax: m = the lowest of the channels that hold the largest value of a pixel.
//
// s: words of IN_FOLD of the C channels of a pixel, two's complement where SIGNED.
// m: a word of OUT_FOLD lanes for each pixel; lane 0 is the channel, the others are 0.
// Latency: that of `refold`; a pixel in the cycles that its words take, and one.
module argmax #(
    parameter int C = 1,
    parameter int IN_FOLD = 1,
    parameter int IN_BITS = 1,
    parameter bit SIGNED = 0,
    parameter int OUT_FOLD = 1,
    parameter int OUT_BITS = 1
) (
    input logic clk,
    input logic rst_n,
    input logic [IN_FOLD*IN_BITS-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    output logic [OUT_FOLD*OUT_BITS-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  localparam logic [IN_BITS-1:0] SIGN = IN_BITS'(SIGNED) << (IN_BITS - 1);

  logic [C*IN_BITS-1:0] pixel;
  logic [IN_BITS-1:0] level, largest;
  /* verilator lint_off UNUSEDSIGNAL */  // a number of a channel has few bits
  int winner;
  /* verilator lint_on UNUSEDSIGNAL */

  refold #(
      .BITS(IN_BITS),
      .RUN(C),
      .IN_FOLD(IN_FOLD),
      .OUT_FOLD(C)
  ) pixels (
      .clk,
      .rst_n,
      .s_data,
      .s_valid,
      .s_ready,
      .s_last,
      .m_data(pixel),
      .m_valid,
      .m_ready,
      .m_last
  );

  // The order of the code is that of unsigned numbers once the sign bit is inverted.
  always_comb begin
    winner = 0;
    largest = '0;
    for (int c = 0; c < C; c++) begin
      level = pixel[c*IN_BITS+:IN_BITS] ^ SIGN;
      if (level > largest) begin
        winner = c;
        largest = level;
      end
    end
  end

  generate
    for (genvar lane = 0; lane < OUT_FOLD; lane++) begin : word
      assign m_data[lane*OUT_BITS+:OUT_BITS] = lane == 0 ? OUT_BITS'(winner) : '0;
    end
  endgenerate
endmodule

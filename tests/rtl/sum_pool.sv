// Sum pooling: m[c, y, x] = the sum of channel c over the window at (y, x), modulo 2^OUT_BITS; exact, as OUT_BITS holds
// it. The border holds 0. A window of the whole map is the global sum (GAP).
//
// s: words of IN_FOLD channels, NHWC, two's complement where SIGNED. m: words of OUT_FOLD channels, NHWC.
// Latency: that of `line_buffer`, and one run to pack the output.
module sum_pool #(
    parameter int IN_BITS = 1,
    parameter bit SIGNED = 0,
    parameter int OUT_BITS = 1,
    parameter int C = 1,
    parameter int H = 1,
    parameter int W = 1,
    parameter int KH = 1,
    parameter int KW = 1,
    parameter int STRIDE_Y = 1,
    parameter int STRIDE_X = 1,
    parameter int PAD_TOP = 0,
    parameter int PAD_LEFT = 0,
    parameter int PAD_BOTTOM = 0,
    parameter int PAD_RIGHT = 0,
    parameter int IN_FOLD = 1,
    parameter int OUT_FOLD = 1
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
  logic [KH*KW*C*IN_BITS-1:0] window;
  logic [KH*KW*C*OUT_BITS-1:0] terms;
  logic [C*OUT_BITS-1:0] sums;
  logic window_valid, window_ready, window_last;

  line_buffer #(
      .BITS(IN_BITS),
      .FOLD(IN_FOLD),
      .C(C),
      .H(H),
      .W(W),
      .KH(KH),
      .KW(KW),
      .STRIDE_Y(STRIDE_Y),
      .STRIDE_X(STRIDE_X),
      .PAD_TOP(PAD_TOP),
      .PAD_LEFT(PAD_LEFT),
      .PAD_BOTTOM(PAD_BOTTOM),
      .PAD_RIGHT(PAD_RIGHT)
  ) windows (
      .clk,
      .rst_n,
      .s_data,
      .s_valid,
      .s_ready,
      .s_last,
      .m_data(window),
      .m_valid(window_valid),
      .m_ready(window_ready),
      .m_last(window_last)
  );

  resize #(
      .FOLD(KH * KW * C),
      .IN_BITS(IN_BITS),
      .SIGNED(SIGNED),
      .OUT_BITS(OUT_BITS)
  ) operands (
      .s_data(window),
      .m_data(terms)
  );

  always_comb begin
    sums = '0;
    for (int tap = 0; tap < KH * KW; tap++) begin
      for (int c = 0; c < C; c++) begin
        sums[c*OUT_BITS+:OUT_BITS] = sums[c*OUT_BITS+:OUT_BITS] + terms[(tap*C+c)*OUT_BITS+:OUT_BITS];
      end
    end
  end

  refold #(
      .BITS(OUT_BITS),
      .RUN(C),
      .IN_FOLD(C),
      .OUT_FOLD(OUT_FOLD)
  ) words (
      .clk,
      .rst_n,
      .s_data(sums),
      .s_valid(window_valid),
      .s_ready(window_ready),
      .s_last(window_last),
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );
endmodule

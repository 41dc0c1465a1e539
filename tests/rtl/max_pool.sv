// Max pooling: m[c, y, x] = the largest value of channel c in the window at (y, x).
// Padding never wins: the border holds LOWEST, the least value of the code, and every window has a real pixel.
//
// s: words of IN_FOLD channels, NHWC. m: words of OUT_FOLD channels, NHWC.
// Latency: that of `line_buffer`, and one run to pack the output.
module max_pool #(
    parameter int BITS = 1,
    parameter bit SIGNED = 0,
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
    parameter int DILATION_Y = 1,
    parameter int DILATION_X = 1,
    parameter int IN_FOLD = 1,
    parameter int OUT_FOLD = 1
) (
    input logic clk,
    input logic rst_n,
    input logic [IN_FOLD*BITS-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    output logic [OUT_FOLD*BITS-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  localparam logic [BITS-1:0] LOWEST = BITS'(SIGNED) << (BITS - 1);
  localparam logic [C*BITS-1:0] BORDER = {C{LOWEST}};

  logic [KH*KW*C*BITS-1:0] window;
  logic [C*BITS-1:0] largest;
  logic window_valid, window_ready, window_last;

  line_buffer #(
      .BITS(BITS),
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
      .PAD_RIGHT(PAD_RIGHT),
      .DILATION_Y(DILATION_Y),
      .DILATION_X(DILATION_X),
      .PAD(BORDER)
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

  // The order of the code is that of unsigned numbers once the sign bit is inverted.
  always_comb begin
    largest = BORDER;
    for (int tap = 0; tap < KH * KW; tap++) begin
      for (int c = 0; c < C; c++) begin
        if ((window[(tap*C+c)*BITS+:BITS] ^ LOWEST) > (largest[c*BITS+:BITS] ^ LOWEST))
          largest[c*BITS+:BITS] = window[(tap*C+c)*BITS+:BITS];
      end
    end
  end

  refold #(
      .BITS(BITS),
      .RUN(C),
      .IN_FOLD(C),
      .OUT_FOLD(OUT_FOLD)
  ) words (
      .clk,
      .rst_n,
      .s_data(largest),
      .s_valid(window_valid),
      .s_ready(window_ready),
      .s_last(window_last),
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );
endmodule

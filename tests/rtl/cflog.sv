// Channel-factorised group convolution of MOGNET (AICAS 2022), nothing in between:
//
//   s -> pw1 (binary 1x1, C -> C/2) -> gconv (ternary 3x3 in GROUPS) -> pw2 (rule 30, 1x1, C/2 -> O) -> threshold -> m
//
// K: bits of the activations. PW1_BITS, GCONV_BITS, PW2_BITS: of the accumulators. FILES: what the names of the
// constants' files begin with, up to the block's name. T_BITS, T_SIGNED: code of the thresholds. SEED: the first row of
// weights of pw2.
// s, m: words of FOLD channels, NHWC.
module cflog #(
    parameter int C = 4,
    parameter int O = 4,
    parameter int H = 1,
    parameter int W = 1,
    parameter int GROUPS = 1,
    parameter int K = 1,
    parameter int FOLD = 1,
    parameter int PW1_BITS = 32,
    parameter int GCONV_BITS = 32,
    parameter int PW2_BITS = 32,
    parameter logic [O-1:0] SEED = '0,
    parameter int T_BITS = 1,
    parameter bit T_SIGNED = 0,
    parameter FILES = ""
) (
    input logic clk,
    input logic rst_n,
    input logic [FOLD*K-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    output logic [FOLD*K-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  /* verilator lint_off PINCONNECTEMPTY */  // all channels are demanded, so nobody sends masks
  localparam int M = C / 2;

  logic [FOLD*PW1_BITS-1:0] pw1_data;
  logic [FOLD*GCONV_BITS-1:0] gconv_data;
  logic [FOLD*PW2_BITS-1:0] pw2_data;
  logic pw1_valid, pw1_ready, pw1_last;
  logic gconv_valid, gconv_ready, gconv_last;
  logic pw2_valid, pw2_ready, pw2_last;

  conv2d #(
      .C(C),
      .H(H),
      .W(W),
      .O(M),
      .A_BITS(K),
      .IN_FOLD(FOLD),
      .OUT_FOLD(FOLD),
      .W_BITS(1),
      .W_CODE("bipolar"),
      .W_FOLD(FOLD),
      .WEIGHTS({FILES, ".pw1.weight.memh"}),
      .ACC_BITS(PW1_BITS),
      .LANES(C)
  ) pw1 (
      .clk,
      .rst_n,
      .s_data,
      .s_valid,
      .s_ready,
      .s_last,
      .d_data({M{1'b0}}),
      .d_valid(1'b0),
      .d_ready(),
      .d_last(1'b0),
      .m_data(pw1_data),
      .m_valid(pw1_valid),
      .m_ready(pw1_ready),
      .m_last(pw1_last)
  );

  conv2d #(
      .C(M),
      .H(H),
      .W(W),
      .O(M),
      .KH(3),
      .KW(3),
      .PAD_TOP(1),
      .PAD_LEFT(1),
      .PAD_BOTTOM(1),
      .PAD_RIGHT(1),
      .GROUPS(GROUPS),
      .A_BITS(PW1_BITS),
      .A_SIGNED(1),
      .IN_FOLD(FOLD),
      .OUT_FOLD(FOLD),
      .W_CODE("ternary"),
      .W_FOLD(FOLD),
      .WEIGHTS({FILES, ".gconv.weight.memh"}),
      .ACC_BITS(GCONV_BITS),
      .LANES(M / GROUPS)
  ) gconv (
      .clk,
      .rst_n,
      .s_data(pw1_data),
      .s_valid(pw1_valid),
      .s_ready(pw1_ready),
      .s_last(pw1_last),
      .d_data({M{1'b0}}),
      .d_valid(1'b0),
      .d_ready(),
      .d_last(1'b0),
      .m_data(gconv_data),
      .m_valid(gconv_valid),
      .m_ready(gconv_ready),
      .m_last(gconv_last)
  );

  conv2d #(
      .C(M),
      .H(H),
      .W(W),
      .O(O),
      .A_BITS(GCONV_BITS),
      .A_SIGNED(1),
      .IN_FOLD(FOLD),
      .OUT_FOLD(FOLD),
      .W_BITS(1),
      .W_CODE("bipolar"),
      .W_FOLD(FOLD),
      .GENERATED(1),
      .SEED(SEED),
      .ACC_BITS(PW2_BITS),
      .LANES(M)
  ) pw2 (
      .clk,
      .rst_n,
      .s_data(gconv_data),
      .s_valid(gconv_valid),
      .s_ready(gconv_ready),
      .s_last(gconv_last),
      .d_data({O{1'b0}}),
      .d_valid(1'b0),
      .d_ready(),
      .d_last(1'b0),
      .m_data(pw2_data),
      .m_valid(pw2_valid),
      .m_ready(pw2_ready),
      .m_last(pw2_last)
  );

  threshold #(
      .C(O),
      .FOLD(FOLD),
      .IN_BITS(PW2_BITS),
      .IN_SIGNED(1),
      .OUT_BITS(K),
      .COUNT((1 << K) - 1),
      .T_BITS(T_BITS),
      .T_SIGNED(T_SIGNED),
      .THRESHOLDS({FILES, ".pw2.act.thresholds.memh"}),
      .DESCENDING({FILES, ".pw2.act.descending.memh"})
  ) act (
      .clk,
      .rst_n,
      .s_data(pw2_data),
      .s_valid(pw2_valid),
      .s_ready(pw2_ready),
      .s_last(pw2_last),
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );
endmodule

// Group convolution module of MDGNet (GRETSI 2023) at stride 1, under demand masks:
//
//   s -- pw (1x1, C -> C/4) -- gc1 (3x3, -> C/2) -- threshold -- y1 --+---------------------------------- concat -- m
//                                                                     |                                      |
//                                                                     +-- shuffle -- first -- gc2 -- act -- y2
//
// pw has neither batch norm nor activation: gc1 reads its raw sums. gc1 and gc2 have GROUPS groups; `first` takes the
// first C/4 channels of the shuffle. Where y1 forks, each branch has a FIFO of a frame.
//
// K: bits of the activations. PW_BITS, GC1_BITS, GC2_BITS: of the accumulators. FILES: what the names of the constants'
// files begin with, up to the module's name. T1_BITS, T2_BITS, ...: codes of the thresholds behind gc1 and gc2.
// SHUFFLE_BITS, FIRST_BITS: codes of the channel indices. NAME: see `conv2d`.
// s, m: words of FOLD channels, NHWC. pw, gc1, gc2: a demand mask a frame for each convolution.
module gcm #(
    parameter int C = 4,
    parameter int H = 1,
    parameter int W = 1,
    parameter int GROUPS = 1,
    parameter int K = 1,
    parameter int FOLD = 1,
    parameter int PW_BITS = 32,
    parameter int GC1_BITS = 32,
    parameter int GC2_BITS = 32,
    parameter int T1_BITS = 1,
    parameter bit T1_SIGNED = 0,
    parameter int T2_BITS = 1,
    parameter bit T2_SIGNED = 0,
    parameter int SHUFFLE_BITS = 1,
    parameter int FIRST_BITS = 1,
    parameter FILES = "",
    parameter NAME = ""
) (
    input logic clk,
    input logic rst_n,
    input logic [FOLD*K-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    input logic [C/4-1:0] pw_data,
    input logic pw_valid,
    output logic pw_ready,
    input logic pw_last,
    input logic [C/2-1:0] gc1_data,
    input logic gc1_valid,
    output logic gc1_ready,
    input logic gc1_last,
    input logic [C/2-1:0] gc2_data,
    input logic gc2_valid,
    output logic gc2_ready,
    input logic gc2_last,
    output logic [FOLD*K-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  localparam int HALF = C / 2;
  localparam int QUARTER = C / 4;
  localparam int BITS = FOLD * K;
  localparam int FRAME = H * W * ((HALF + FOLD - 1) / FOLD);  // words of y1

  // Readers of y1.
  localparam int JOINED = 0, SHUFFLED = 1;

  logic [FOLD*PW_BITS-1:0] p_data;
  logic [FOLD*GC1_BITS-1:0] z1_data;
  logic [FOLD*GC2_BITS-1:0] z2_data;
  logic p_valid, p_ready, p_last;
  logic z1_valid, z1_ready, z1_last;
  logic z2_valid, z2_ready, z2_last;
  logic [BITS-1:0] y1_data, y2_data, dealt_data, t_data;
  logic y1_valid, y1_ready, y1_last;
  logic y2_valid, y2_ready, y2_last;
  logic dealt_valid, dealt_ready, dealt_last;
  logic t_valid, t_ready, t_last;
  logic [2*BITS-1:0] y1s_data;
  logic [1:0] y1s_valid, y1s_ready, y1s_last;
  logic [HALF*K-1:0] joined1_data, joined2_data;  // whole pixels
  logic joined1_valid, joined1_ready, joined1_last;
  logic joined2_valid, joined2_ready, joined2_last;

  conv2d #(
      .C(C),
      .H(H),
      .W(W),
      .O(QUARTER),
      .A_BITS(K),
      .IN_FOLD(FOLD),
      .OUT_FOLD(FOLD),
      .W_FOLD(FOLD),
      .WEIGHTS({FILES, ".pw.weight.memh"}),
      .ACC_BITS(PW_BITS),
      .LANES(C),
      .DEMAND(1),
      .NAME({NAME, ".pw"})
  ) pw (
      .clk,
      .rst_n,
      .s_data,
      .s_valid,
      .s_ready,
      .s_last,
      .d_data(pw_data),
      .d_valid(pw_valid),
      .d_ready(pw_ready),
      .d_last(pw_last),
      .m_data(p_data),
      .m_valid(p_valid),
      .m_ready(p_ready),
      .m_last(p_last)
  );

  conv2d #(
      .C(QUARTER),
      .H(H),
      .W(W),
      .O(HALF),
      .KH(3),
      .KW(3),
      .PAD_TOP(1),
      .PAD_LEFT(1),
      .PAD_BOTTOM(1),
      .PAD_RIGHT(1),
      .GROUPS(GROUPS),
      .A_BITS(PW_BITS),
      .A_SIGNED(1),
      .IN_FOLD(FOLD),
      .OUT_FOLD(FOLD),
      .W_FOLD(FOLD),
      .WEIGHTS({FILES, ".gc1.weight.memh"}),
      .ACC_BITS(GC1_BITS),
      .LANES(QUARTER / GROUPS),
      .DEMAND(1),
      .NAME({NAME, ".gc1"})
  ) gc1 (
      .clk,
      .rst_n,
      .s_data(p_data),
      .s_valid(p_valid),
      .s_ready(p_ready),
      .s_last(p_last),
      .d_data(gc1_data),
      .d_valid(gc1_valid),
      .d_ready(gc1_ready),
      .d_last(gc1_last),
      .m_data(z1_data),
      .m_valid(z1_valid),
      .m_ready(z1_ready),
      .m_last(z1_last)
  );

  threshold #(
      .C(HALF),
      .FOLD(FOLD),
      .IN_BITS(GC1_BITS),
      .IN_SIGNED(1),
      .OUT_BITS(K),
      .COUNT((1 << K) - 1),
      .T_BITS(T1_BITS),
      .T_SIGNED(T1_SIGNED),
      .THRESHOLDS({FILES, ".gc1.act.thresholds.memh"}),
      .DESCENDING({FILES, ".gc1.act.descending.memh"})
  ) gc1_act (
      .clk,
      .rst_n,
      .s_data(z1_data),
      .s_valid(z1_valid),
      .s_ready(z1_ready),
      .s_last(z1_last),
      .m_data(y1_data),
      .m_valid(y1_valid),
      .m_ready(y1_ready),
      .m_last(y1_last)
  );

  stream_fork #(
      .BITS(BITS),
      .READERS(2),
      .DEPTH(FRAME)
  ) fork_y1 (
      .clk,
      .rst_n,
      .s_data(y1_data),
      .s_valid(y1_valid),
      .s_ready(y1_ready),
      .s_last(y1_last),
      .m_data(y1s_data),
      .m_valid(y1s_valid),
      .m_ready(y1s_ready),
      .m_last(y1s_last)
  );

  channel_select #(
      .C_IN(HALF),
      .C_OUT(HALF),
      .BITS(K),
      .IN_FOLD(FOLD),
      .OUT_FOLD(FOLD),
      .I_BITS(SHUFFLE_BITS),
      .INDICES({FILES, ".shuffle.indices.memh"})
  ) shuffle (
      .clk,
      .rst_n,
      .s_data(y1s_data[SHUFFLED*BITS+:BITS]),
      .s_valid(y1s_valid[SHUFFLED]),
      .s_ready(y1s_ready[SHUFFLED]),
      .s_last(y1s_last[SHUFFLED]),
      .m_data(dealt_data),
      .m_valid(dealt_valid),
      .m_ready(dealt_ready),
      .m_last(dealt_last)
  );

  channel_select #(
      .C_IN(HALF),
      .C_OUT(QUARTER),
      .BITS(K),
      .IN_FOLD(FOLD),
      .OUT_FOLD(FOLD),
      .I_BITS(FIRST_BITS),
      .INDICES({FILES, ".first.indices.memh"})
  ) first (
      .clk,
      .rst_n,
      .s_data(dealt_data),
      .s_valid(dealt_valid),
      .s_ready(dealt_ready),
      .s_last(dealt_last),
      .m_data(t_data),
      .m_valid(t_valid),
      .m_ready(t_ready),
      .m_last(t_last)
  );

  conv2d #(
      .C(QUARTER),
      .H(H),
      .W(W),
      .O(HALF),
      .KH(3),
      .KW(3),
      .PAD_TOP(1),
      .PAD_LEFT(1),
      .PAD_BOTTOM(1),
      .PAD_RIGHT(1),
      .GROUPS(GROUPS),
      .A_BITS(K),
      .IN_FOLD(FOLD),
      .OUT_FOLD(FOLD),
      .W_FOLD(FOLD),
      .WEIGHTS({FILES, ".gc2.weight.memh"}),
      .ACC_BITS(GC2_BITS),
      .LANES(QUARTER / GROUPS),
      .DEMAND(1),
      .NAME({NAME, ".gc2"})
  ) gc2 (
      .clk,
      .rst_n,
      .s_data(t_data),
      .s_valid(t_valid),
      .s_ready(t_ready),
      .s_last(t_last),
      .d_data(gc2_data),
      .d_valid(gc2_valid),
      .d_ready(gc2_ready),
      .d_last(gc2_last),
      .m_data(z2_data),
      .m_valid(z2_valid),
      .m_ready(z2_ready),
      .m_last(z2_last)
  );

  threshold #(
      .C(HALF),
      .FOLD(FOLD),
      .IN_BITS(GC2_BITS),
      .IN_SIGNED(1),
      .OUT_BITS(K),
      .COUNT((1 << K) - 1),
      .T_BITS(T2_BITS),
      .T_SIGNED(T2_SIGNED),
      .THRESHOLDS({FILES, ".gc2.act.thresholds.memh"}),
      .DESCENDING({FILES, ".gc2.act.descending.memh"})
  ) gc2_act (
      .clk,
      .rst_n,
      .s_data(z2_data),
      .s_valid(z2_valid),
      .s_ready(z2_ready),
      .s_last(z2_last),
      .m_data(y2_data),
      .m_valid(y2_valid),
      .m_ready(y2_ready),
      .m_last(y2_last)
  );

  refold #(
      .BITS(K),
      .RUN(HALF),
      .IN_FOLD(FOLD),
      .OUT_FOLD(HALF)
  ) pixels1 (
      .clk,
      .rst_n,
      .s_data(y1s_data[JOINED*BITS+:BITS]),
      .s_valid(y1s_valid[JOINED]),
      .s_ready(y1s_ready[JOINED]),
      .s_last(y1s_last[JOINED]),
      .m_data(joined1_data),
      .m_valid(joined1_valid),
      .m_ready(joined1_ready),
      .m_last(joined1_last)
  );

  refold #(
      .BITS(K),
      .RUN(HALF),
      .IN_FOLD(FOLD),
      .OUT_FOLD(HALF)
  ) pixels2 (
      .clk,
      .rst_n,
      .s_data(y2_data),
      .s_valid(y2_valid),
      .s_ready(y2_ready),
      .s_last(y2_last),
      .m_data(joined2_data),
      .m_valid(joined2_valid),
      .m_ready(joined2_ready),
      .m_last(joined2_last)
  );

  concat #(
      .INPUTS(2),
      .C(C),
      .BITS(K),
      .OUT_FOLD(FOLD)
  ) both (
      .clk,
      .rst_n,
      .s_data({joined2_data, joined1_data}),
      .s_valid({joined2_valid, joined1_valid}),
      .s_ready({joined2_ready, joined1_ready}),
      .s_last({joined2_last, joined1_last}),
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );
endmodule

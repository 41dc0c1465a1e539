// Multiplexed residual block of MOGNET (AICAS 2022): I1 = CFLOG(CFLOG(x)), I0 = bitshift(x, I1), S = TGAP(x),
// m = S ? I1 : I0.
//
//   s --+-- c1 -- c2 --+----------------- I1 --+
//       |              |                       |
//       |              +-- bitshift ---- I0 -- mux -- m
//       |                     |                |
//       +---------------------+                |
//       |                                      |
//       +-- tgap ------------------------ S ---+
//
// Where the stream forks, each branch has a FIFO of a frame: S is known only after the whole of x, and x must wait for
// I1. See `assemble` for why a frame is enough.
//
// K: bits of the activations. FILES: what the names of the constants' files begin with, up to the block's name.
// C1_..., C2_...: see `cflog`.
// s, m: words of FOLD channels, NHWC.
module mrb #(
    parameter int C = 4,
    parameter int H = 1,
    parameter int W = 1,
    parameter int GROUPS = 1,
    parameter int K = 1,
    parameter int FOLD = 1,
    parameter int C1_PW1_BITS = 32,
    parameter int C1_GCONV_BITS = 32,
    parameter int C1_PW2_BITS = 32,
    parameter int C1_T_BITS = 1,
    parameter bit C1_T_SIGNED = 0,
    parameter logic [C-1:0] C1_SEED = '0,
    parameter int C2_PW1_BITS = 32,
    parameter int C2_GCONV_BITS = 32,
    parameter int C2_PW2_BITS = 32,
    parameter int C2_T_BITS = 1,
    parameter bit C2_T_SIGNED = 0,
    parameter logic [C-1:0] C2_SEED = '0,
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
  localparam int BITS = FOLD * K;
  localparam int FRAME = H * W * ((C + FOLD - 1) / FOLD);  // words

  // Readers of x and of I1.
  localparam int CONVOLVED = 0, SELECTING = 1, SHIFTED = 2;
  localparam int CHOSEN = 0, MERGED = 1;

  logic [3*BITS-1:0] x_data;
  logic [2:0] x_valid, x_ready, x_last;
  logic [BITS-1:0] c1_data, c2_data, zero_data;
  logic c1_valid, c1_ready, c1_last;
  logic c2_valid, c2_ready, c2_last;
  logic [2*BITS-1:0] one_data;
  logic [1:0] one_valid, one_ready, one_last;
  logic zero_valid, zero_ready, zero_last;
  logic [C-1:0] select_data;
  logic select_valid, select_ready, select_last;

  stream_fork #(
      .BITS(BITS),
      .READERS(3),
      .DEPTH(FRAME)
  ) fork_x (
      .clk,
      .rst_n,
      .s_data,
      .s_valid,
      .s_ready,
      .s_last,
      .m_data(x_data),
      .m_valid(x_valid),
      .m_ready(x_ready),
      .m_last(x_last)
  );

  cflog #(
      .C(C),
      .O(C),
      .H(H),
      .W(W),
      .GROUPS(GROUPS),
      .K(K),
      .FOLD(FOLD),
      .PW1_BITS(C1_PW1_BITS),
      .GCONV_BITS(C1_GCONV_BITS),
      .PW2_BITS(C1_PW2_BITS),
      .SEED(C1_SEED),
      .T_BITS(C1_T_BITS),
      .T_SIGNED(C1_T_SIGNED),
      .FILES({FILES, ".c1"})
  ) c1 (
      .clk,
      .rst_n,
      .s_data(x_data[CONVOLVED*BITS+:BITS]),
      .s_valid(x_valid[CONVOLVED]),
      .s_ready(x_ready[CONVOLVED]),
      .s_last(x_last[CONVOLVED]),
      .m_data(c1_data),
      .m_valid(c1_valid),
      .m_ready(c1_ready),
      .m_last(c1_last)
  );

  cflog #(
      .C(C),
      .O(C),
      .H(H),
      .W(W),
      .GROUPS(GROUPS),
      .K(K),
      .FOLD(FOLD),
      .PW1_BITS(C2_PW1_BITS),
      .GCONV_BITS(C2_GCONV_BITS),
      .PW2_BITS(C2_PW2_BITS),
      .SEED(C2_SEED),
      .T_BITS(C2_T_BITS),
      .T_SIGNED(C2_T_SIGNED),
      .FILES({FILES, ".c2"})
  ) c2 (
      .clk,
      .rst_n,
      .s_data(c1_data),
      .s_valid(c1_valid),
      .s_ready(c1_ready),
      .s_last(c1_last),
      .m_data(c2_data),
      .m_valid(c2_valid),
      .m_ready(c2_ready),
      .m_last(c2_last)
  );

  stream_fork #(
      .BITS(BITS),
      .READERS(2),
      .DEPTH(FRAME)
  ) fork_one (
      .clk,
      .rst_n,
      .s_data(c2_data),
      .s_valid(c2_valid),
      .s_ready(c2_ready),
      .s_last(c2_last),
      .m_data(one_data),
      .m_valid(one_valid),
      .m_ready(one_ready),
      .m_last(one_last)
  );

  bitshift #(
      .FOLD(FOLD),
      .K(K)
  ) merge (
      .clk,
      .rst_n,
      .a_data(x_data[SHIFTED*BITS+:BITS]),
      .a_valid(x_valid[SHIFTED]),
      .a_ready(x_ready[SHIFTED]),
      .a_last(x_last[SHIFTED]),
      .b_data(one_data[MERGED*BITS+:BITS]),
      .b_valid(one_valid[MERGED]),
      .b_ready(one_ready[MERGED]),
      .b_last(one_last[MERGED]),
      .m_data(zero_data),
      .m_valid(zero_valid),
      .m_ready(zero_ready),
      .m_last(zero_last)
  );

  tgap #(
      .C(C),
      .H(H),
      .W(W),
      .BITS(K),
      .TOP((64'd1 << K) - 1),
      .IN_FOLD(FOLD),
      .OUT_FOLD(C)
  ) selector (
      .clk,
      .rst_n,
      .s_data(x_data[SELECTING*BITS+:BITS]),
      .s_valid(x_valid[SELECTING]),
      .s_ready(x_ready[SELECTING]),
      .s_last(x_last[SELECTING]),
      .m_data(select_data),
      .m_valid(select_valid),
      .m_ready(select_ready),
      .m_last(select_last)
  );

  mux #(
      .C(C),
      .S_FOLD(C),
      .FOLD(FOLD),
      .BITS(K)
  ) choice (
      .clk,
      .rst_n,
      .s_data(select_data),
      .s_valid(select_valid),
      .s_ready(select_ready),
      .s_last(select_last),
      .one_data(one_data[CHOSEN*BITS+:BITS]),
      .one_valid(one_valid[CHOSEN]),
      .one_ready(one_ready[CHOSEN]),
      .one_last(one_last[CHOSEN]),
      .zero_data,
      .zero_valid,
      .zero_ready,
      .zero_last,
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );
endmodule

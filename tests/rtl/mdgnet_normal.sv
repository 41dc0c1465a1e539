// Normal block of MDGNet (GRETSI 2023), with channels that are skipped for real:
// d = act(DW(x)), u = GCM(x), S = TGAP(d), m = shuffle(S ? d : bitshift(d, u)).
//
//   s --+-- dw -- act -- d --+--------------------------- I1 --+
//       |                    |                             |
//       |                    +----------- bitshift -- I0 -- mux -- shuffle -- m
//       |                    |               |             |
//       |                    +-- tgap -- S --|-------+-----+
//       |                                    u       |
//       |                                    |   mdgnet_demand
//       |                                    |       |
//       +---------------------------------- gcm -----+  masks of pw, gc1, gc2
//
// S needs the whole map of d, so the depthwise branch comes first: x waits in a FIFO of a frame until the masks of the
// frame are there, and the convolutions of the GCM make no product in channels that nobody needs. Where a stream forks,
// each branch has a FIFO of a frame. See `assemble` for why that is enough.
//
// K: bits of the activations. DW_BITS, PW_BITS, GC1_BITS, GC2_BITS: of the accumulators. FILES: what the names of the
// constants' files begin with, up to the block's name. T0_BITS, T1_BITS, T2_BITS, ...: codes of the thresholds behind
// dw, gc1 and gc2. NAME: see `conv2d`.
// s, m: words of FOLD channels, NHWC.
module mdgnet_normal #(
    parameter int C = 4,
    parameter int H = 1,
    parameter int W = 1,
    parameter int GROUPS = 1,
    parameter int K = 1,
    parameter int FOLD = 1,
    parameter int DW_BITS = 32,
    parameter int PW_BITS = 32,
    parameter int GC1_BITS = 32,
    parameter int GC2_BITS = 32,
    parameter int T0_BITS = 1,
    parameter bit T0_SIGNED = 0,
    parameter int T1_BITS = 1,
    parameter bit T1_SIGNED = 0,
    parameter int T2_BITS = 1,
    parameter bit T2_SIGNED = 0,
    parameter int GCM_SHUFFLE_BITS = 1,
    parameter int GCM_FIRST_BITS = 1,
    parameter int SHUFFLE_BITS = 1,
    parameter FILES = "",
    parameter NAME = ""
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

  localparam int MASKS = C + C / 4 + C / 2 + C / 2;  // bits: S, then the masks of pw, gc1 and gc2

  // Readers of x, of d and of the masks.
  localparam int FILTERED = 0, GROUPED = 1;
  localparam int CHOSEN = 0, MERGED = 1, SELECTING = 2;
  localparam int MUX = 0, PW = 1, GC1 = 2, GC2 = 3;

  logic [2*BITS-1:0] x_data;
  logic [1:0] x_valid, x_ready, x_last;
  logic [FOLD*DW_BITS-1:0] z_data;
  logic z_valid, z_ready, z_last;
  logic [BITS-1:0] act_data, u_data, zero_data, out_data;
  logic act_valid, act_ready, act_last;
  logic [3*BITS-1:0] d_data;
  logic [2:0] d_valid, d_ready, d_last;
  logic u_valid, u_ready, u_last;
  logic zero_valid, zero_ready, zero_last;
  logic out_valid, out_ready, out_last;
  logic [C-1:0] select_data;
  logic select_valid, select_ready, select_last;
  /* verilator lint_off UNUSEDSIGNAL */  // each reader takes its mask and leaves the others
  logic [4*MASKS-1:0] masks_data;
  /* verilator lint_on UNUSEDSIGNAL */
  logic [3:0] masks_valid, masks_ready, masks_last;
  logic [C/4-1:0] pw_mask;
  logic [C/2-1:0] gc1_mask, gc2_mask;

  stream_fork #(
      .BITS(BITS),
      .READERS(2),
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

  /* verilator lint_off PINCONNECTEMPTY */  // S is made of all channels of d, so nobody sends masks for dw
  conv2d #(
      .C(C),
      .H(H),
      .W(W),
      .O(C),
      .KH(3),
      .KW(3),
      .PAD_TOP(1),
      .PAD_LEFT(1),
      .PAD_BOTTOM(1),
      .PAD_RIGHT(1),
      .GROUPS(C),
      .A_BITS(K),
      .IN_FOLD(FOLD),
      .OUT_FOLD(FOLD),
      .W_FOLD(FOLD),
      .WEIGHTS({FILES, ".dw.weight.memh"}),
      .ACC_BITS(DW_BITS),
      .LANES(9),
      .NAME({NAME, ".dw"})
  ) dw (
      .clk,
      .rst_n,
      .s_data(x_data[FILTERED*BITS+:BITS]),
      .s_valid(x_valid[FILTERED]),
      .s_ready(x_ready[FILTERED]),
      .s_last(x_last[FILTERED]),
      .d_data({C{1'b0}}),
      .d_valid(1'b0),
      .d_ready(),
      .d_last(1'b0),
      .m_data(z_data),
      .m_valid(z_valid),
      .m_ready(z_ready),
      .m_last(z_last)
  );
  /* verilator lint_on PINCONNECTEMPTY */

  threshold #(
      .C(C),
      .FOLD(FOLD),
      .IN_BITS(DW_BITS),
      .IN_SIGNED(1),
      .OUT_BITS(K),
      .COUNT((1 << K) - 1),
      .T_BITS(T0_BITS),
      .T_SIGNED(T0_SIGNED),
      .THRESHOLDS({FILES, ".dw.act.thresholds.memh"}),
      .DESCENDING({FILES, ".dw.act.descending.memh"})
  ) dw_act (
      .clk,
      .rst_n,
      .s_data(z_data),
      .s_valid(z_valid),
      .s_ready(z_ready),
      .s_last(z_last),
      .m_data(act_data),
      .m_valid(act_valid),
      .m_ready(act_ready),
      .m_last(act_last)
  );

  stream_fork #(
      .BITS(BITS),
      .READERS(3),
      .DEPTH(FRAME)
  ) fork_d (
      .clk,
      .rst_n,
      .s_data(act_data),
      .s_valid(act_valid),
      .s_ready(act_ready),
      .s_last(act_last),
      .m_data(d_data),
      .m_valid(d_valid),
      .m_ready(d_ready),
      .m_last(d_last)
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
      .s_data(d_data[SELECTING*BITS+:BITS]),
      .s_valid(d_valid[SELECTING]),
      .s_ready(d_ready[SELECTING]),
      .s_last(d_last[SELECTING]),
      .m_data(select_data),
      .m_valid(select_valid),
      .m_ready(select_ready),
      .m_last(select_last)
  );

  mdgnet_demand #(
      .C(C),
      .GROUPS(GROUPS)
  ) demand (
      .select(select_data),
      .gc2(gc2_mask),
      .gc1(gc1_mask),
      .pw(pw_mask)
  );

  stream_fork #(
      .BITS(MASKS),
      .READERS(4),
      .DEPTH(1)
  ) fork_masks (
      .clk,
      .rst_n,
      .s_data({gc2_mask, gc1_mask, pw_mask, select_data}),
      .s_valid(select_valid),
      .s_ready(select_ready),
      .s_last(select_last),
      .m_data(masks_data),
      .m_valid(masks_valid),
      .m_ready(masks_ready),
      .m_last(masks_last)
  );

  gcm #(
      .C(C),
      .H(H),
      .W(W),
      .GROUPS(GROUPS),
      .K(K),
      .FOLD(FOLD),
      .PW_BITS(PW_BITS),
      .GC1_BITS(GC1_BITS),
      .GC2_BITS(GC2_BITS),
      .T1_BITS(T1_BITS),
      .T1_SIGNED(T1_SIGNED),
      .T2_BITS(T2_BITS),
      .T2_SIGNED(T2_SIGNED),
      .SHUFFLE_BITS(GCM_SHUFFLE_BITS),
      .FIRST_BITS(GCM_FIRST_BITS),
      .FILES({FILES, ".gcm"}),
      .NAME({NAME, ".gcm"})
  ) groups (
      .clk,
      .rst_n,
      .s_data(x_data[GROUPED*BITS+:BITS]),
      .s_valid(x_valid[GROUPED]),
      .s_ready(x_ready[GROUPED]),
      .s_last(x_last[GROUPED]),
      .pw_data(masks_data[PW*MASKS+C+:C/4]),
      .pw_valid(masks_valid[PW]),
      .pw_ready(masks_ready[PW]),
      .pw_last(masks_last[PW]),
      .gc1_data(masks_data[GC1*MASKS+C+C/4+:C/2]),
      .gc1_valid(masks_valid[GC1]),
      .gc1_ready(masks_ready[GC1]),
      .gc1_last(masks_last[GC1]),
      .gc2_data(masks_data[GC2*MASKS+C+C/4+C/2+:C/2]),
      .gc2_valid(masks_valid[GC2]),
      .gc2_ready(masks_ready[GC2]),
      .gc2_last(masks_last[GC2]),
      .m_data(u_data),
      .m_valid(u_valid),
      .m_ready(u_ready),
      .m_last(u_last)
  );

  bitshift #(
      .FOLD(FOLD),
      .K(K)
  ) merge (
      .clk,
      .rst_n,
      .a_data(d_data[MERGED*BITS+:BITS]),
      .a_valid(d_valid[MERGED]),
      .a_ready(d_ready[MERGED]),
      .a_last(d_last[MERGED]),
      .b_data(u_data),
      .b_valid(u_valid),
      .b_ready(u_ready),
      .b_last(u_last),
      .m_data(zero_data),
      .m_valid(zero_valid),
      .m_ready(zero_ready),
      .m_last(zero_last)
  );

  mux #(
      .C(C),
      .S_FOLD(C),
      .FOLD(FOLD),
      .BITS(K)
  ) choice (
      .clk,
      .rst_n,
      .s_data(masks_data[MUX*MASKS+:C]),
      .s_valid(masks_valid[MUX]),
      .s_ready(masks_ready[MUX]),
      .s_last(masks_last[MUX]),
      .one_data(d_data[CHOSEN*BITS+:BITS]),
      .one_valid(d_valid[CHOSEN]),
      .one_ready(d_ready[CHOSEN]),
      .one_last(d_last[CHOSEN]),
      .zero_data,
      .zero_valid,
      .zero_ready,
      .zero_last,
      .m_data(out_data),
      .m_valid(out_valid),
      .m_ready(out_ready),
      .m_last(out_last)
  );

  channel_select #(
      .C_IN(C),
      .C_OUT(C),
      .BITS(K),
      .IN_FOLD(FOLD),
      .OUT_FOLD(FOLD),
      .I_BITS(SHUFFLE_BITS),
      .INDICES({FILES, ".shuffle.indices.memh"})
  ) shuffle (
      .clk,
      .rst_n,
      .s_data(out_data),
      .s_valid(out_valid),
      .s_ready(out_ready),
      .s_last(out_last),
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );
endmodule

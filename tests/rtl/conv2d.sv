// Convolution, one output channel after the other, LANES products a cycle:
// acc[o, y, x] = sum over taps of weight[o, ky, kx, i] * window[ky, kx, group(o) * C/GROUPS + i]
// with the windows of `line_buffer` and the accumulator of `ternary_mac`. A dense layer is the case of a 1 x 1 map.
//
// Weights: the file WEIGHTS ($readmemh), W_FOLD inputs a word, in the order O KH KW I, I = C / GROUPS; where W_FOLD
// does not divide I, the last word of each run is partial. Or GENERATED: C rows of rule 30 from SEED, written into the
// same memory once after the reset; W_CODE is then "bipolar" and the kernel 1 x 1 without groups.
// ORDER: of the products, "KKC" (ky, kx, i) or "CKK" (i, ky, kx), outermost first; it and LANES (the fold of the
// accumulator) matter with OVERFLOW "saturate" only.
//
// s: words of IN_FOLD channels, NHWC. m: words of OUT_FOLD accumulators, NHWC.
// d, read where DEMAND: one mask a frame, bit o = channel o is demanded, taken with the last output of the frame. A
// channel that is not demanded is sent as 0 and costs a cycle, but no product.
// `macs` counts the products made; it is printed at the end of the simulation where NAME is given.
// Latency: a window's outputs take O * ceil(KH * KW * I / LANES) cycles when all are demanded.
module conv2d #(
    parameter int C = 1,
    parameter int H = 1,
    parameter int W = 1,
    parameter int O = 1,
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
    parameter int GROUPS = 1,
    parameter int A_BITS = 1,
    parameter bit A_SIGNED = 0,
    parameter logic [C*A_BITS-1:0] PAD = '0,
    parameter int IN_FOLD = 1,
    parameter int OUT_FOLD = 1,
    parameter int W_BITS = 2,
    parameter W_CODE = "ternary",
    parameter int W_FOLD = 1,
    parameter WEIGHTS = "",
    parameter bit GENERATED = 0,
    parameter logic [O-1:0] SEED = '0,
    parameter int ACC_BITS = 32,
    parameter OVERFLOW = "prove",
    parameter ORDER = "KKC",
    parameter int LANES = 1,
    parameter bit DEMAND = 0,
    parameter NAME = ""
) (
    input logic clk,
    input logic rst_n,
    input logic [IN_FOLD*A_BITS-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    input logic [O-1:0] d_data,
    input logic d_valid,
    output logic d_ready,
    /* verilator lint_off UNUSEDSIGNAL */  // a mask is one beat
    input logic d_last,
    /* verilator lint_on UNUSEDSIGNAL */
    output logic [OUT_FOLD*ACC_BITS-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  /* verilator lint_off WIDTH */  // strings of different lengths are compared
  localparam bit CHANNELS_FIRST = ORDER == "CKK";
  /* verilator lint_on WIDTH */
  localparam int I = C / GROUPS;
  localparam int KERNEL = KH * KW;
  localparam int TAPS = KERNEL * I;
  localparam int BEATS = (TAPS + LANES - 1) / LANES;
  localparam int RUN = (I + W_FOLD - 1) / W_FOLD;  // words of the weights of one kernel position

  logic [KERNEL*C*A_BITS-1:0] window;
  logic window_valid, window_ready, window_last;
  logic [W_FOLD*W_BITS-1:0] weights[0:O*KERNEL*RUN-1];
  logic weights_ready;
  logic [LANES-1:0] live;
  logic [LANES*A_BITS-1:0] a;
  logic [LANES*W_BITS-1:0] weight;
  logic [ACC_BITS-1:0] acc;
  logic sum_valid, sum_ready;
  logic demanded, busy, step;
  integer channel;  // the output channel
  integer beat;  // of its products

  line_buffer #(
      .BITS(A_BITS),
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
      .PAD(PAD)
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

  generate
    if (GENERATED) begin : generated
      logic [31:0] t;  // row of the automaton: input channel
      logic [O-1:0] row;
      rule30 #(
          .CELLS(O),
          .SEED(SEED)
      ) automaton (
          .clk,
          .rst_n,
          .step(!weights_ready),
          .row
      );
      assign weights_ready = t == C;
      for (genvar o = 0; o < O; o++) begin : column
        always_ff @(posedge clk) if (!weights_ready) weights[o*RUN+t/W_FOLD][t%W_FOLD] <= row[o];
      end
      always_ff @(posedge clk) begin
        if (!rst_n) begin
          t <= 0;
        end else if (!weights_ready) begin
          t <= t + 1;
        end
      end
    end else begin : stored
      assign weights_ready = 1'b1;
      initial $readmemh(WEIGHTS, weights);
    end

    for (genvar lane = 0; lane < LANES; lane++) begin : tap
      int number, k, i;
      assign number = beat * LANES + lane;
      assign k = CHANNELS_FIRST ? number % KERNEL : number / I;
      assign i = CHANNELS_FIRST ? number / KERNEL : number % I;
      assign live[lane] = number < TAPS;  // the last beat need not be full
      assign a[lane*A_BITS+:A_BITS] = window[(k*C+channel/(O/GROUPS)*I+i)*A_BITS+:A_BITS];
      assign weight[lane*W_BITS+:W_BITS] = weights[(channel*KERNEL+k)*RUN+i/W_FOLD][(i%W_FOLD)*W_BITS+:W_BITS];
    end
  endgenerate

  ternary_mac #(
      .LANES(LANES),
      .A_BITS(A_BITS),
      .A_SIGNED(A_SIGNED),
      .W_BITS(W_BITS),
      .W_CODE(W_CODE),
      .ACC_BITS(ACC_BITS),
      .OVERFLOW(OVERFLOW)
  ) mac (
      .clk,
      .enable(step && demanded),
      .first(beat == 0),
      .live,
      .a,
      .weight,
      .acc
  );

  assign demanded = !DEMAND || d_data[channel];
  assign busy = window_valid && weights_ready && (!DEMAND || d_valid);
  assign sum_valid = busy && (!demanded || beat == BEATS - 1);
  assign step = busy && (!sum_valid || sum_ready);
  assign window_ready = sum_valid && sum_ready && channel == O - 1;
  assign d_ready = window_ready && window_last;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      channel <= 0;
      beat <= 0;
    end else if (step) begin
      beat <= sum_valid ? 0 : beat + 1;
      if (sum_valid) channel <= channel == O - 1 ? 0 : channel + 1;
    end
  end

  refold #(
      .BITS(ACC_BITS),
      .RUN(O),
      .IN_FOLD(1),
      .OUT_FOLD(OUT_FOLD)
  ) words (
      .clk,
      .rst_n,
      .s_data(demanded ? acc : '0),
      .s_valid(sum_valid),
      .s_ready(sum_ready),
      .s_last(window_last && channel == O - 1),
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );

`ifndef SYNTHESIS
  int macs;
  always_ff @(posedge clk) begin
    if (!rst_n) macs <= 0;
    else if (step && demanded) macs <= macs + $countones(live);
  end
  final if (NAME != "") $display("MACS %s %0d", NAME, macs);
`endif
endmodule

// Channel multiplexer: m[c] = S[c] ? one[c] : zero[c].
//
// s: one run of the C select bits a frame, in words of S_FOLD; taken before the frame's first pixel is sent.
// one, zero, m: words of FOLD channels, C channels a pixel.
// Latency: that of `refold`, twice.
module mux #(
    parameter int C = 1,
    parameter int S_FOLD = 1,
    parameter int FOLD = 1,
    parameter int BITS = 1
) (
    input logic clk,
    input logic rst_n,
    input logic [S_FOLD-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    input logic [FOLD*BITS-1:0] one_data,
    input logic one_valid,
    output logic one_ready,
    input logic one_last,
    input logic [FOLD*BITS-1:0] zero_data,
    input logic zero_valid,
    output logic zero_ready,
    input logic zero_last,
    output logic [FOLD*BITS-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  logic [C-1:0] select;
  logic [C*BITS-1:0] one, zero, chosen;  // whole pixels
  logic has_select, has_one, has_zero, whole, taken, step, one_ends, zero_ends, ends;

  refold #(
      .BITS(1),
      .RUN(C),
      .IN_FOLD(S_FOLD),
      .OUT_FOLD(C)
  ) bits (
      .clk,
      .rst_n,
      .s_data,
      .s_valid,
      .s_ready,
      .s_last,
      .m_data(select),
      .m_valid(has_select),
      .m_ready(step && ends),
      /* verilator lint_off PINCONNECTEMPTY */  // the run is one word
      .m_last()
      /* verilator lint_on PINCONNECTEMPTY */
  );

  refold #(
      .BITS(BITS),
      .RUN(C),
      .IN_FOLD(FOLD),
      .OUT_FOLD(C)
  ) ones (
      .clk,
      .rst_n,
      .s_data(one_data),
      .s_valid(one_valid),
      .s_ready(one_ready),
      .s_last(one_last),
      .m_data(one),
      .m_valid(has_one),
      .m_ready(step),
      .m_last(one_ends)
  );

  refold #(
      .BITS(BITS),
      .RUN(C),
      .IN_FOLD(FOLD),
      .OUT_FOLD(C)
  ) zeros (
      .clk,
      .rst_n,
      .s_data(zero_data),
      .s_valid(zero_valid),
      .s_ready(zero_ready),
      .s_last(zero_last),
      .m_data(zero),
      .m_valid(has_zero),
      .m_ready(step),
      .m_last(zero_ends)
  );

  generate
    for (genvar c = 0; c < C; c++) begin : channel
      assign chosen[c*BITS+:BITS] = select[c] ? one[c*BITS+:BITS] : zero[c*BITS+:BITS];
    end
  endgenerate

  assign whole = &{has_select, has_one, has_zero};
  assign step = whole && taken;
  assign ends = &{one_ends, zero_ends};

  refold #(
      .BITS(BITS),
      .RUN(C),
      .IN_FOLD(C),
      .OUT_FOLD(FOLD)
  ) words (
      .clk,
      .rst_n,
      .s_data(chosen),
      .s_valid(whole),
      .s_ready(taken),
      .s_last(ends),
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );
endmodule

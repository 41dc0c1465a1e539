// Channels by index: m[i] = s[INDICES[i]]. Shuffle, slice and split are this.
//
// INDICES ($readmemh): C_OUT words of I_BITS bits, each 0..C_IN-1.
// s: words of IN_FOLD of the C_IN channels of a pixel. m: words of OUT_FOLD of the C_OUT channels.
// Latency: that of `refold`, twice.
module channel_select #(
    parameter int C_IN = 1,
    parameter int C_OUT = 1,
    parameter int BITS = 1,
    parameter int IN_FOLD = 1,
    parameter int OUT_FOLD = 1,
    parameter int I_BITS = 1,
    parameter INDICES = ""
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
  logic [I_BITS-1:0] indices[C_OUT];
  logic [C_IN*BITS-1:0] pixel;
  logic [C_OUT*BITS-1:0] chosen;
  logic pixel_valid, pixel_ready, pixel_last;

  initial $readmemh(INDICES, indices);

  refold #(
      .BITS(BITS),
      .RUN(C_IN),
      .IN_FOLD(IN_FOLD),
      .OUT_FOLD(C_IN)
  ) pixels (
      .clk,
      .rst_n,
      .s_data,
      .s_valid,
      .s_ready,
      .s_last,
      .m_data(pixel),
      .m_valid(pixel_valid),
      .m_ready(pixel_ready),
      .m_last(pixel_last)
  );

  always_comb begin
    for (int i = 0; i < C_OUT; i++) chosen[i*BITS+:BITS] = pixel[indices[i]*BITS+:BITS];
  end

  refold #(
      .BITS(BITS),
      .RUN(C_OUT),
      .IN_FOLD(C_OUT),
      .OUT_FOLD(OUT_FOLD)
  ) words (
      .clk,
      .rst_n,
      .s_data(chosen),
      .s_valid(pixel_valid),
      .s_ready(pixel_ready),
      .s_last(pixel_last),
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );
endmodule

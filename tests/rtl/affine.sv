// Multiply and add by channel: m = M[c] * z + B[c], modulo 2^OUT_BITS; exact, as OUT_BITS holds the result.
//
// MULTIPLIER, OFFSET ($readmemh): one word for each of C channels, two's complement where M_SIGNED, B_SIGNED.
// s: words of FOLD channels, z modulo 2^OUT_BITS. m: words of FOLD channels; lanes beyond C are 0.
// Latency: one cycle; a word a cycle.
module affine #(
    parameter int C = 1,
    parameter int FOLD = 1,
    parameter int OUT_BITS = 1,
    parameter int M_BITS = 1,
    parameter bit M_SIGNED = 0,
    parameter MULTIPLIER = "",
    parameter int B_BITS = 1,
    parameter bit B_SIGNED = 0,
    parameter OFFSET = ""
) (
    input logic clk,
    input logic rst_n,
    input logic [FOLD*OUT_BITS-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    output logic [FOLD*OUT_BITS-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  logic [M_BITS-1:0] multipliers[C];
  logic [B_BITS-1:0] offsets[C];
  logic [FOLD*OUT_BITS-1:0] results;
  integer channel;  // of lane 0

  initial begin
    $readmemh(MULTIPLIER, multipliers);
    $readmemh(OFFSET, offsets);
  end

  generate
    for (genvar lane = 0; lane < FOLD; lane++) begin : scaler
      logic [OUT_BITS-1:0] m, b;
      resize #(
          .IN_BITS(M_BITS),
          .SIGNED(M_SIGNED),
          .OUT_BITS(OUT_BITS)
      ) multiplier (
          .s_data(multipliers[channel+lane]),
          .m_data(m)
      );
      resize #(
          .IN_BITS(B_BITS),
          .SIGNED(B_SIGNED),
          .OUT_BITS(OUT_BITS)
      ) offset (
          .s_data(offsets[channel+lane]),
          .m_data(b)
      );
      assign results[lane*OUT_BITS+:OUT_BITS] = channel + lane < C ? s_data[lane*OUT_BITS+:OUT_BITS] * m + b : '0;
    end
  endgenerate

  assign s_ready = !m_valid || m_ready;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      m_valid <= 1'b0;
      channel <= 0;
    end else if (s_ready) begin
      m_valid <= s_valid;
      m_data <= results;
      m_last <= s_last;
      if (s_valid) channel <= channel + FOLD >= C ? 0 : channel + FOLD;
    end
  end
endmodule

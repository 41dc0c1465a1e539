// Absolute value: m = z < 0 ? -z : z.
//
// s, m: words of FOLD channels, C channels a pixel. Lanes beyond C are 0 on m.
// Latency: one cycle; a word a cycle.
module absolute #(
    parameter int C = 1,
    parameter int FOLD = 1,
    parameter int IN_BITS = 1,
    parameter bit IN_SIGNED = 0,
    parameter int OUT_BITS = 1
) (
    input logic clk,
    input logic rst_n,
    input logic [FOLD*IN_BITS-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    output logic [FOLD*OUT_BITS-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  logic [FOLD*OUT_BITS-1:0] magnitude;
  integer channel;  // of lane 0

  generate
    for (genvar lane = 0; lane < FOLD; lane++) begin : folding
      logic signed [63:0] z;
      resize #(
          .IN_BITS(IN_BITS),
          .SIGNED(IN_SIGNED),
          .OUT_BITS(64)
      ) operand (
          .s_data(s_data[lane*IN_BITS+:IN_BITS]),
          .m_data(z)
      );
      assign magnitude[lane*OUT_BITS+:OUT_BITS] = channel + lane < C ? OUT_BITS'(z < 0 ? -z : z) : '0;
    end
  endgenerate

  assign s_ready = !m_valid || m_ready;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      m_valid <= 1'b0;
      channel <= 0;
    end else if (s_ready) begin
      m_valid <= s_valid;
      m_data <= magnitude;
      m_last <= s_last;
      if (s_valid) channel <= channel + FOLD >= C ? 0 : channel + FOLD;
    end
  end
endmodule

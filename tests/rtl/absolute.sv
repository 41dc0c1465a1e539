// Absolute value: m = z < 0 ? -z : z.
//
// s, m: words of FOLD channels; unused lanes stay 0. OUT_BITS holds every m, the opposite of the lowest z too.
// Latency: one cycle; a word a cycle.
module absolute #(
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

  generate
    for (genvar lane = 0; lane < FOLD; lane++) begin : folding
      logic [IN_BITS-1:0] z, opposite;
      assign z = s_data[lane*IN_BITS+:IN_BITS];
      assign opposite = -z;
      assign magnitude[lane*OUT_BITS+:OUT_BITS] = OUT_BITS'(IN_SIGNED && z[IN_BITS-1] ? opposite : z);
    end
  endgenerate

  assign s_ready = !m_valid || m_ready;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      m_valid <= 1'b0;
    end else if (s_ready) begin
      m_valid <= s_valid;
      m_data <= magnitude;
      m_last <= s_last;
    end
  end
endmodule

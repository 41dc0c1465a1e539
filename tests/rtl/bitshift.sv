// Merge of two branches of K-bit levels: m = (a + b) >> 1, rounded down; for K = 1 m = a OR b.
//
// a, b, m: words of FOLD channels; unused lanes stay 0. OUT_BITS, at most K, holds every m.
// Latency: one cycle; a word a cycle.
module bitshift #(
    parameter int FOLD = 1,
    parameter int K = 1,
    parameter int OUT_BITS = K
) (
    input logic clk,
    input logic rst_n,
    input logic [FOLD*K-1:0] a_data,
    input logic a_valid,
    output logic a_ready,
    input logic a_last,
    input logic [FOLD*K-1:0] b_data,
    input logic b_valid,
    output logic b_ready,
    input logic b_last,
    output logic [FOLD*OUT_BITS-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  logic [FOLD*OUT_BITS-1:0] merged;
  logic step;

  generate
    for (genvar lane = 0; lane < FOLD; lane++) begin : merge
      logic [K-1:0] a, b;
      assign a = a_data[lane*K+:K];
      assign b = b_data[lane*K+:K];
      if (K == 1) begin : either
        assign merged[lane] = a | b;
      end else begin : mean
        logic [K:0] sum;
        assign sum = {1'b0, a} + {1'b0, b};
        assign merged[lane*OUT_BITS+:OUT_BITS] = OUT_BITS'(sum >> 1);
      end
    end
  endgenerate

  assign step = a_valid && b_valid && (!m_valid || m_ready);
  assign a_ready = step;
  assign b_ready = step;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      m_valid <= 1'b0;
    end else begin
      if (m_ready) m_valid <= 1'b0;
      if (step) begin
        m_valid <= 1'b1;
        m_data <= merged;
        m_last <= &{a_last, b_last};
      end
    end
  end
endmodule

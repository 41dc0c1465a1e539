// Weighted sum: m = sum over i of MULTIPLIERS[i] * x[i], modulo 2^BITS; exact, as BITS holds the sum.
//
// MULTIPLIERS: BITS bits for each input, input 0 in the least significant ones, as are its words in s_data.
// s: INPUTS streams of words of FOLD elements. m: words of FOLD elements; unused lanes stay 0.
// Latency: one cycle; a word a cycle.
module add #(
    parameter int INPUTS = 2,
    parameter int FOLD = 1,
    parameter int BITS = 1,
    parameter logic [INPUTS*BITS-1:0] MULTIPLIERS = '1
) (
    input logic clk,
    input logic rst_n,
    input logic [INPUTS*FOLD*BITS-1:0] s_data,
    input logic [INPUTS-1:0] s_valid,
    output logic [INPUTS-1:0] s_ready,
    input logic [INPUTS-1:0] s_last,
    output logic [FOLD*BITS-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  logic [FOLD*BITS-1:0] sums;
  logic step;

  always_comb begin
    sums = '0;
    for (int i = 0; i < INPUTS; i++) begin
      for (int lane = 0; lane < FOLD; lane++) begin
        sums[lane*BITS+:BITS] = sums[lane*BITS+:BITS]
            + MULTIPLIERS[i*BITS+:BITS] * s_data[(i*FOLD+lane)*BITS+:BITS];
      end
    end
  end

  assign step = &s_valid && (!m_valid || m_ready);
  assign s_ready = {INPUTS{step}};

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      m_valid <= 1'b0;
    end else begin
      if (m_ready) m_valid <= 1'b0;
      if (step) begin
        m_valid <= 1'b1;
        m_data <= sums;
        m_last <= &s_last;
      end
    end
  end
endmodule

// First in, first out, DEPTH words.
//
// s, m: the same words. Latency: one cycle; a word a cycle.
module stream_fifo #(
    parameter int BITS = 1,
    parameter int DEPTH = 1
) (
    input logic clk,
    input logic rst_n,
    input logic [BITS-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    output logic [BITS-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  logic [BITS:0] words[DEPTH];  // with s_last on top
  integer head, tail;  // where words are taken out, and put in
  integer count;
  logic put, take;

  assign s_ready = count < DEPTH;
  assign m_valid = count > 0;
  assign {m_last, m_data} = words[head];
  assign put = s_valid && s_ready;
  assign take = m_valid && m_ready;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      head <= 0;
      tail <= 0;
      count <= 0;
    end else begin
      if (put) begin
        words[tail] <= {s_last, s_data};
        tail <= tail == DEPTH - 1 ? 0 : tail + 1;
      end
      if (take) head <= head == DEPTH - 1 ? 0 : head + 1;
      count <= count + (put ? 1 : 0) - (take ? 1 : 0);
    end
  end
endmodule

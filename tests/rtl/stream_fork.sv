// One stream for several readers, each behind a FIFO of DEPTH words; a word is let in when all FIFOs have room for it.
//
// s: words. m: the same words for each of READERS, reader 0 in the least significant bits.
// Latency: one cycle; a word a cycle.
module stream_fork #(
    parameter int BITS = 1,
    parameter int READERS = 2,
    parameter int DEPTH = 1
) (
    input logic clk,
    input logic rst_n,
    input logic [BITS-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    output logic [READERS*BITS-1:0] m_data,
    output logic [READERS-1:0] m_valid,
    input logic [READERS-1:0] m_ready,
    output logic [READERS-1:0] m_last
);
  logic [READERS-1:0] room;

  assign s_ready = &room;

  generate
    for (genvar reader = 0; reader < READERS; reader++) begin : branch
      stream_fifo #(
          .BITS(BITS),
          .DEPTH(DEPTH)
      ) fifo (
          .clk,
          .rst_n,
          .s_data,
          .s_valid(s_valid && s_ready),
          .s_ready(room[reader]),
          .s_last,
          .m_data(m_data[reader*BITS+:BITS]),
          .m_valid(m_valid[reader]),
          .m_ready(m_ready[reader]),
          .m_last(m_last[reader])
      );
    end
  endgenerate
endmodule

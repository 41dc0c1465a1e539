// Table: m = entries[c][z - START]. (`table` is a keyword of the language.)
//
// ENTRIES ($readmemh): SIZE words of E_BITS bits, two's complement where E_SIGNED, for each of ROWS channels. ROWS is
// C, or 1 where all channels are alike.
//
// s, m: words of FOLD channels, C channels a pixel. Lanes beyond C are 0 on m.
// Latency: one cycle; a word a cycle.
module table_lookup #(
    parameter int C = 1,
    parameter int FOLD = 1,
    parameter int IN_BITS = 1,
    parameter bit IN_SIGNED = 0,
    parameter int OUT_BITS = 1,
    parameter int ROWS = C,
    parameter int SIZE = 2,
    parameter int START = 0,
    parameter int E_BITS = 1,
    parameter bit E_SIGNED = 0,
    parameter ENTRIES = ""
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
  logic [E_BITS-1:0] entries[ROWS*SIZE];
  logic [FOLD*OUT_BITS-1:0] found;
  integer channel;  // of lane 0

  initial $readmemh(ENTRIES, entries);

  generate
    for (genvar lane = 0; lane < FOLD; lane++) begin : reader
      logic [31:0] z;
      /* verilator lint_off UNUSEDSIGNAL */  // an index has more bits than few entries need
      int place;
      /* verilator lint_on UNUSEDSIGNAL */
      logic [OUT_BITS-1:0] entry;
      resize #(
          .IN_BITS(IN_BITS),
          .SIGNED(IN_SIGNED),
          .OUT_BITS(32)
      ) operand (
          .s_data(s_data[lane*IN_BITS+:IN_BITS]),
          .m_data(z)
      );
      assign place = (ROWS == 1 ? 0 : (channel + lane) * SIZE) + z - START;
      resize #(
          .IN_BITS(E_BITS),
          .SIGNED(E_SIGNED),
          .OUT_BITS(OUT_BITS)
      ) result (
          .s_data(entries[place]),
          .m_data(entry)
      );
      assign found[lane*OUT_BITS+:OUT_BITS] = channel + lane < C ? entry : '0;
    end
  endgenerate

  assign s_ready = !m_valid || m_ready;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      m_valid <= 1'b0;
      channel <= 0;
    end else if (s_ready) begin
      m_valid <= s_valid;
      m_data <= found;
      m_last <= s_last;
      if (s_valid) channel <= channel + FOLD >= C ? 0 : channel + FOLD;
    end
  end
endmodule

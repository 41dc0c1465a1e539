// The same elements under another fold: a run of RUN elements (the channels of a pixel) comes in words of IN_FOLD
// lanes and leaves in words of OUT_FOLD lanes, element 0 in the least significant bits. Where a fold does not divide
// RUN, the last word of a run is partial; its unused lanes are 0.
//
// s: words of a run, s_last on the last word of a frame. m: likewise.
// Latency: a run is taken completely, then sent: one cycle after its last word.
module refold #(
    parameter int BITS = 1,
    parameter int RUN = 1,
    parameter int IN_FOLD = 1,
    parameter int OUT_FOLD = 1
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
  localparam int IN_WORDS = (RUN + IN_FOLD - 1) / IN_FOLD;
  localparam int OUT_WORDS = (RUN + OUT_FOLD - 1) / OUT_FOLD;
  localparam int LANES = IN_WORDS * IN_FOLD > OUT_WORDS * OUT_FOLD ? IN_WORDS * IN_FOLD : OUT_WORDS * OUT_FOLD;

  logic [LANES*BITS-1:0] run;  // lanes that no word fills keep the 0 of the reset
  logic last;
  integer taken;
  integer sent;

  assign s_ready = taken < IN_WORDS;
  assign m_valid = taken == IN_WORDS;
  assign m_data = run[sent*OUT_FOLD*BITS+:OUT_FOLD*BITS];
  assign m_last = last && sent == OUT_WORDS - 1;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      run <= '0;
      taken <= 0;
      sent <= 0;
    end else if (s_valid && s_ready) begin
      run[taken*IN_FOLD*BITS+:IN_FOLD*BITS] <= s_data;
      last <= s_last;
      taken <= taken + 1;
    end else if (m_valid && m_ready) begin
      if (sent == OUT_WORDS - 1) begin
        taken <= 0;
        sent <= 0;
      end else begin
        sent <= sent + 1;
      end
    end
  end
endmodule

// Threshold: batch norm and activation, and every other quantiser, as integer compares.
// m = BASE + STEP * #{j : z >= T[c, j]}, or with z <= T[c, j] in the channels whose descending bit is 1.
//
// THRESHOLDS ($readmemh): COUNT words of T_BITS bits for each of ROWS channels. DESCENDING: one bit for each of ROWS
// channels. ROWS is C, or 1 where all channels are alike.
//
// s, m: words of FOLD channels, C channels a pixel. Lanes beyond C are 0 on m.
// Latency: one cycle; a word a cycle.
module threshold #(
    parameter int C = 1,
    parameter int FOLD = 1,
    parameter int IN_BITS = 1,
    parameter bit IN_SIGNED = 0,
    parameter int OUT_BITS = 1,
    parameter int COUNT = 1,
    parameter int ROWS = C,
    parameter int T_BITS = 1,
    parameter bit T_SIGNED = 0,
    parameter THRESHOLDS = "",
    parameter DESCENDING = "",
    parameter longint BASE = 0,
    parameter longint STEP = 1
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
  localparam int WIDE = 64;  // holds any value and any threshold, with a sign

  logic [T_BITS-1:0] thresholds[ROWS*COUNT];
  logic descending[ROWS];
  logic [FOLD*OUT_BITS-1:0] codes;
  integer channel;  // of lane 0

  initial begin
    $readmemh(THRESHOLDS, thresholds);
    $readmemh(DESCENDING, descending);
  end

  function automatic logic signed [WIDE-1:0] extended(input logic [T_BITS-1:0] bound);
    extended = T_SIGNED ? WIDE'($signed(bound)) : WIDE'(bound);
  endfunction

  generate
    for (genvar lane = 0; lane < FOLD; lane++) begin : quantiser
      integer row, crossed;
      logic signed [WIDE-1:0] z;
      logic [IN_BITS-1:0] level;
      assign level = s_data[lane*IN_BITS+:IN_BITS];
      assign z = IN_SIGNED ? WIDE'($signed(level)) : WIDE'(level);
      assign row = ROWS == 1 ? 0 : channel + lane;
      always_comb begin
        crossed = 0;
        for (int j = 0; j < COUNT; j++) begin
          if (descending[row] ? z <= extended(thresholds[row*COUNT+j]) : z >= extended(thresholds[row*COUNT+j]))
            crossed = crossed + 1;
        end
        codes[lane*OUT_BITS+:OUT_BITS] = channel + lane < C ? OUT_BITS'(BASE + STEP * crossed) : '0;
      end
    end
  endgenerate

  assign s_ready = !m_valid || m_ready;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      m_valid <= 1'b0;
      channel <= 0;
    end else if (s_ready) begin
      m_valid <= s_valid;
      m_data <= codes;
      m_last <= s_last;
      if (s_valid) channel <= channel + FOLD >= C ? 0 : channel + FOLD;
    end
  end
endmodule

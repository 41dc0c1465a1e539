// Concatenation along channels: a pixel of m has the channels of input 0, then those of input 1, and so on.
//
// s: INPUTS streams whose words are whole pixels, side by side in s_data, input 0 in the least significant bits; C is
// the number of channels of all of them. m: words of OUT_FOLD channels.
// Latency: that of `refold`.
module concat #(
    parameter int INPUTS = 2,
    parameter int C = 2,
    parameter int BITS = 1,
    parameter int OUT_FOLD = 1
) (
    input logic clk,
    input logic rst_n,
    input logic [C*BITS-1:0] s_data,
    input logic [INPUTS-1:0] s_valid,
    output logic [INPUTS-1:0] s_ready,
    input logic [INPUTS-1:0] s_last,
    output logic [OUT_FOLD*BITS-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  logic all_valid, taken;

  assign all_valid = &s_valid;
  assign s_ready = {INPUTS{all_valid && taken}};

  refold #(
      .BITS(BITS),
      .RUN(C),
      .IN_FOLD(C),
      .OUT_FOLD(OUT_FOLD)
  ) words (
      .clk,
      .rst_n,
      .s_data,
      .s_valid(all_valid),
      .s_ready(taken),
      .s_last(&s_last),
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );
endmodule

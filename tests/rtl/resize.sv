// Elements in another width, of the same value modulo 2^OUT_BITS: two's complement where SIGNED.
//
// No clock: words of FOLD lanes, element 0 in the least significant bits, unused lanes (0) stay 0.
module resize #(
    parameter int FOLD = 1,
    parameter int IN_BITS = 1,
    parameter bit SIGNED = 0,
    parameter int OUT_BITS = 1
) (
    input logic [FOLD*IN_BITS-1:0] s_data,
    output logic [FOLD*OUT_BITS-1:0] m_data
);
  generate
    for (genvar lane = 0; lane < FOLD; lane++) begin : element
      logic [IN_BITS-1:0] narrow;
      /* verilator lint_off UNUSEDSIGNAL */  // of a narrower output only the low bits are used
      logic [IN_BITS+OUT_BITS-1:0] wide;
      /* verilator lint_on UNUSEDSIGNAL */
      assign narrow = s_data[lane*IN_BITS+:IN_BITS];
      assign wide = {{OUT_BITS{SIGNED && narrow[IN_BITS-1]}}, narrow};
      assign m_data[lane*OUT_BITS+:OUT_BITS] = wide[OUT_BITS-1:0];
    end
  endgenerate
endmodule

// LANES products a cycle, summed exactly by an adder tree and added to an accumulator of ACC_BITS bits:
// acc = rule((first ? 0 : held) + sum over the lanes that are live of weight[lane] * a[lane])
//
// Weights, by W_CODE: "bipolar" (1 bit: 0 is -1, 1 is +1), "ternary" (11 is -1, 00 is 0, 01 is +1; 10 is no code),
// "twos_complement" and "unsigned" of W_BITS bits. Activations: A_BITS bits, two's complement where A_SIGNED.
// OVERFLOW: "saturate" clips after each beat, so that the order of beats and LANES are part of the result; "wrap" keeps
// the low ACC_BITS bits; "prove" and "trap" never leave the range, so they need no logic.
//
// `acc` is the sum including the beat at the inputs, in the same cycle; `enable` keeps it for the next beat.
module ternary_mac #(
    parameter int LANES = 1,
    parameter int A_BITS = 1,
    parameter bit A_SIGNED = 0,
    parameter int W_BITS = 2,
    parameter W_CODE = "ternary",
    parameter int ACC_BITS = 32,
    parameter OVERFLOW = "prove"
) (
    input logic clk,
    input logic enable,
    input logic first,
    input logic [LANES-1:0] live,
    input logic [LANES*A_BITS-1:0] a,
    input logic [LANES*W_BITS-1:0] weight,
    output logic [ACC_BITS-1:0] acc
);
  /* verilator lint_off WIDTH */  // strings of different lengths are compared
  localparam bit BIPOLAR = W_CODE == "bipolar";
  localparam bit TERNARY = W_CODE == "ternary";
  localparam bit W_SIGNED = W_CODE == "twos_complement";
  localparam bit SATURATE = OVERFLOW == "saturate";
  /* verilator lint_on WIDTH */
  localparam int PRODUCT_BITS = A_BITS + W_BITS + 2;  // of operands with a sign bit each
  localparam int TREE_BITS = PRODUCT_BITS + $clog2(LANES);
  localparam int SUM_BITS = TREE_BITS + ACC_BITS;  // more than any sum needs
  localparam logic signed [SUM_BITS-1:0] HIGHEST = (SUM_BITS'(1) << (ACC_BITS - 1)) - 1;
  localparam logic signed [SUM_BITS-1:0] LOWEST = ~HIGHEST;

  logic signed [PRODUCT_BITS-1:0] product[LANES];
  logic signed [SUM_BITS-1:0] tree, sum;
  logic signed [ACC_BITS-1:0] held;

  generate
    for (genvar lane = 0; lane < LANES; lane++) begin : multiplier
      logic [A_BITS-1:0] level;
      logic [W_BITS-1:0] code;
      logic [PRODUCT_BITS-1:0] value;
      assign level = a[lane*A_BITS+:A_BITS];
      assign code = weight[lane*W_BITS+:W_BITS];
      assign value = A_SIGNED ? PRODUCT_BITS'($signed(level)) : PRODUCT_BITS'(level);
      if (BIPOLAR) begin : bipolar
        assign product[lane] = code[0] ? value : -value;
      end else if (TERNARY) begin : ternary
        assign product[lane] = !code[0] ? '0 : code[1] ? -value : value;
      end else if (W_SIGNED) begin : twos_complement
        assign product[lane] = PRODUCT_BITS'($signed(code)) * value;
      end else begin : unsigned_code
        assign product[lane] = PRODUCT_BITS'(code) * value;
      end
    end
  endgenerate

  always_comb begin
    tree = '0;
    for (int lane = 0; lane < LANES; lane++) tree += live[lane] ? SUM_BITS'(product[lane]) : '0;
    sum = tree + (first ? '0 : SUM_BITS'(held));
    if (SATURATE && sum > HIGHEST) acc = ACC_BITS'(HIGHEST);
    else if (SATURATE && sum < LOWEST) acc = ACC_BITS'(LOWEST);
    else acc = ACC_BITS'(sum);
  end

  always_ff @(posedge clk) begin
    if (enable) held <= acc;
  end
endmodule

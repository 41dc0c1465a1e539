// Rows of weights from the cellular automaton rule 30 on a ring of CELLS cells:
// new[i] = old[i-1] ^ (old[i] | old[i+1]), indices modulo CELLS; bit 1 is the weight +1, bit 0 is -1.
// Row 0 is SEED itself. Bit i of a row belongs to output channel i, row t to input channel t.
//
// Latency: the row is SEED after the reset; it becomes the next one at each clock edge with `step`.
module rule30 #(
    parameter int CELLS = 3,
    parameter logic [CELLS-1:0] SEED = 1
) (
    input logic clk,
    input logic rst_n,
    input logic step,
    output logic [CELLS-1:0] row
);
  logic [CELLS-1:0] left, right;

  assign left = CELLS'({row, row} >> (CELLS - 1));  // left[i] is row[i-1]
  assign right = CELLS'({row, row} >> 1);

  always_ff @(posedge clk) begin
    if (!rst_n) row <= SEED;
    else if (step) row <= left ^ (row | right);
  end
endmodule

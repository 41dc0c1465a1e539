// What the group convolution module (GCM) of a normal block of MDGNet must compute, from the select bits S of the
// block: where S[c] = 1 the multiplexer takes the depthwise branch, and channel c of concat(y1, y2) is not needed.
//
// y1 = GC1(p) and y2 = GC2(t) have A = C/2 channels in GROUPS groups of a = A/GROUPS; p = PW(x) and t have C/4
// channels, b = a/2 a group. t is the first half of y1 shuffled: t[i] = y1[(i mod GROUPS) * a + i div GROUPS].
//   gc2: o with S[A + o] = 0
//   gc1: o with S[o] = 0, and what the groups that gc2 needs read of y1 through t
//   pw:  the whole groups that gc1 reads
//
// No clock: bit o of each mask is output channel o of its convolution.
module mdgnet_demand #(
    parameter int C = 4,
    parameter int GROUPS = 1
) (
    input logic [C-1:0] select,
    output logic [C/2-1:0] gc2,
    output logic [C/2-1:0] gc1,
    output logic [C/4-1:0] pw
);
  localparam int A_GROUP = C / 2 / GROUPS;
  localparam int B_GROUP = A_GROUP / 2;

  logic [GROUPS-1:0] gc2_groups, gc1_groups;
  logic [C/2-1:0] merged;  // channels of y1 that the bitshift reads

  assign {gc2, merged} = ~select;

  always_comb begin
    gc1 = merged;
    for (int q = 0; q < GROUPS; q++) gc2_groups[q] = |gc2[q*A_GROUP+:A_GROUP];
    for (int i = 0; i < C / 4; i++) begin
      if (gc2_groups[i/B_GROUP]) gc1[i%GROUPS*A_GROUP+i/GROUPS] = 1'b1;
    end
    for (int q = 0; q < GROUPS; q++) begin
      gc1_groups[q] = |gc1[q*A_GROUP+:A_GROUP];
      pw[q*B_GROUP+:B_GROUP] = {B_GROUP{gc1_groups[q]}};
    end
  end
endmodule

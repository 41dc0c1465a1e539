// Thresholded global average pool, one select bit a channel: S[c] = 2 * (sum of channel c over the map) > TOP * H * W.
// Strict: a mean of exactly half of the top level gives 0.
//
// s: words of IN_FOLD channels, NHWC; levels 0..TOP of BITS bits, which hold TOP.
// m: one run of the C select bits in words of OUT_FOLD.
// Latency: a frame is taken completely, then its bits are sent; the next frame enters after them.
module tgap #(
    parameter int C = 1,
    parameter int H = 1,
    parameter int W = 1,
    parameter int BITS = 1,
    parameter longint TOP = 1,
    parameter int IN_FOLD = 1,
    parameter int OUT_FOLD = 1
) (
    input logic clk,
    input logic rst_n,
    input logic [IN_FOLD*BITS-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    output logic [OUT_FOLD-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  localparam int SUM_BITS = BITS + $clog2(H * W) + 1;  // of doubled sums, so that nothing is halved
  localparam logic [SUM_BITS-1:0] HALF = SUM_BITS'(TOP * H * W);

  logic [C*BITS-1:0] pixel;
  logic pixel_valid, pixel_ready, pixel_last;
  logic [C-1:0] select;
  logic first;  // pixel of a frame
  logic done, taken;

  refold #(
      .BITS(BITS),
      .RUN(C),
      .IN_FOLD(IN_FOLD),
      .OUT_FOLD(C)
  ) pixels (
      .clk,
      .rst_n,
      .s_data,
      .s_valid,
      .s_ready,
      .s_last,
      .m_data(pixel),
      .m_valid(pixel_valid),
      .m_ready(pixel_ready),
      .m_last(pixel_last)
  );

  assign pixel_ready = !done;

  generate
    for (genvar c = 0; c < C; c++) begin : channel
      logic [SUM_BITS-1:0] sum;
      always_ff @(posedge clk) begin
        if (pixel_valid && pixel_ready) sum <= (first ? '0 : sum) + SUM_BITS'({pixel[c*BITS+:BITS], 1'b0});
      end
      assign select[c] = sum > HALF;
    end
  endgenerate

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      first <= 1'b1;
      done <= 1'b0;
    end else if (pixel_valid && pixel_ready) begin
      first <= pixel_last;
      done <= pixel_last;
    end else if (taken) begin
      done <= 1'b0;
    end
  end

  refold #(
      .BITS(1),
      .RUN(C),
      .IN_FOLD(C),
      .OUT_FOLD(OUT_FOLD)
  ) words (
      .clk,
      .rst_n,
      .s_data(select),
      .s_valid(done),
      .s_ready(taken),
      .s_last(1'b1),
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );
endmodule

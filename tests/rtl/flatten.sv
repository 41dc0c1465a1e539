// Flatten: a map becomes a vector with the channel outermost, m[(c * H + y) * W + x] = s[c, y, x].
//
// s: words of IN_FOLD channels, NHWC. m: one run of C * H * W elements a frame, in words of OUT_FOLD.
// Latency: a frame is taken completely, then sent.
module flatten #(
    parameter int C = 1,
    parameter int H = 1,
    parameter int W = 1,
    parameter int BITS = 1,
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
  localparam int PIXELS = H * W;

  logic [C*BITS-1:0] pixel;
  logic pixel_valid, pixel_ready, pixel_last;
  logic [C*PIXELS*BITS-1:0] frame;
  integer place;  // of the next pixel in the map
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

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      place <= 0;
      done <= 1'b0;
    end else if (pixel_valid && pixel_ready) begin
      for (int c = 0; c < C; c++) frame[(c*PIXELS+place)*BITS+:BITS] <= pixel[c*BITS+:BITS];
      place <= pixel_last ? 0 : place + 1;
      done <= pixel_last;
    end else if (taken) begin
      done <= 1'b0;
    end
  end

  refold #(
      .BITS(BITS),
      .RUN(C * PIXELS),
      .IN_FOLD(C * PIXELS),
      .OUT_FOLD(OUT_FOLD)
  ) words (
      .clk,
      .rst_n,
      .s_data(frame),
      .s_valid(done),
      .s_ready(taken),
      .s_last(1'b1),
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );
endmodule

// Gather: elements of a map in any order, m.flat[i] = s.flat[INDEX[i]], or FILL where the index is negative.
//
// INDEX ($readmemh): OUT_PIXELS * OUT_C words of I_BITS bits, a pixel's channels together; each an address
// (c * H + y) * W + x of the frame buffer, or with I_SIGNED -1.
// s: words of IN_FOLD channels, NHWC. m: OUT_PIXELS pixels of OUT_C channels, in words of OUT_FOLD.
// Latency: a frame is taken completely, then sent.
module gather #(
    parameter int C = 1,
    parameter int H = 1,
    parameter int W = 1,
    parameter int BITS = 1,
    parameter int IN_FOLD = 1,
    parameter int OUT_C = 1,
    parameter int OUT_PIXELS = 1,
    parameter int OUT_FOLD = 1,
    parameter int I_BITS = 1,
    parameter bit I_SIGNED = 1'b0,
    parameter INDEX = "",
    parameter longint FILL = 0
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

  logic [I_BITS-1:0] index[OUT_PIXELS*OUT_C];
  logic [C*BITS-1:0] pixel;
  logic pixel_valid, pixel_ready, pixel_last;
  logic [C*PIXELS*BITS-1:0] frame;
  integer place;  // of the next pixel in the map
  logic full;
  logic [OUT_C*BITS-1:0] chosen;
  logic [I_BITS-1:0] address;
  integer turn;  // of the pixel that is sent
  logic sent;

  initial $readmemh(INDEX, index);

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

  assign pixel_ready = !full;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      place <= 0;
      turn <= 0;
      full <= 1'b0;
    end else if (pixel_valid && pixel_ready) begin
      for (int c = 0; c < C; c++) frame[(c*PIXELS+place)*BITS+:BITS] <= pixel[c*BITS+:BITS];
      place <= pixel_last ? 0 : place + 1;
      full <= pixel_last;
    end else if (full && sent) begin
      turn <= turn == OUT_PIXELS - 1 ? 0 : turn + 1;
      full <= turn != OUT_PIXELS - 1;
    end
  end

  always_comb begin
    for (int c = 0; c < OUT_C; c++) begin
      address = index[turn*OUT_C+c];
      if (I_SIGNED && address[I_BITS-1]) chosen[c*BITS+:BITS] = BITS'(FILL);
      else chosen[c*BITS+:BITS] = frame[address*BITS+:BITS];
    end
  end

  refold #(
      .BITS(BITS),
      .RUN(OUT_C),
      .IN_FOLD(OUT_C),
      .OUT_FOLD(OUT_FOLD)
  ) words (
      .clk,
      .rst_n,
      .s_data(chosen),
      .s_valid(full),
      .s_ready(sent),
      .s_last(turn == OUT_PIXELS - 1),
      .m_data,
      .m_valid,
      .m_ready,
      .m_last
  );
endmodule

// The windows that a KH x KW kernel sees while it slides over a padded map, in raster order:
// m[(ky * KW + kx) * C + c] = padded[y * STRIDE_Y + ky * DILATION_Y][x * STRIDE_X + kx * DILATION_X][c]
// where `padded` is the map with PAD_TOP, PAD_LEFT, PAD_BOTTOM, PAD_RIGHT pixels of PAD around it (one value a channel,
// channel 0 in the least significant bits).
//
// The padded map passes pixel by pixel through a ring that is as long as a window reaches; the pixel that completes a
// window puts it into the output register, where it waits to be taken.
//
// s: words of FOLD channels, pixel after pixel (NHWC), s_last on the last word of a frame.
// m: one window a beat, m_last on the last window of a frame.
// Latency: a cycle for each padded pixel, and those of `refold` that make pixels of words.
module line_buffer #(
    parameter int BITS = 1,
    parameter int FOLD = 1,
    parameter int C = 1,
    parameter int H = 1,
    parameter int W = 1,
    parameter int KH = 1,
    parameter int KW = 1,
    parameter int STRIDE_Y = 1,
    parameter int STRIDE_X = 1,
    parameter int PAD_TOP = 0,
    parameter int PAD_LEFT = 0,
    parameter int PAD_BOTTOM = 0,
    parameter int PAD_RIGHT = 0,
    parameter int DILATION_Y = 1,
    parameter int DILATION_X = 1,
    parameter logic [C*BITS-1:0] PAD = '0
) (
    input logic clk,
    input logic rst_n,
    input logic [FOLD*BITS-1:0] s_data,
    input logic s_valid,
    output logic s_ready,
    input logic s_last,
    output logic [KH*KW*C*BITS-1:0] m_data,
    output logic m_valid,
    input logic m_ready,
    output logic m_last
);
  localparam int ROWS = PAD_TOP + H + PAD_BOTTOM;
  localparam int COLUMNS = PAD_LEFT + W + PAD_RIGHT;
  localparam int REACH_Y = DILATION_Y * (KH - 1) + 1;
  localparam int REACH_X = DILATION_X * (KW - 1) + 1;
  localparam int LAST_Y = (ROWS - REACH_Y) / STRIDE_Y * STRIDE_Y + REACH_Y - 1;  // where the last window is complete
  localparam int LAST_X = (COLUMNS - REACH_X) / STRIDE_X * STRIDE_X + REACH_X - 1;
  localparam int DEPTH = (REACH_Y - 1) * COLUMNS + REACH_X;  // from the first pixel of a window to its last

  logic [C*BITS-1:0] word;
  logic word_valid, word_ready;
  logic [C*BITS-1:0] ring[DEPTH];
  logic [C*BITS-1:0] pixel;
  integer y, x;  // of the next pixel in the padded map
  integer place;  // of the next pixel in the ring
  logic in_map, starts, complete, free, step;

  refold #(
      .BITS(BITS),
      .RUN(C),
      .IN_FOLD(FOLD),
      .OUT_FOLD(C)
  ) pixels (
      .clk,
      .rst_n,
      .s_data,
      .s_valid,
      .s_ready,
      .s_last,
      .m_data(word),
      .m_valid(word_valid),
      .m_ready(word_ready),
      /* verilator lint_off PINCONNECTEMPTY */  // positions are counted: a frame ends where its map does
      .m_last()
      /* verilator lint_on PINCONNECTEMPTY */
  );

  assign in_map = y >= PAD_TOP && y < PAD_TOP + H && x >= PAD_LEFT && x < PAD_LEFT + W;
  assign complete = y >= REACH_Y - 1 && (y - REACH_Y + 1) % STRIDE_Y == 0
      && x >= REACH_X - 1 && (x - REACH_X + 1) % STRIDE_X == 0;
  assign free = !m_valid || m_ready;
  assign starts = y == 0 && x == 0;  // waits for its frame: a border as large as a window would run ahead of it
  assign step = free && (word_valid || !in_map && !starts);
  assign word_ready = free && in_map;
  assign pixel = in_map ? word : PAD;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      y <= 0;
      x <= 0;
      place <= 0;
      m_valid <= 1'b0;
    end else begin
      if (m_ready) m_valid <= 1'b0;
      if (step) begin
        ring[place] <= pixel;
        place <= place == DEPTH - 1 ? 0 : place + 1;
        x <= x == COLUMNS - 1 ? 0 : x + 1;
        if (x == COLUMNS - 1) y <= y == ROWS - 1 ? 0 : y + 1;
      end
      if (step && complete) begin
        m_valid <= 1'b1;
        m_last <= y == LAST_Y && x == LAST_X;
      end
    end
  end

  // A tap that lies `behind` pixels before the newest one.
  generate
    for (genvar ky = 0; ky < KH; ky++) begin : row
      for (genvar kx = 0; kx < KW; kx++) begin : tap
        localparam int BEHIND = (KH - 1 - ky) * DILATION_Y * COLUMNS + (KW - 1 - kx) * DILATION_X;
        always_ff @(posedge clk) begin
          if (step && complete)
            m_data[(ky*KW+kx)*C*BITS+:C*BITS] <= BEHIND == 0 ? pixel : ring[(place+DEPTH-BEHIND)%DEPTH];
        end
      end
    end
  endgenerate
endmodule

// Two banks: a frame goes out while the next comes in. Outputs are 7 minus inputs. Wrong by +fault=NUMBER.
module dut (
    input logic clk,
    input logic rst_n,
    input logic [7:0] s0_axis_tdata,
    input logic s0_axis_tvalid,
    output logic s0_axis_tready,
    input logic s0_axis_tlast,
    output logic [7:0] m0_axis_tdata,
    output logic m0_axis_tvalid,
    input logic m0_axis_tready,
    output logic m0_axis_tlast
);
  localparam int WORDS = 18, ROW = 6;
  int fault;
  initial if ($value$plusargs("fault=%d", fault) == 0) fault = 0;

  logic [2:0] bank[0:2*WORDS-1];
  int into, from, filled;  // the next word of each side, and how many banks are full
  logic into_bank, from_bank;
  int idle, stalled;  // cycles without a word in, and without one taken that is there
  int frames;  // that went out since the power came
  logic sick;
  initial frames = 0;

  logic take, give, took_last, gave_last;
  assign s0_axis_tready = rst_n && filled < 2;
  assign m0_axis_tvalid = rst_n && filled > 0;
  assign m0_axis_tlast = from == WORDS - 1;
  assign m0_axis_tdata = 8'(3'd7 - bank[(from_bank?WORDS:0)+from]) ^ 8'(sick);
  assign take = s0_axis_tvalid && s0_axis_tready;
  assign give = m0_axis_tvalid && m0_axis_tready;
  assign took_last = take && into == WORDS - 1;
  assign gave_last = give && from == WORDS - 1;

  always_comb begin
    case (fault)
      2: sick = stalled >= 300 && m0_axis_tlast;
      3: sick = stalled >= 600 && from == 2 * ROW;
      6: sick = frames == 0 && m0_axis_tlast;
      7: sick = idle >= 100 && stalled >= 100;
      default: sick = 0;
    endcase
  end

  logic lost;  // a word that comes in is another
  assign lost = fault == 4 && idle >= 600 && into == 2 * ROW || fault == 5 && idle >= 300 && into == WORDS - 1
      || fault == 8 && idle >= 256 && m0_axis_tvalid && !m0_axis_tready;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      into <= 0;
      from <= 0;
      filled <= 0;
      into_bank <= 0;
      from_bank <= 0;
      idle <= 0;
      stalled <= 0;
    end else begin
      idle <= take ? 0 : idle + 1;
      stalled <= m0_axis_tvalid && !m0_axis_tready ? stalled + 1 : 0;
      if (take) begin
        bank[(into_bank?WORDS:0)+into] <= s0_axis_tdata[2:0] ^ 3'(lost);
        into <= took_last ? 0 : into + 1;
        if (took_last) into_bank <= !into_bank;
      end
      if (give) begin
        from <= gave_last ? 0 : from + 1;
        if (gave_last) from_bank <= !from_bank;
        if (gave_last) frames <= frames + 1;
      end
      if (fault == 1 && took_last && gave_last) filled <= filled + 1;  // the last ones in and out in one cycle
      else if (fault == 9 && took_last && gave_last) filled <= filled - 1;
      else filled <= filled + 32'(took_last) - 32'(gave_last);
    end
  end
endmodule

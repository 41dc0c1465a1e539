// Thresholded average pool in plain Verilog-2001: 4 channels, 2 a word, maps of 2 x 3, levels 0..7.
`timescale 1ns / 1ps
`default_nettype none
`include "widths.vh"

module pool_top #(parameter PIXELS = 6) (
	input  wire                     clk,
	input  wire                     rst_n,
	input  wire [7:0]               s0_axis_tdata,
	input  wire                     s0_axis_tvalid,
	output wire                     s0_axis_tready,
	input  wire                     s0_axis_tlast,
	output reg  [7:0]               m0_axis_tdata,
	output wire                     m0_axis_tvalid,
	input  wire                     m0_axis_tready,
	output wire                     m0_axis_tlast
);
	localparam TAKE = 2'd0, LOW = 2'd1, HIGH = 2'd2;

	reg [1:0] state;
	reg       upper;  // the channels of the next word
	reg [`SUM_BITS-1:0] sum [0:`CHANNELS-1];
	integer   i;

	// A mean of exactly half of the top level is not above it.
	function above;
		input [`SUM_BITS-1:0] total;
		begin
			above = {total, 1'b0} > 7 * PIXELS;
		end
	endfunction

	assign s0_axis_tready = state == TAKE;
	assign m0_axis_tvalid = state != TAKE;
	assign m0_axis_tlast  = state == HIGH;

	/* The words are made
	   of the sums as they are. */
	always @(*) begin
		case (state)
			LOW:     m0_axis_tdata = {6'b0, above(sum[1]), above(sum[0])};
			default: m0_axis_tdata = {6'b0, above(sum[3]), above(sum[2])};
		endcase
	end

	always @(posedge clk or negedge rst_n) begin
		if (!rst_n) begin
			state <= TAKE;
			upper <= 1'b0;
			for (i = 0; i < `CHANNELS; i = i + 1) sum[i] <= 0;
		end else begin
			case (state)
				TAKE: if (s0_axis_tvalid) begin
					upper <= ~upper;
					sum[{upper, 1'b0}] <= sum[{upper, 1'b0}] + s0_axis_tdata[2:0];
					sum[{upper, 1'b1}] <= sum[{upper, 1'b1}] + s0_axis_tdata[5:3];
					if (s0_axis_tlast) state <= LOW;
				end
				LOW: if (m0_axis_tready) state <= HIGH;
				default: if (m0_axis_tready) begin
					state <= TAKE;
					for (i = 0; i < `CHANNELS; i = i + 1) sum[i] <= 0;
				end
			endcase
		end
	end

`ifdef FORMAL
	always @(posedge clk) assume (s0_axis_tdata[7:6] == 2'd0);
`endif
	// synthesis translate_off
	integer taken = 0;
	always @(posedge clk) if (s0_axis_tvalid && s0_axis_tready) taken <= taken + 1;
	// synthesis translate_on
endmodule

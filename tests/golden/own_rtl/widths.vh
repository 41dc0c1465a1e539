`ifndef WIDTHS_VH
`define WIDTHS_VH
`define CHANNELS 4
`define LEVEL_BITS 3
`define SUM_BITS 6
`endif

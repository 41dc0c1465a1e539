package mux_types;
  localparam int CHANNELS = 4;
  localparam int BITS = 3;
  typedef logic [2:0] level_t;
  typedef enum logic {FETCH, RUN} state_t;
endpackage

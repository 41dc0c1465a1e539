// Self-checking test bench of a design with AXI4-Streams, against golden vectors.
//
// The module `tb` at the end of this file was generated from manifest.json; nothing above it depends on the vectors.
// Run it in the folder that holds manifest.json: files are opened by the paths written there. The design is the module
// `dut`, or another one: +define+DUT=name.
//
// Plusargs: +profile=always|random|bursty  when streams move (always)
//           +seed=N                        of the other two profiles (1)
//           +mismatches=N                  errors printed; all are counted (10)
//           +watchdog=N                    cycles without any beat after which the run is given up (1000000)
//           +dump=FOLDER                   write what each output sent, as $readmemh files, into an existing folder
//           +vcd=FILE                      waves
//
// The last line is PASS: ... and the exit code 0, or FAIL: ... and another exit code.

// verilator lint_save
// verilator lint_off BLKSEQ
// verilator lint_off DECLFILENAME
// verilator lint_off UNUSEDSIGNAL
// verilator lint_off WIDTHCONCAT
`timescale 1ns / 1ps
`ifndef DUT
`define DUT dut
`endif

// What all streams share: options, and the count of errors.
package bench;
  int errors = 0;
  int shown = 10;
  int profile = 0;  // 0 always, 1 random, 2 bursty
  int seed = 1;

  // One error of a stream or a file; the first `shown` are printed.
  function automatic void fail(input string where, input string what);
    if (errors < shown) $display("ERROR: %0s: %0s", where, what);
    errors = errors + 1;
  endfunction

  // The next state of a generator of pseudo-random bits (xorshift, Marsaglia 2003): the same in every simulator.
  function automatic logic [31:0] next_random(input logic [31:0] state);
    logic [31:0] mixed;
    mixed = state ^ (state << 13);
    mixed = mixed ^ (mixed >> 17);
    return mixed ^ (mixed << 5);
  endfunction

  // A state to begin with, never 0, different for each stream.
  function automatic logic [31:0] first_random(input int stream);
    logic [31:0] state;
    state = 32'(seed) * 32'h9e3779b9 + 32'(stream + 1) * 32'h85ebca6b;
    if (state == 0) state = 1;
    for (int i = 0; i < 8; i++) state = next_random(state);
    return state;
  endfunction

  // Whether a file has exactly `words` words of `bits` bits: $readmemh leaves words that are missing unknown, takes x,
  // and cuts words that are too long. First come comment lines, then a word a line with all its digits.
  function automatic bit sound(input string file, input int words, input int bits);
    int handle, character, highest, line, found;
    bit good;
    handle = $fopen(file, "r");
    if (handle == 0) begin
      fail(file, "cannot be opened; run the simulator in the folder that holds manifest.json");
      return 0;
    end
    highest = bits % 4 == 1 ? "1" : bits % 4 == 2 ? "3" : bits % 4 == 3 ? "7" : "f";  // of first digits
    line = 1;
    found = 0;
    good = 1;
    character = $fgetc(handle);
    while (character == "/") begin
      while (character != "\n" && character != -1) character = $fgetc(handle);
      character = $fgetc(handle);
      line = line + 1;
    end
    while (good && character != -1) begin
      if (character > highest) good = 0;
      for (int digit = 0; digit < (bits + 3) / 4; digit++) begin
        if (character < "0" || character > "f" || (character > "9" && character < "a")) good = 0;
        character = $fgetc(handle);
      end
      if (character != "\n") good = 0;
      character = $fgetc(handle);
      found = found + 1;
    end
    $fclose(handle);
    if (!good) fail(file, $sformatf("line %0d is no word of %0d bits; make the vectors again", line + found - 1, bits));
    else if (found != words)
      fail(file, $sformatf("holds %0d words, manifest.json says %0d; make the vectors again", found, words));
    return good && found == words;
  endfunction
endpackage

// When a stream moves: `go` by profile. `noise` is new each cycle.
module bench_pace #(
    parameter int STREAM = 0
) (
    input logic clk,
    input logic awaited,  // a burst begins only then
    output logic go,
    output logic [31:0] noise
);
  import bench::*;
  logic bursting;
  int left;

  assign go = profile == 0 || (profile == 1 ? noise[7] : bursting);

  initial begin
    noise = 1;
    bursting = 0;
    left = 0;
    #2 noise = first_random(STREAM);
  end

  always @(posedge clk) begin
    noise <= next_random(noise);
    if (left > 0) left <= left - 1;
    else if (bursting || awaited) begin
      bursting <= !bursting;
      left <= int'({24'b0, noise[15:8]} >> noise[18:16]);  // 0 to 255, short ones far more often
    end
  end
endmodule

// Sends the words of a file. While tvalid is low, tdata and tlast are noise.
module bench_source #(
    parameter int STREAM = 0,
    parameter PORT = "",
    parameter FILE = "",
    parameter int FRAMES = 1,
    parameter int FRAME_WORDS = 1,
    parameter int WORD_BITS = 1,
    parameter int BEAT_BITS = 8
) (
    input logic clk,
    input logic rst_n,
    input int cycle,
    input logic give_up,
    input int allowed,  // frames that may begin
    output int begun,  // frames that have begun, or do so at the next edge
    output logic moves,
    output logic done,
    output logic [BEAT_BITS-1:0] tdata,
    output logic tvalid,
    input logic tready,
    output logic tlast
);
  import bench::*;
  localparam int WORDS = FRAMES * FRAME_WORDS;
  logic [WORD_BITS-1:0] words[0:WORDS-1];
  logic go, puts;
  logic [31:0] noise;
  int place, frame, sent;  // place and frame: of the next word

  bench_pace #(
      .STREAM(STREAM)
  ) pace (
      .clk,
      .awaited(1'b1),
      .go,
      .noise
  );

  initial begin
    tvalid = 0;
    tdata = '0;
    tlast = 0;
    place = 0;
    frame = 0;
    sent = 0;
    #1 if (sound(FILE, WORDS, WORD_BITS)) $readmemh(FILE, words);
  end

  assign puts = rst_n && (!tvalid || tready === 1'b1) && frame < FRAMES && frame < allowed && go;
  assign begun = frame + (puts || place != 0 ? 1 : 0);
  assign moves = tvalid && tready === 1'b1;
  assign done = sent == WORDS;

  always @(posedge clk) begin
    if (rst_n && (tready ^ tready) !== 1'b0)
      fail(PORT, $sformatf("tready is %b after reset; cycle %0d", tready, cycle));
    if (moves) sent <= sent + 1;
    if (puts) begin
      tvalid <= 1;
      tdata <= BEAT_BITS'(words[frame*FRAME_WORDS+place]);
      tlast <= place == FRAME_WORDS - 1;
      place <= place == FRAME_WORDS - 1 ? 0 : place + 1;
      if (place == FRAME_WORDS - 1) frame <= frame + 1;
    end else if (!tvalid || moves) begin
      tvalid <= 0;
      tdata <= BEAT_BITS'({(BEAT_BITS + 31) / 32{noise}});
      tlast <= noise[3];
    end
  end

  always @(posedge give_up) begin
    if (!done) $display("%0s: %0d of %0d beats taken; tvalid %b, tready %b", PORT, sent, WORDS, tvalid, tready);
  end
endmodule

// Compares what an output sends with the words of a file, element by element where they differ.
module bench_sink #(
    parameter int STREAM = 0,
    parameter PORT = "",
    parameter NODE = "",  // with its source
    parameter FILE = "",
    parameter MASK = "",  // file of the channels that each frame demands
    parameter bit MASKED = 0,
    parameter DUMP = "",  // name of the file to write
    parameter int FRAMES = 1,
    parameter int FRAME_WORDS = 1,
    parameter int LANES = 1,  // elements a word
    parameter int BITS = 1,  // of an element
    parameter int SLOT_BITS = 1,  // of an element with those that fill it up
    parameter bit MSB_FIRST = 0,  // element 0 in the most significant bits
    parameter bit SIGNED = 0,
    parameter int CHANNELS = 1,
    parameter logic [23:0] ORDER = "HWC",  // of a frame, the innermost axis last
    parameter bit IMAGE = 1,  // whether there are H and W
    parameter int MIDDLE = 1,  // extents of the last two axes
    parameter int INNER = 1,
    parameter int BEAT_BITS = 8
) (
    input logic clk,
    input logic rst_n,
    input int cycle,
    input logic give_up,
    output logic moves,
    output logic done,
    output int ignored,  // elements that differ and are not demanded
    input logic [BEAT_BITS-1:0] tdata,
    input logic tvalid,
    output logic tready,
    input logic tlast
);
  import bench::*;
  localparam int WORDS = FRAMES * FRAME_WORDS;
  localparam int WORD_BITS = LANES * SLOT_BITS;
  localparam int SHOWN_BITS = BEAT_BITS > 256 ? 256 : BEAT_BITS;
  localparam int RUN_WORDS = (INNER + LANES - 1) / LANES;
  logic [WORD_BITS-1:0] words[0:WORDS-1];
  logic [CHANNELS-1:0] masks[0:FRAMES-1];
  logic go, waited, last_before;
  logic [31:0] unused;
  logic [BEAT_BITS-1:0] data_before;
  int got, dump;
  string folder;

  bench_pace #(
      .STREAM(STREAM)
  ) pace (
      .clk,
      .awaited(tvalid === 1'b1),  // a burst waits for tvalid, because tvalid must not wait for tready
      .go,
      .noise(unused)
  );

  initial begin
    got = 0;
    ignored = 0;
    waited = 0;
    dump = 0;
    #1 if (sound(FILE, WORDS, WORD_BITS)) $readmemh(FILE, words);
    for (int n = 0; n < FRAMES; n++) masks[n] = '1;
    if (MASKED) if (sound(MASK, FRAMES, CHANNELS)) $readmemh(MASK, masks);  // Icarus calls both sides of a &&
    if ($value$plusargs("dump=%s", folder) != 0) begin
      folder = $sformatf("%0s/%0s", folder, DUMP);
      dump = $fopen(folder, "w");
      if (dump == 0) fail(folder, "cannot be written; make the folder that +dump names");
    end
  end

  assign tready = rst_n && (go || done);
  assign moves = tready && tvalid === 1'b1 && !done;
  assign done = got == WORDS;

  // The index along an axis, from those along the axes of the file.
  function automatic int index(input logic [7:0] axis, input int outer, input int middle, input int inner);
    if (ORDER[7:0] == axis) return inner;
    return ORDER[15:8] == axis ? middle : outer;
  endfunction

  function automatic string number(input logic [SLOT_BITS-1:0] element);
    longint value;
    if (^element === 1'bx) return $sformatf("unknown (0b%b)", element);
    value = 64'(element[BITS-1:0]);
    if (SIGNED && element[BITS-1]) value = value - (64'sd2 << (BITS - 1));
    return $sformatf("%0d (0x%h)", value, element);
  endfunction

  function automatic string place(input int lane);
    int run, outer, middle, inner;
    string named;
    run = got % FRAME_WORDS / RUN_WORDS;
    outer = run / MIDDLE;
    middle = run % MIDDLE;
    inner = got % RUN_WORDS * LANES + lane;
    named = $sformatf("%0s n=%0d c=%0d", NODE, got / FRAME_WORDS, index("C", outer, middle, inner));
    if (!IMAGE) return named;
    return $sformatf("%0s y=%0d x=%0d", named, index("H", outer, middle, inner), index("W", outer, middle, inner));
  endfunction

  // The lowest bits of a beat: Verilator prints at most 8192.
  function automatic string text(input logic [BEAT_BITS-1:0] beat);
    return $sformatf("0x%0s%h", BEAT_BITS > SHOWN_BITS ? "..." : "", beat[SHOWN_BITS-1:0]);
  endfunction

  function automatic string when();
    return $sformatf("beat %0d, cycle %0d", got, cycle);
  endfunction

  // Every element of a beat that is not exactly the word of the file.
  function automatic void compare();
    int run, inner, slot;
    logic [WORD_BITS-1:0] word;
    logic [SLOT_BITS-1:0] actual, expected;
    logic [7:0] upper;
    string values;
    word = words[got];
    run = got % FRAME_WORDS / RUN_WORDS;
    for (int lane = 0; lane < LANES; lane++) begin
      slot = MSB_FIRST ? LANES - 1 - lane : lane;
      actual = tdata[slot*SLOT_BITS+:SLOT_BITS];
      expected = word[slot*SLOT_BITS+:SLOT_BITS];
      inner = got % RUN_WORDS * LANES + lane;
      if (inner >= INNER) begin
        if (actual !== '0)
          fail(PORT, $sformatf("lane %0d is unused and must be 0, actual 0x%h; %0s", lane, actual, when()));
      end else if (actual !== expected) begin
        values = $sformatf("expected %0s, actual %0s", number(expected), number(actual));
        if (masks[got/FRAME_WORDS][index("C", run/MIDDLE, run%MIDDLE, inner)])
          fail(PORT, $sformatf("%0s: %0s; %0s", place(lane), values, when()));
        else ignored = ignored + 1;
      end
    end
    upper = 8'(tdata >> WORD_BITS);
    if (upper !== 0)
      fail(PORT, $sformatf("tdata[%0d:%0d] must be 0, actual 0x%h; %0s", BEAT_BITS - 1, WORD_BITS, upper, when()));
  endfunction

  function automatic void write_word(input logic [WORD_BITS-1:0] word);
    for (int digit = (WORD_BITS - 1) / 4; digit >= 0; digit--) $fwrite(dump, "%h", 4'(word >> 4 * digit));
    $fwrite(dump, "\n");
    $fflush(dump);  // $fatal of Verilator does not
  endfunction

  // What AXI4-Stream forbids.
  function automatic void check_protocol();
    if ((tvalid ^ tvalid) !== 1'b0) fail(PORT, $sformatf("tvalid is %b after reset; %0s", tvalid, when()));
    else if (waited && !tvalid) fail(PORT, $sformatf("tvalid fell before tready; %0s", when()));
    else if (waited && tdata !== data_before)
      fail(PORT, $sformatf("tdata changed from %0s to %0s before tready; %0s", text(data_before), text(tdata), when()));
    else if (waited && tlast !== last_before) fail(PORT, $sformatf("tlast changed before tready; %0s", when()));
  endfunction

  always @(posedge clk) begin
    if (cycle == -1 && tvalid !== 1'b0) fail(PORT, $sformatf("tvalid is %b during reset", tvalid));
    if (rst_n) begin
      check_protocol();
      if (moves) begin
        if (tdata !== BEAT_BITS'(words[got])) compare();
        if (tlast !== (got % FRAME_WORDS == FRAME_WORDS - 1))
          fail(PORT, $sformatf("tlast is %b, only the last of a frame's %0d beats has it; %0s, beat %0d of frame n=%0d",
                               tlast, FRAME_WORDS, when(), got % FRAME_WORDS, got / FRAME_WORDS));
        got <= got + 1;
      end else if (tvalid === 1'b1 && tready)
        fail(PORT, $sformatf("extra beat %0s after all %0d; cycle %0d", text(tdata), WORDS, cycle));
      if (tvalid === 1'b1 && tready && dump != 0) write_word(tdata[WORD_BITS-1:0]);
      waited <= tvalid === 1'b1 && !tready;
      data_before <= tdata;
      last_before <= tlast;
    end
  end

  always @(posedge give_up) begin
    if (!done) $display("%0s: %0d of %0d beats came; tvalid %b, tready %b", PORT, got, WORDS, tvalid, tready);
  end
endmodule

// Clock, reset, the end and the verdict.
module bench_run #(
    parameter int FRAMES = 1,
    parameter int BEATS = 1  // of all outputs
) (
    output logic clk,
    output logic rst_n,
    output int cycle,  // from the end of reset
    output logic give_up,
    input logic moves,  // any stream
    input logic arrives,  // anything on an output
    input logic done,  // all streams
    input int ignored
);
  import bench::*;
  string name;
  int watchdog, quiet, silent, longest, last;

  initial begin
    clk = 0;
    rst_n = 0;
    cycle = -16;
    give_up = 0;
    quiet = 0;
    silent = 0;
    longest = 0;
    last = 0;
    if ($value$plusargs("profile=%s", name) == 0) name = "always";
    if (name == "random") profile = 1;
    if (name == "bursty") profile = 2;
    if ($value$plusargs("seed=%d", seed) == 0) seed = 1;
    if ($value$plusargs("mismatches=%d", shown) == 0) shown = 10;
    if ($value$plusargs("watchdog=%d", watchdog) == 0) watchdog = 1000000;
    if (profile == 0 && name != "always")
      fail("+profile", $sformatf("%0s is unknown; give always, random or bursty", name));
    #4 if (errors != 0) end_in_failure;
    forever #5 clk = !clk;
  end

  // quiet: cycles without a beat; silent: cycles without one on an output, the longest while beats were due.
  always @(posedge clk) begin
    cycle <= cycle + 1;
    if (cycle == -1) rst_n <= 1;
    quiet <= moves || !rst_n ? 0 : quiet + 1;
    silent <= arrives || !rst_n ? 0 : silent + 1;
    if (!done && silent > longest) longest <= silent;
    if (arrives) last <= cycle + 1;
    if (!done && quiet >= watchdog) give_up <= 1;
  end

  // After the last beat, extra ones are waited for as long as the design ever took for one, and some more.
  always @(negedge clk) begin
    if (give_up) fail("watchdog", $sformatf("no beat for %0d cycles; cycle %0d", quiet, cycle));
    if (give_up || (done && silent > longest + 64)) begin
      if (errors == 0) begin
        if (ignored != 0) $display("%0d elements differ that are not demanded", ignored);
        $display("PASS: %0d frames, %0d beats, %0d cycles; profile %0s, seed %0d", FRAMES, BEATS, last, name, seed);
        $finish;
      end else end_in_failure;
    end
  end

  task automatic end_in_failure;
    $display("FAIL: %0d errors; profile %0s, seed %0d", errors, name, seed);
    $fatal(1, "the design does not give what the vectors say");
  endtask
endmodule

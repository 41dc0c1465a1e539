// Self-checking test bench of a design with AXI4-Streams, against golden vectors.
//
// The module `tb` at the end of this file was generated from manifest.json; nothing above it depends on the vectors.
// adapter.sv, beside it, holds the design, with its own ports. Run it in the folder that holds manifest.json: files are
// opened by the paths written there.
//
// A run resets the design, resets it again early, seven times, and then sends the whole set, several times over, without a
// pause for the design to forget anything. Three early resets come in the middle of a frame; three at the end of a single
// one: when it is sent, while the rest of it comes out, and when it came out; the last comes while the design makes itself
// ready, if it does: after half of the cycles that it took to take a first beat. After the first of them the set begins
// with frame 1, with +profile=slow with the last: a sum that keeps something shows in that frame or in frame 0. Before
// the second the sinks wait until a beat stands. With +profile=random the sixth comes first, so that the first frame of
// all is seen to its end. With +profile=bursty they come in the opposite order: what a design does only once is
// disturbed at once, and frame 1 is the first of all that is seen to its end. With +profile=random, a part of a network is
// then reset before each frame of the set, which comes out whole, and as many more as a draw says, up to five, the last of
// them in part: what is wrong only in the n-th frame after a reset, or in one of several buffers that frames take in turn,
// shows in any frame that shows it. Half of these resets come at the last beats of a frame into the design or out of it.
//
// Plusargs: +profile=NAME        when streams move: always, random, bursty, mixed, slow_sink, slow_source, slow (always);
//                                mixed: each at a rate of its own for a while, then at another one, so that one falls
//                                behind and catches up; slow: all streams are slow, and random between their stalls, and
//                                last beats of a frame in and out meet in one cycle
//           +profile.PORT=NAME   of one stream: always, random, bursty, mixed, slow
//           +seed=N              of all but always (1)
//           +repeat=N            how often the whole set is sent (what the README beside this file says)
//           +resets=N            early resets, 0 to 7 (7)
//           +firsts=N            frames that each come first after a reset, as many as the set has at most (what the
//                                README beside this file says)
//           +longest=N           cycles of the longest stalls of a slow_sink or slow_source: one within a frame, one
//                                between two, and of a source one before the first frame (65700)
//           +skew=N              inputs change N ns after the rising edge, not at it: 1 to 8; a period is 10 ns (0)
//           +mismatches=N        errors printed; all are counted (10)
//           +watchdog=N          cycles without any beat after which the run is given up (1000000)
//           +dump=FOLDER         write what each output sent, as $readmemh files, into an existing folder
//           +dump_pass=N         of which repetition, counted from 0 (0)
//           +verdict=FILE        write errors and, last of all, the verdict
//           +vcd=FILE            waves
//
// The last line is PASS: ... and the exit code 0, or FAIL: ... and another exit code. A design can print what it likes:
// only the file of +verdict is the bench's own word.

// verilator lint_save
// verilator lint_off BLKSEQ
// verilator lint_off DECLFILENAME
// verilator lint_off SYNCASYNCNET
// verilator lint_off UNUSEDSIGNAL
// verilator lint_off WIDTHCONCAT
`timescale 1ns / 1ps
`ifdef __ICARUS__
`define BENCH_STRING  // Icarus Verilog 11 has no parameters of type string
`else
`define BENCH_STRING string
`endif

// What all streams share: options, the count of errors, the verdict's file.
package bench;
  localparam int ALWAYS = 0, RANDOM = 1, BURSTY = 2, SLOW = 3, MIXED = 4;
  int errors = 0;
  int shown = 10;
  int seed = 1;
  int longest = 65700;
  int verdict = 0;
  bit chosen = 0;  // an element that is wrong has been found
  string chosen_element;

  // A line of the log, and of the verdict's file. (Icarus Verilog 11 elaborates functions in the order of their names,
  // and one that is called as a statement must come first.)
  function automatic void emit(input string line);
    $display("%0s", line);
    if (verdict != 0) $fdisplay(verdict, "%0s", line);
  endfunction

  // One error of a stream or a file; the first `shown` are printed.
  function automatic void fail(input string where, input string what);
    if (errors < shown) emit($sformatf("ERROR: %0s: %0s", where, what));
    errors = errors + 1;
  endfunction

  // The number that the plusarg `name` gives, or `usual` without it.
  function automatic int option(input string name, input int usual, input int lowest, input int highest);
    string key, text;
    longint value;
    bit good;
    key = $sformatf("%0s=%%s", name);
    if ($value$plusargs(key, text) == 0) return usual;
    value = 0;
    good = text.len() > 0 && text.len() < 11;
    for (int i = 0; i < text.len(); i++) begin
      if (text[i] < "0" || text[i] > "9") good = 0;
      value = 10 * value + 64'(text[i]) - 64'd48;
    end
    if (good && value >= 64'(lowest) && value <= 64'(highest)) return int'(value);
    fail($sformatf("+%0s", name), $sformatf("'%0s' is no whole number from %0d to %0d", text, lowest, highest));
    return usual;
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

  // What a frame is for: line n of frames.txt, the last 64 characters of it.
  function automatic string label(input int n);
    int handle, character;
    logic [511:0] line;
    line = '0;
    handle = $fopen("bench/frames.txt", "r");
    if (handle == 0) return "";
    for (int i = 0; i <= n; i++) begin
      line = '0;
      character = $fgetc(handle);
      while (character != "\n" && character != -1) begin
        line = {line[503:0], 8'(character)};
        character = $fgetc(handle);
      end
    end
    $fclose(handle);
    return $sformatf("%0s", line);
  endfunction
endpackage

// When a stream moves: `go` by profile. `noise` is new each cycle.
module bench_pace #(
    parameter int STREAM = 0,
    parameter `BENCH_STRING PORT = "",
    parameter bit SINK = 0,
    parameter int WORDS = 1,
    parameter int FRAME_WORDS = 1,
    parameter int ROW_WORDS = 1
) (
    input logic clk,
    input logic rst_n,
    input logic counting,  // no early reset will come
    input logic awaited,  // a burst begins, and a slow sink's stall passes, only then
    input logic moves,
    input logic others,  // a stream stalls, or one before this one wants its longest stall
    output logic wants,  // to begin its longest stall at the next edge
    output logic go,
    output logic stalls,  // a stall of a slow stream is going on
    output logic [31:0] noise
);
  import bench::*;
  localparam int STALLS = 32;  // of a slow stream a pass, about
  localparam int STALL = 1030;  // cycles, and up to 255 more: longer than a counter of 10 bits
  localparam int GAP = FRAME_WORDS - (SINK || FRAME_WORDS == 1 ? 1 : 2);  // behind it a source has put one more
  localparam logic [1:0] BEFORE = 0, WITHIN = 1, BETWEEN = 2, OVER = 3;  // which of the longest stalls comes next
  localparam logic [1:0] FIRST_MOVING = FRAME_WORDS == 1 ? BETWEEN : WITHIN;  // nothing is within a frame of one word
  logic bursting, all_slow;
  logic [2:0] rare;  // of a mixed stream: it moves in every, each second, fourth or eighth cycle
  int left, pause, free, profile;
  int beat, behind;  // of a frame: the next that moves, and the one that a stall from now on keeps back
  logic [1:0] next_longest;
  logic [63:0] stalled;  // which rows of a frame a stall has come before, whatever the frame
  bit stalled_last;  // the same of the last beat
  string common, own, key;

  assign go = profile == ALWAYS
      || (profile == RANDOM ? noise[7] : profile == BURSTY ? bursting : profile == MIXED ? (noise[9:7] & rare) == 0
          : pause == 0 && !(counting && next_longest == BEFORE) && (noise[7] || !all_slow));
  assign stalls = profile == SLOW && pause != 0 && awaited;
  // The longest stalls of streams come one after the other, so that the other streams go on as long as the design lets
  // them; WITHIN and BETWEEN are what they say.
  logic ends, due;
  assign ends = beat == GAP;
  assign due = moves && rst_n && profile == SLOW && pause == 0 && free == 0;
  assign wants = counting && due && (next_longest == WITHIN ? !ends : next_longest == BETWEEN && ends);
  // Where a stall comes: before the first beat of each row and before the last beat of a frame once, then anywhere.
  logic at_row, at_last, anywhere;
  assign behind = (beat + (SINK ? 1 : 2)) % FRAME_WORDS;
  assign at_row = behind % ROW_WORDS == 0 && !stalled[6'(behind/ROW_WORDS)];
  assign at_last = behind == FRAME_WORDS - 1 && !stalled_last;
  assign anywhere = stalled_last && &(stalled | ~64'd0 << (FRAME_WORDS + ROW_WORDS - 1) / ROW_WORDS);

  initial begin
    noise = 1;
    rare = 0;
    bursting = 0;
    all_slow = 0;
    left = 0;
    pause = 0;
    free = 0;
    profile = ALWAYS;
    beat = 0;
    next_longest = SINK ? FIRST_MOVING : BEFORE;
    stalled = '0;
    stalled_last = 0;
    key = $sformatf("profile.%0s=%%s", PORT);
    if ($value$plusargs("profile=%s", common) == 0) common = "always";
    if ($value$plusargs(key, own) == 0) own = common;
    if (own == "random") profile = RANDOM;
    else if (own == "bursty") profile = BURSTY;
    else if (own == "mixed") profile = MIXED;
    else if (own == "slow" || (SINK && own == "slow_sink") || (!SINK && own == "slow_source")) profile = SLOW;
    else if (own != "always" && own != "slow_sink" && own != "slow_source")
      fail("+profile", $sformatf("%0s is unknown; give always, random, bursty, mixed, slow_sink, slow_source, slow", own));
    all_slow = common == "slow";  // between stalls they move randomly, so that a short one comes at once after a long one
    if (all_slow) next_longest = OVER;
    #2 noise = first_random(STREAM);
    free = int'(noise[31:8]) % (2 * (WORDS / STALLS) + 1);
  end

  always @(posedge clk) begin
    noise <= next_random(noise);
    if (noise[31:26] == 0) rare <= 3'b111 >> noise[25:24];
    if (left > 0) left <= left - 1;
    else if (bursting || awaited) begin
      bursting <= !bursting;
      left <= int'({24'b0, noise[15:8]} >> noise[18:16]);  // 0 to 255, short ones far more often
    end
    // A slow source rests for `longest` before the first frame. Then a slow stream moves freely for some beats and rests:
    // once for `longest` within a frame, once for `longest` between two, and from then on for 1,030 cycles and some.
    if (counting && rst_n && profile == SLOW && next_longest == BEFORE) begin
      pause <= longest;
      next_longest <= FIRST_MOVING;
    end else if (pause != 0) begin
      if (awaited) pause <= pause - 1;
    end else if (free != 0) begin
      if (moves && rst_n) free <= free - 1;
    end else if (wants ? !others : due && (!counting || next_longest == OVER) && (at_row || at_last || anywhere)) begin
      pause <= wants ? longest : (longest < STALL ? longest : STALL) + int'({24'b0, noise[15:8]});
      if (wants) next_longest <= next_longest + 1;
      free <= int'(noise[31:8]) % (2 * (WORDS / STALLS) + 1);
      if (counting && at_row) stalled[6'(behind/ROW_WORDS)] <= 1;
      if (counting && at_last) stalled_last <= 1;
    end
  end

  always @(posedge clk or negedge rst_n)
    if (!rst_n) beat <= 0;
    else if (moves) beat <= beat == FRAME_WORDS - 1 ? 0 : beat + 1;
endmodule

// Sends the words of a file, `repeats` times. While tvalid is low, tdata and tlast are noise.
module bench_source #(
    parameter int STREAM = 0,
    parameter `BENCH_STRING PORT = "",
    parameter `BENCH_STRING FILE = "",
    parameter int FRAMES = 1,
    parameter int FRAME_WORDS = 1,
    parameter int ROW_WORDS = 1,
    parameter int WORD_BITS = 1,
    parameter int BEAT_BITS = 8
) (
    input logic clk,
    input logic rst_n,
    input int cycle,
    input logic give_up,
    input logic counting,
    input int repeats,
    input int start,  // the frame that comes first after the reset
    input int allowed,  // frames that may begin, since the reset
    input int limit,  // the same, for all inputs
    input logic meets,  // the last beat of a frame waits, to be put when `ends_move`
    input logic ends_move,
    output logic at_end,  // it waits
    output int begun,  // frames that have begun, or do so at the next edge, since the reset
    output int sent,  // beats taken since the reset
    output int pass,  // repetitions that have begun to be sent, less 1
    input logic others,
    output logic wants,
    output logic moves,
    output logic stalls,
    output logic done,
    output logic [BEAT_BITS-1:0] tdata,
    output logic tvalid,
    input logic tready,
    output logic tlast
);
  import bench::*;
  localparam int WORDS = FRAMES * FRAME_WORDS;
  logic [WORD_BITS-1:0] words[0:WORDS-1];
  logic go, can_put, puts;
  logic [31:0] noise;
  int place, frame;  // of the next word
  int begun_before;

  bench_pace #(
      .STREAM(STREAM),
      .PORT(PORT),
      .WORDS(WORDS),
      .FRAME_WORDS(FRAME_WORDS),
      .ROW_WORDS(ROW_WORDS)
  ) pace (
      .clk,
      .rst_n,
      .counting,
      .awaited(1'b1),
      .moves,
      .others,
      .wants,
      .go,
      .stalls,
      .noise
  );

  initial begin
    tvalid = 0;
    tdata = '0;
    tlast = 0;
    place = 0;
    frame = 0;
    pass = 0;
    sent = 0;
    #1 if (sound(FILE, WORDS, WORD_BITS)) $readmemh(FILE, words);
  end

  assign can_put = rst_n && (!tvalid || tready === 1'b1) && pass < repeats && begun_before < allowed && begun_before < limit;
  assign at_end = meets && can_put && place == FRAME_WORDS - 1;
  assign puts = can_put && (at_end ? ends_move : go);
  assign begun_before = pass * FRAMES + frame - start;
  assign begun = begun_before + (puts || place != 0 ? 1 : 0);
  assign moves = rst_n && tvalid && tready === 1'b1;
  assign done = pass >= repeats && !tvalid;

  always @(posedge clk or negedge rst_n) begin
    if (!rst_n) begin
      tvalid <= 0;
      place <= 0;
      frame <= start;
      pass <= 0;
      sent <= 0;
    end else begin
      if ((tready ^ tready) !== 1'b0)
        fail(PORT, $sformatf("tready is %b after reset; cycle %0d", tready, cycle));
      if (moves) sent <= sent + 1;
      if (puts) begin
        tvalid <= 1;
        tdata <= BEAT_BITS'(words[frame*FRAME_WORDS+place]);
        tlast <= place == FRAME_WORDS - 1;
        place <= place == FRAME_WORDS - 1 ? 0 : place + 1;
        if (place == FRAME_WORDS - 1) begin
          frame <= frame == FRAMES - 1 ? 0 : frame + 1;
          if (frame == FRAMES - 1) pass <= pass + 1;
        end
      end else if (!tvalid || moves) begin
        tvalid <= 0;
        tdata <= BEAT_BITS'({(BEAT_BITS + 31) / 32{noise}});
        tlast <= noise[3];
      end
    end
  end

  always @(posedge give_up) begin
    if (!done)
      emit($sformatf("%0s: %0d of %0d beats taken; tvalid %b, tready %b", PORT, sent, repeats * WORDS, tvalid, tready));
  end
endmodule

// Compares what a stream carries with the words of a file, element by element where they differ, and holds it to the
// rules of AXI4-Stream. It drives nothing.
module bench_check #(
    parameter `BENCH_STRING PORT = "",
    parameter `BENCH_STRING NODE = "",  // with its source
    parameter `BENCH_STRING ARGUMENT = "",  // its name, as a word for a shell
    parameter `BENCH_STRING FILE = "",
    parameter `BENCH_STRING MASK = "",  // file of the channels that each frame demands
    parameter bit MASKED = 0,
    parameter `BENCH_STRING DUMP = "",  // name of the file to write
    parameter bit LAST = 1,  // whether there is tlast
    parameter bit FIRST = 1,  // whether `first` is looked at
    parameter bit ALONE = 0,  // in a simulation without the rest of this bench
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
    input logic probe,  // rises in the last moment of a reset
    input logic counting,
    input int repeats,
    input int start,  // the frame that comes first after the reset
    output int got,  // beats since the reset
    output int ignored,  // elements that differ and are not demanded
    output logic done,
    input logic [BEAT_BITS-1:0] tdata,
    input logic tvalid,
    input logic tready,
    input logic tlast,
    input logic keep,  // tkeep is all ones
    input logic first  // of a frame, where the design says so
);
  import bench::*;
  localparam int WORDS = FRAMES * FRAME_WORDS;
  localparam int WORD_BITS = LANES * SLOT_BITS;
  localparam int SHOWN_BITS = BEAT_BITS > 256 ? 256 : BEAT_BITS;
  localparam int RUN_WORDS = (INNER + LANES - 1) / LANES;
  logic [WORD_BITS-1:0] words[0:WORDS-1];
  logic [CHANNELS-1:0] masks[0:FRAMES-1];
  logic waited, last_before;
  logic [BEAT_BITS-1:0] data_before;
  int dump, dump_pass, at, pass, cycle;  // at: the next word; cycle: from the end of reset
  string folder;

  initial begin
    got = 0;
    at = 0;
    pass = 0;
    cycle = 0;
    ignored = 0;
    waited = 0;
    dump = 0;
    #1 if (sound(FILE, WORDS, WORD_BITS)) $readmemh(FILE, words);
    for (int n = 0; n < FRAMES; n++) masks[n] = '1;
    if (MASKED) if (sound(MASK, FRAMES, CHANNELS)) $readmemh(MASK, masks);  // Icarus calls both sides of a &&
    dump_pass = option("dump_pass", 0, 0, 32'h7fffffff);
    if (DUMP != "") if ($value$plusargs("dump=%s", folder) != 0) begin
      folder = $sformatf("%0s/%0s", folder, DUMP);
      dump = $fopen(folder, "w");
      if (dump == 0) fail(folder, "cannot be written; make the folder that +dump names");
    end
  end

  assign done = pass >= repeats;

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

  // Where an element of the word is: "c=2 y=1 x=3", or "2,1,3" for a command.
  function automatic string place(input int lane, input bit plain);
    int run, outer, middle, inner, c, y, x;
    run = at % FRAME_WORDS / RUN_WORDS;
    outer = run / MIDDLE;
    middle = run % MIDDLE;
    inner = at % RUN_WORDS * LANES + lane;
    c = index("C", outer, middle, inner);
    y = index("H", outer, middle, inner);
    x = index("W", outer, middle, inner);
    if (IMAGE && plain) return $sformatf("%0d,%0d,%0d", c, y, x);
    if (IMAGE) return $sformatf("c=%0d y=%0d x=%0d", c, y, x);
    if (plain) return $sformatf("%0d", c);
    return $sformatf("c=%0d", c);
  endfunction

  // The lowest bits of a beat: Verilator prints at most 8192.
  function automatic string text(input logic [BEAT_BITS-1:0] beat);
    return $sformatf("0x%0s%h", BEAT_BITS > SHOWN_BITS ? "..." : "", beat[SHOWN_BITS-1:0]);
  endfunction

  function automatic string when();
    string moment;
    moment = $sformatf("beat %0d, cycle %0d", at, cycle);
    if (!counting) return $sformatf("%0s, before an early reset", moment);
    if (pass != 0) return $sformatf("%0s, repetition %0d", moment, pass);
    return moment;
  endfunction

  // The frame of the next word.
  function automatic string frame();
    return $sformatf("frame n=%0d '%0s'", at / FRAME_WORDS, label(at / FRAME_WORDS));
  endfunction

  function automatic void blame(input int lane, input logic [SLOT_BITS-1:0] expected,
                                  input logic [SLOT_BITS-1:0] actual);
    if (errors >= shown) begin
      errors = errors + 1;
      return;
    end
    fail(PORT, $sformatf("%0s n=%0d %0s: expected %0s, actual %0s; %0s, %0s", NODE, at / FRAME_WORDS, place(lane, 0),
                         number(expected), number(actual), when(), frame()));
    if (!chosen) begin
      chosen = 1;
      chosen_element = $sformatf("--node %0s --frame %0d --at %0s", ARGUMENT, at / FRAME_WORDS, place(lane, 1));
    end
  endfunction

  // Every element of a beat that is not exactly the word of the file.
  function automatic void compare();
    int run, inner, slot;
    logic [WORD_BITS-1:0] word;
    logic [SLOT_BITS-1:0] actual, expected;
    logic [7:0] upper;
    word = words[at];
    run = at % FRAME_WORDS / RUN_WORDS;
    for (int lane = 0; lane < LANES; lane++) begin
      slot = MSB_FIRST ? LANES - 1 - lane : lane;
      actual = tdata[slot*SLOT_BITS+:SLOT_BITS];
      expected = word[slot*SLOT_BITS+:SLOT_BITS];
      inner = at % RUN_WORDS * LANES + lane;
      if (inner >= INNER) begin
        if (actual !== '0)
          fail(PORT, $sformatf("lane %0d is unused and must be 0, actual 0x%h; %0s", lane, actual, when()));
      end else if (actual !== expected) begin
        if (masks[at/FRAME_WORDS][index("C", run/MIDDLE, run%MIDDLE, inner)]) blame(lane, expected, actual);
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
    else if (waited && LAST && tlast !== last_before)
      fail(PORT, $sformatf("tlast changed before tready; %0s", when()));
  endfunction

  // One beat that is due.
  function automatic void due_beat();
    if (tdata !== BEAT_BITS'(words[at])) compare();
    if (LAST && tlast !== (at % FRAME_WORDS == FRAME_WORDS - 1))
      fail(PORT, $sformatf("tlast is %b, only the last of a frame's %0d beats has it; %0s, beat %0d of %0s",
                           tlast, FRAME_WORDS, when(), at % FRAME_WORDS, frame()));
    if (keep !== 1'b1) fail(PORT, $sformatf("tkeep is not all ones; %0s", when()));
    if (FIRST && first !== (at % FRAME_WORDS == 0))
      fail(PORT, $sformatf("tuser is %b, only the first beat of a frame has it; %0s, beat %0d of %0s",
                           first, when(), at % FRAME_WORDS, frame()));
  endfunction

  always @(posedge probe) if (tvalid !== 1'b0) fail(PORT, $sformatf("tvalid is %b during reset", tvalid));

  always @(posedge clk or negedge rst_n) begin
    if (!rst_n) begin
      got <= 0;
      at <= start * FRAME_WORDS;
      pass <= 0;
      cycle <= 0;
      waited <= 0;
    end else begin
      cycle <= cycle + 1;
      check_protocol();
      if (tvalid === 1'b1 && tready) begin
        if (done) fail(PORT, $sformatf("extra beat %0s after all %0d; cycle %0d", text(tdata), repeats * WORDS, cycle));
        else begin
          due_beat();
          got <= got + 1;
          at <= at == WORDS - 1 ? 0 : at + 1;
          if (at == WORDS - 1) pass <= pass + 1;
        end
        if (dump != 0 && counting && pass == dump_pass) write_word(tdata[WORD_BITS-1:0]);
      end
      waited <= tvalid === 1'b1 && !tready;
      data_before <= tdata;
      last_before <= tlast;
    end
  end

  final  // Icarus Verilog 11 can call no function of a package here
    if (ALONE) begin
      if (got == 0) $display("ERROR: %0s: no beat was seen", PORT);
      if (at != 0) $display("ERROR: %0s: the simulation ended within a set: %0d of %0d beats", PORT, at, WORDS);
      $display("%0s: %0s: %0d beats seen, %0d errors of all checkers", errors == 0 && got != 0 && at == 0 ? "PASS" : "FAIL",
               PORT, got, errors);
    end
endmodule

// Takes what an output sends.
module bench_sink #(
    parameter int STREAM = 0,
    parameter `BENCH_STRING PORT = "",
    parameter int WORDS = 1,
    parameter int FRAME_WORDS = 1,
    parameter int ROW_WORDS = 1
) (
    input logic clk,
    input logic rst_n,
    input logic give_up,
    input logic counting,
    input logic hold,
    input logic meets,  // a beat of a frame waits, to be taken when `ends_move`
    input int ahead,  // which, counted from the last one
    input logic ends_move,
    output logic at_end,  // it waits
    input int repeats,
    input int got,
    input logic done,
    input logic others,
    output logic wants,
    output logic moves,
    output logic stalls,
    input logic tvalid,
    output logic tready
);
  import bench::*;
  logic go;
  logic [31:0] unused;

  bench_pace #(
      .STREAM(STREAM),
      .PORT(PORT),
      .SINK(1),
      .WORDS(WORDS),
      .FRAME_WORDS(FRAME_WORDS),
      .ROW_WORDS(ROW_WORDS)
  ) pace (
      .clk,
      .rst_n,
      .counting,
      .awaited(tvalid === 1'b1),  // a burst waits for tvalid, because tvalid must not wait for tready
      .moves,
      .others,
      .wants,
      .go,
      .stalls,
      .noise(unused)
  );

  logic met;
  assign met = meets && got % FRAME_WORDS == FRAME_WORDS - 1 - (ahead < FRAME_WORDS ? ahead : 0) && !done;
  assign at_end = rst_n && met && tvalid === 1'b1;
  assign tready = rst_n && !hold && (met ? ends_move : go || done);
  assign moves = tready && tvalid === 1'b1 && !done;

  always @(posedge give_up) begin
    if (!done)
      emit($sformatf("%0s: %0d of %0d beats came; tvalid %b, tready %b", PORT, got, repeats * WORDS, tvalid, tready));
  end
endmodule

// Clock, resets, repetitions, the end and the verdict.
module bench_run #(
    parameter int FRAMES = 1,
    parameter int IN_BEATS = 1,  // of all inputs a pass
    parameter int OUT_BEATS = 1,  // of all outputs
    parameter int BUSIEST = 1,  // beats a pass of the input that has most
    parameter int IN_WORDS = 1,  // a frame of the first input
    parameter int OUT_WORDS = 1,  // a frame of the first output
    parameter bit UNIT = 0,  // small enough to be repeated many times
    parameter bit ASYNCHRONOUS = 0  // the design resets without a clock
) (
    output logic clk,
    output logic rst_n,
    output logic probe,
    output int cycle,  // from the end of reset
    output logic give_up,
    output logic counting,
    output int repeats,
    output int start,  // the frame that comes first after the reset
    output int limit,  // frames that may begin, since the reset
    output logic hold,  // sinks wait: an early reset finds a beat that waits
    output logic meets,  // beats at the end of frames wait for each other
    output int ahead,  // beats of a frame that come out after the one that waits
    output int meeting,  // cycles of a meeting
    output int met,  // meetings that were
    output logic outputs_end,  // a beat is taken that has waited
    input logic input_at_end,  // there is one to be put
    input logic output_at_end,  // or taken
    input int sent,  // by the first input
    input int got,  // by the first output
    input logic waits,  // the first output has a beat
    input int pass,  // of any input
    input logic moves,  // any stream
    input logic arrives,  // anything on an output
    input logic stalls,  // the bench itself, any stream
    input logic done,  // all streams
    input int ignored
);
  import bench::*;
  // Repetitions go on until 65,536 frames are past, so that a counter of 16 bits has wrapped. Where that would take more
  // than MOST cycles, 65,536 beats do, and LEAST cycles. At mixed rates MIXTURE cycles do.
  localparam int WRAP = 65536;
  localparam int DRAINED = 1024;  // cycles in which extra beats are waited for, beyond what the design ever took for one
  localparam int PATIENCE = 4096;  // cycles in which a beat to be held is waited for
`ifdef VERILATOR
  localparam int LEAST = 2000000, MOST = 8000000, MIXTURE = 400000;
`else
  localparam int LEAST = 150000, MOST = 500000, MIXTURE = 60000;
`endif
  string name, verdict_file;
  int watchdog, quiet, silent, slowest, last, resets, firsts, all_resets, spent;
  int first_kind;  // of the seven early resets
  logic all_slow, backward, mixed;
  int alone, missed;  // cycles of waiting for a meeting; how many there were not
  int taken_then;  // beats that had come out when the first frame was sent
  int idle, preparing;  // cycles before the first beat in: since this reset, since the first one
  bit stopped, given, firsts_given;
  logic running, released, now, holding, held;
  int skew;
  logic [31:0] noise;

  initial begin
    clk = 0;
    running = 0;
    released = 0;
    now = 0;
    probe = 0;
    cycle = 0;
    give_up = 0;
    counting = 0;
    quiet = 0;
    silent = 0;
    slowest = 0;
    preparing = 0;
    last = 0;
    spent = 0;
    all_slow = 0;
    meeting = 0;
    alone = 0;
    met = 0;
    missed = 0;
    stopped = 0;
    start = 0;
    held = 0;
    holding = 0;
    limit = 32'h7fffffff;
    if ($value$plusargs("verdict=%s", verdict_file) != 0) verdict = $fopen(verdict_file, "w");
    if ($value$plusargs("profile=%s", name) == 0) name = "always";
    // In one profile a whole first frame comes first, in one what the design does once before any, then a whole frame.
    first_kind = name == "random" ? 5 : 0;
    backward = name == "bursty";
    all_slow = name == "slow";
    mixed = name == "mixed";
    shown = option("mismatches", 10, 0, 32'h7fffffff);
    skew = option("skew", 0, 0, 8);
    seed = option("seed", 1, 0, 32'h7fffffff);
    longest = option("longest", 65700, 1, 32'h7fffffff);
    watchdog = option("watchdog", 1000000, 1, 32'h7fffffff);
    resets = option("resets", 7, 0, 7);
    firsts_given = $test$plusargs("firsts=") != 0;
    firsts = option("firsts", UNIT && name == "random" && resets != 0 ? FRAMES : 0, 0, FRAMES);
    all_resets = resets + firsts;
    given = $test$plusargs("repeat=") != 0;
    if (given) repeats = option("repeat", 1, 1, 32'h7fffffff / (FRAMES > BUSIEST ? FRAMES : BUSIEST));
    else repeats = !UNIT ? 1 : name == "always" || mixed ? (WRAP + FRAMES) / FRAMES : 2;
    #4 if (errors != 0) begin  // of options and files
      emit($sformatf("FAIL: nothing was sent to the design: options or files are wrong; profile %0s, seed %0d", name, seed));
      stop;
    end
    noise = first_random(-2 - int'(name[name.len()-1]));  // the last letters of profiles differ
    reset(16, all_resets == 0);
    for (int early = 0; early < all_resets; early++) begin
      int kind;
      kind = early >= resets ? 7 : backward ? 6 - early : (first_kind + early) % 7;
      limit = kind < 3 ? 32'h7fffffff : kind < 7 ? 1 : more(noise[5:4]);
      do @(negedge clk); while (!rst_n || (!give_up && !due(kind, early - resets)));
      if (!firsts_given && spent >= MOST && early >= resets) all_resets = early + 1;
      // Another frame comes first, in one profile the last: with given demand the others ask for every channel.
      if (early >= resets) start = early + 1 < all_resets ? early + 1 - resets : 0;
      else if ((kind == 0 || kind == 6 && early == 0) && FRAMES > 1 && early + 1 < resets) start = all_slow ? FRAMES - 1 : 1;
      else start = 0;
      if (early == 0) preparing = idle;
      if (kind == 1) hold_a_beat;
      if (kind == 7) noise = next_random(noise);
      if (give_up) early = all_resets;
      else if (ASYNCHRONOUS) reset_without_clock(early == all_resets - 1);
      else reset(4, early == all_resets - 1);
      holding = 0;
    end
    limit = 32'h7fffffff;
  end

  initial begin
    #4;
    forever #5 if (!stopped) clk = !clk;
  end

  // Whether an early reset is due: in the middle of the first frame sent, in the middle of a frame that comes out, the
  // second if there is one, and anywhere behind the first quarter of a frame sent: something of it is left. Then, of a
  // single frame, when it is sent, when half of what was to come out from then on came, and when all of it came. Then in
  // the middle of what the design does before it takes a beat. After these seven, when a first frame came out whole, and if
  // more may begin, anywhere in the last of them, where it comes out or is sent, or at the last four beats of it, in turn.
  function automatic bit due(input int kind, input int turn);
    int late;
    late = turn / 4 % 4;
    case (kind)
      0: return sent >= (IN_WORDS + 1) / 2;
      1: return got >= (FRAMES - start > 1 ? OUT_WORDS : 0) + (OUT_WORDS + 1) / 2;
      2:
      return sent > int'(noise[30:16]) % (FRAMES > 3 ? 3 : FRAMES) * IN_WORDS + IN_WORDS / 4
                    + int'(noise[30:0]) % (IN_WORDS - IN_WORDS / 4);
      3: return sent >= IN_WORDS;
      4: return sent >= IN_WORDS && 2 * got >= taken_then + OUT_WORDS;
      5: return got >= OUT_WORDS;
      6: return 2 * cycle >= preparing;
      default: begin
        if (got < OUT_WORDS || limit == 1) return got >= OUT_WORDS;
        case (turn % 4)
          0: return sent >= IN_WORDS * limit - 1 - int'(noise[30:8]) % IN_WORDS;
          1: return got > OUT_WORDS * (limit - 1) + int'(noise[30:8]) % OUT_WORDS;
          2: return sent >= IN_WORDS * limit - 1 - late % IN_WORDS;
          default: return got >= OUT_WORDS * limit - 1 - late % OUT_WORDS;
        endcase
      end
    endcase
  endfunction

  // Frames that may begin after a reset before the next one, by two drawn bits: as many as are left at most.
  function automatic int more(input logic [1:0] drawn);
    int wanted, left;
    wanted = drawn == 3 ? 6 : int'(drawn) + 1;
    left = repeats * FRAMES - start;
    return wanted < left ? wanted : left;
  endfunction

  // Until a beat has waited for some cycles, and in some profiles nothing has moved for so long that everything behind it
  // stands too; it may be that none comes.
  task automatic hold_a_beat;
    int longest_gap;
    longest_gap = slowest + 4;
    holding = 1;
    for (int i = 0; i < PATIENCE && waits !== 1'b1; i++) @(negedge clk);
    repeat (4) @(negedge clk);
    if (name != "random" && !backward)
      for (int i = 0; i < PATIENCE && quiet <= longest_gap; i++) @(negedge clk);
  endtask

  // From one rising edge to another: `released` and `now` change between edges, so that no simulator can see a race.
  task automatic reset(input int cycles, input bit last_one);
    @(negedge clk) released = 0;
    repeat (cycles) @(negedge clk);
    counting = last_one;
    probe = 1;
    #1 probe = 0;
    released = 1;
  endtask

  // Without any edge of the clock.
  task automatic reset_without_clock(input bit last_one);
    @(negedge clk) stopped = 1;
    #7 now = 1;
    counting = last_one;
    #13 probe = 1;
    #1 probe = 0;
    #4 now = 0;
    #5 stopped = 0;
  endtask

  assign rst_n = running && !now;
  assign hold = skew == 0 ? holding : held;  // at once, before another beat; with +skew inputs change at edges only
  always @(posedge clk) begin
    running <= released;
    held <= holding;
  end

  // The last beat of a frame into the design and the last one out of it, or one of the two before it, meet: who is there
  // first waits for the other, if it comes at all, and then they move in the same cycle or up to three apart, in turn. An
  // earlier one, because what a design does for the last one is done while that beat stands in its registers. Of several
  // inputs some come up to three cycles later than others.
  localparam int MEETINGS = 64, MISSED = 16;
  logic ends_wait;
  assign meets = all_slow && counting && met < MEETINGS && missed < MISSED;
  assign outputs_end = meeting > met % 6;
  assign ahead = met / 6 % 3;
  assign ends_wait = input_at_end || output_at_end;
  always @(posedge clk) begin
    if (meeting == 0) begin
      alone <= ends_wait ? alone + 1 : 0;
      if (ends_wait && (alone >= PATIENCE || (input_at_end && output_at_end))) meeting <= 1;
      if (ends_wait && alone >= PATIENCE) missed <= missed + 1;
    end else begin
      alone <= 0;
      meeting <= meeting == 15 ? 0 : meeting + 1;
      if (meeting == 15) met <= met + 1;
    end
  end

  // Whether 65,536 frames can be past within MOST cycles, at the rate so far.
  logic affordable;
  assign affordable = longint'(pass) * longint'(FRAMES) * longint'(MOST) > longint'(WRAP) * longint'(spent);

  // quiet: cycles without a beat; silent: cycles without one on an output, the longest while beats were due. Stalls of
  // the bench's own do not count.
  always @(posedge clk) begin
    cycle <= rst_n ? cycle + 1 : 0;
    spent <= spent + 1;
    if (!rst_n || moves) quiet <= 0;
    else if (!stalls && !ends_wait) quiet <= quiet + 1;
    if (!rst_n || arrives) silent <= 0;
    else if (!stalls && !ends_wait && !holding) silent <= silent + 1;
    if (!done && silent > slowest) slowest <= silent;
    if (sent < IN_WORDS) taken_then <= got;
    if (sent == 0) idle <= cycle;
    if (arrives) last <= cycle + 1;
    if (!done && quiet >= watchdog) give_up <= 1;
    if (counting && !given && pass + 1 < repeats)
      if (errors != 0 || spent >= (mixed ? MIXTURE : MOST) || (spent >= LEAST && pass * BUSIEST > WRAP && !affordable)) repeats <= pass + 1;
  end

  // After the last beat, extra ones are waited for as long as the design ever took for one, and some more.
  always @(negedge clk) begin
    if (give_up) fail("watchdog", $sformatf("no beat for %0d cycles; cycle %0d", quiet, cycle));
    if (give_up || (counting && rst_n && done && silent > slowest + DRAINED)) begin
      if (errors == 0) begin
        if (ignored != 0) emit($sformatf("%0d elements differ that are not demanded", ignored));
        if (UNIT && !given && name == "always" && FRAMES * repeats <= WRAP)
          emit($sformatf("a counter of frames of 16 bits was not tried, which %0d cycles do not reach; +repeat=%0d does",
                         MOST, (WRAP + FRAMES) / FRAMES));
        if (all_resets < resets + firsts)
          emit($sformatf("only the first %0d frames came first after a reset, in %0d cycles; +firsts=%0d does all",
                         all_resets - resets, MOST, FRAMES));
        emit($sformatf("PASS: %0d frames (%0s), %0d beats in (%0s), %0d beats out (%0s), %0d cycles; profile %0s, seed %0d",
                       FRAMES * repeats, past(FRAMES * repeats), longint'(IN_BEATS) * longint'(repeats),
                       past(BUSIEST * repeats), longint'(OUT_BEATS) * longint'(repeats),
                       past(OUT_WORDS * FRAMES * repeats), last, name, seed));
        if (verdict != 0) $fclose(verdict);
        $finish;
      end else end_in_failure;
    end
  end

  // For the verdict: beats are those of one stream.
  function automatic string past(input int count);
    return count > WRAP ? "past 65536" : "not past 65536";
  endfunction

  task automatic end_in_failure;
    if (chosen) emit($sformatf("to see the cause, in the folder of manifest.json: intinfer explain . %0s", chosen_element));
    emit($sformatf("FAIL: %0d errors; profile %0s, seed %0d", errors, name, seed));
    stop;
  endtask

  task automatic stop;
    if (verdict != 0) $fclose(verdict);
    $fatal(1, "this run has failed");
  endtask
endmodule

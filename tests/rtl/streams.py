"""Two designs that send the same words, each in its own time: a bounded proof by yosys and its abc.

Both get the same words, any at all (but masks demand every channel), each word until both have taken it. A word that
one sends waits for that of the other; the two must be equal, `tlast` included. Words are offered, and may leave, in
cycles that a fixed shift register draws, three of four, others for each port and each side of an output.
Registers begin with any bits, initial value or not: the reset, of one cycle, may come at any time. What the RTL leaves
undefined is any bit in any cycle. Both independently in the two designs.

Proven is: in the first N cycles no word differs, and after them every output has sent at least one whole frame, in both
designs, whatever the words are. So a bound that ends before the outputs, or a design that stops, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from intinfer_golden.describe.manifest import Port
from intinfer_golden.mutants.processes import Processes

TIME = 1200
"""Seconds for the netlist, and as many for the proof."""
SIDES = ("gold", "gate")
_NETLIST = (
    "read_rtlil gold.il; read_rtlil gate.il; setattr -unset init gold/w:* gate/w:*; read_verilog -sv streams.sv; "
    "hierarchy -check -top streams; proc; flatten; opt_expr; opt_clean; wreduce; "
    "setundef -undriven -anyseq; dffunmap; techmap; setundef -anyseq; simplemap; aigmap; "
    "write_aiger -zinit streams.aig"
)
_PROOF = "read_aiger streams.aig; bmc3 -F {depth}"

_INPUT = """
  logic [{bits}-1:0] {name}_word;
  logic [31:0] {name}_place = 0;  // of the word in its frame
  logic {name}_full = 0, {name}_gold_has = 0, {name}_gate_has = 0;
  logic {name}_gold_ready, {name}_gate_ready;
  wire {name}_last = {name}_place == {frame} - 1;
  wire {name}_gold_valid = {name}_full && !{name}_gold_has, {name}_gate_valid = {name}_full && !{name}_gate_has;
  wire {name}_taken = ({name}_gold_has || {name}_gold_ready) && ({name}_gate_has || {name}_gate_ready);
  always_ff @(posedge clk) if (rst_n) begin
    if (!{name}_full || {name}_taken) begin
      {name}_full <= {willing};
      {name}_word <= {word};
      {name}_gold_has <= 0;
      {name}_gate_has <= 0;
    end else begin
      {name}_gold_has <= {name}_gold_has || {name}_gold_ready;
      {name}_gate_has <= {name}_gate_has || {name}_gate_ready;
    end
    if ({name}_full && {name}_taken) {name}_place <= {name}_last ? 0 : {name}_place + 1;
  end
"""
_OUTPUT_SIDE = """
  logic [{bits}-1:0] {name}_{side}_data, {name}_{side}_kept;
  logic {name}_{side}_valid, {name}_{side}_last, {name}_{side}_ends;
  logic {name}_{side}_has = 0;
  wire {name}_{side}_ready = !{name}_{side}_has && {willing};
  always_ff @(posedge clk) if (rst_n) begin
    if ({name}_both) {name}_{side}_has <= 0;
    else if ({name}_{side}_valid && {name}_{side}_ready) begin
      {name}_{side}_has <= 1;
      {name}_{side}_kept <= {name}_{side}_data;
      {name}_{side}_ends <= {name}_{side}_last;
    end
  end
"""
_OUTPUT = """
  wire {name}_both = {name}_gold_has && {name}_gate_has;
  wire {name}_differs = {name}_both && {{{name}_gold_ends, {name}_gold_kept}} != {{{name}_gate_ends, {name}_gate_kept}};
  logic [31:0] {name}_words = 0;
  always_ff @(posedge clk) if ({name}_both && {name}_words < {frame}) {name}_words <= {name}_words + 1;
"""


def proven(folder: Path, ports: Sequence[Port], cycles: int) -> bool:
    """Whether gold.il and gate.il in `folder`, flat and with these ports, send the same words for so many cycles."""
    (folder / "streams.sv").write_text(_miter(ports, cycles))
    if Processes().run(["yosys", "-q", "-p", _NETLIST], folder, TIME, folder).returncode != 0:
        return False
    ended = Processes().run(["yosys-abc", "-c", _PROOF.format(depth=cycles + 2)], folder, TIME, folder)
    found = re.search(r"^No output asserted in (\d+) frames", ended.output, re.MULTILINE)
    return ended.returncode == 0 and found is not None and int(found[1]) == cycles + 2


def _miter(ports: Sequence[Port], cycles: int) -> str:
    """Its one output, `wrong`, is high where the designs are not the same."""
    inputs = [port for port in ports if port.direction != "out"]
    outputs = [port for port in ports if port.direction == "out"]
    free = "".join(f", input logic [{port.tensor.beat_bits - 1}:0] {port.name}_any" for port in inputs)
    willing = (f"(drawn[{bit}] || drawn[{bit + 1}])" for bit in range(0, 64, 3))
    differs = " || ".join(f"{port.name}_differs" for port in outputs)
    missing = " || ".join(f"{port.name}_words < {port.frame_words}" for port in outputs)
    return f"""module streams (input logic clk{free}, output logic wrong);
  logic rst_n = 0;
  logic [31:0] cycle = 0;  // after the reset
  logic [63:0] drawn = 64'h9e3779b97f4a7c15;
  always_ff @(posedge clk) begin
    rst_n <= 1;
    if (rst_n && cycle <= {cycles}) cycle <= cycle + 1;
    drawn <= {{drawn[62:0], drawn[63] ^ drawn[62] ^ drawn[60] ^ drawn[59]}};
  end
  assign wrong = {differs} || cycle == {cycles} && ({missing});
{"".join(_of_input(port, next(willing)) for port in inputs)}
{"".join(_of_output(port, willing) for port in outputs)}
{"".join(_instance(side, ports) for side in SIDES)}
endmodule
"""


def _of_input(port: Port, willing: str) -> str:
    sizes = {"bits": port.tensor.beat_bits, "frame": port.frame_words}
    word = "'1" if port.direction == "demand" else f"{port.name}_any"
    return _INPUT.format(name=port.name, willing=willing, word=word, **sizes)


def _of_output(port: Port, willing: Iterator[str]) -> str:
    bits, frame = port.tensor.beat_bits, port.frame_words
    sides = (_OUTPUT_SIDE.format(name=port.name, side=side, bits=bits, willing=next(willing)) for side in SIDES)
    return "".join(sides) + _OUTPUT.format(name=port.name, frame=frame)


def _instance(side: str, ports: Sequence[Port]) -> str:
    pins = [".clk", ".rst_n"]
    for port in ports:
        data, last = ("word", "last") if port.direction != "out" else (f"{side}_data", f"{side}_last")
        signals = {"data": data, "valid": f"{side}_valid", "ready": f"{side}_ready", "last": last}
        pins += [f".{port.name}_t{pin}({port.name}_{signal})" for pin, signal in signals.items()]
    return f"  {side} {side} ({', '.join(pins)});\n"

"""`adapter.sv`: the design with its own ports, behind those that both test benches drive."""

from __future__ import annotations

from collections.abc import Sequence

from ..describe.manifest import Port
from .interface import Interface
from .text import instance


def adapter(ports: Sequence[Port], interface: Interface) -> str:
    """The module `bench_adapter`: delays what the bench drives (+skew), inverts what means nothing while tvalid is low,
    and makes signals that the design lacks."""
    connections = {
        interface.clock: "clk",
        interface.reset: "!late_rst_n" if interface.active_high else "late_rst_n",
        **{f"{port.name}_{s}": _source(port, s) for port in ports for s in interface.signals(port.direction)},
    }
    delayed = [f"{port.name}_{name}" for port in ports for name in _delayed(port, interface)]
    lines = [
        *("module bench_adapter (", "    input logic clk,", "    input logic rst_n,"),
        *(",\n".join(_declarations(ports)), ");", *_DELAY),
        *(line for port in ports for line in _stream(port, interface)),
        *("  always @(posedge clk)", "    if (skew != 0) begin", "      #(skew);"),
        *(f"      held_{signal} = {signal};" for signal in delayed),
        *("    end", "", *instance("`DUT", "under_test", {}, connections)[:-1], "endmodule"),
    ]
    return _HEAD + "\n".join(lines) + "\n"


_HEAD = """\
// The design under test with its own ports, behind those of the test benches. Generated from manifest.json.
//
// Plusarg: +skew=N  the design sees its inputs change N ns after the rising edge: with a clock that reaches its
//                   registers late, they must not change at the edge.
// verilator lint_save
// verilator lint_off BLKSEQ
// verilator lint_off DECLFILENAME
// verilator lint_off SYNCASYNCNET
// verilator lint_off UNUSEDSIGNAL
`timescale 1ns / 1ps
`ifndef DUT
`define DUT dut
`endif

// The first and the last beat of each frame.
module bench_frame #(
    parameter int WORDS = 1
) (
    input logic clk,
    input logic rst_n,
    input logic moves,
    output logic first,
    output logic last
);
  int place;
  assign first = place == 0;
  assign last = place == WORDS - 1;
  initial place = 0;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) place <= 0;
    else if (moves) place <= last ? 0 : place + 1;
endmodule

"""

_DELAY = """\
  int skew;
  logic held_rst_n, late_rst_n;
  initial begin
    held_rst_n = 0;
    if ($value$plusargs("skew=%d", skew) == 0) skew = 0;
  end
  always @(rst_n)
    if (skew != 0) begin
      #(skew) held_rst_n = rst_n;
    end
  assign late_rst_n = skew == 0 ? rst_n : held_rst_n;
""".splitlines()


def _driven(port: Port) -> tuple[str, ...]:
    """What the bench drives of a stream."""
    return ("tready",) if port.direction == "out" else ("tdata", "tvalid", "tlast")


def _width(port: Port, signal: str) -> str:
    bits = {"tdata": port.tensor.beat_bits, "tkeep": port.tensor.beat_bits // 8}.get(signal)
    return "" if bits is None else f"[{bits - 1}:0] "


def _declarations(ports: Sequence[Port]) -> list[str]:
    return [
        f"    {'input' if name in _driven(port) else 'output'} logic {_width(port, name)}{port.name}_{name}"
        for port in ports
        for name in ("tdata", "tvalid", "tready", "tlast", *(("keep", "first") if port.direction == "out" else ()))
    ]


def _delayed(port: Port, interface: Interface) -> list[str]:
    """What +skew delays of a stream."""
    return [*_driven(port), *(["begins"] if interface.tuser and port.direction != "out" else [])]


def _late(port: Port, interface: Interface) -> list[str]:
    """Delayed copies. What stands beside a low tvalid is inverted, since sources may leave the last beat there: a
    design that looks at it all the same must not find what it hopes for."""
    lines, values = [], []
    for name in _delayed(port, interface):
        signal = f"{port.name}_{name}"
        value = f"skew == 0 ? {signal} : held_{signal}"
        lines.append(f"  logic {_width(port, name)}held_{signal}, late_{signal};")
        if name not in ("tvalid", "tready"):
            bits = port.tensor.beat_bits if name == "tdata" else 1
            value = f"({value}) ^ {{{bits}{{!late_{port.name}_tvalid}}}}"
        values.append(f"  assign late_{signal} = {value};")
    return [*lines, *values]


def _frame(port: Port) -> list[str]:
    """Counts the beats of a frame."""
    name = port.name
    frame = {"clk": "clk", "rst_n": "rst_n", "moves": f"{name}_tvalid === 1'b1 && {name}_tready === 1'b1"}
    frame |= {"first": f"{name}_begins", "last": f"{name}_ends"}
    return [f"  logic {name}_begins, {name}_ends;", *instance("bench_frame", name, {"WORDS": port.frame_words}, frame)]


def _stream(port: Port, interface: Interface) -> list[str]:
    """What stands between a stream of the bench and that of the design."""
    out = port.direction == "out"
    lines = [*(_frame(port) if out or interface.tuser else []), *_late(port, interface)]
    keep = f"&{port.name}_keeps" if interface.tkeep else "1'b1"
    made = {
        f"  assign {port.name}_tlast = {port.name}_ends;": not interface.has_tlast("out"),
        f"  logic {_width(port, 'tkeep')}{port.name}_keeps;": interface.tkeep,
        f"  assign {port.name}_keep = {keep};": True,
        f"  assign {port.name}_first = {port.name}_begins;": not interface.tuser,
    }
    return [*lines, *(line for line, needed in made.items() if out and needed)]


def _source(port: Port, signal: str) -> str:
    """What a signal of the design is connected to."""
    name = f"{port.name}_{signal}"
    if port.direction == "out":
        outputs = {"tready": f"late_{name}", "tuser": f"{port.name}_first", "tkeep": f"{port.name}_keeps"}
        return outputs.get(signal, name)
    ones = f"{{{port.tensor.beat_bits // 8}{{1'b1}}}}"  # Icarus Verilog 11 makes one bit of '1 here
    return {"tkeep": ones, "tuser": f"late_{port.name}_begins", "tready": name}.get(signal, f"late_{name}")

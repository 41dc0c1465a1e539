"""`adapter.sv`: the design with its own ports, behind those that both test benches drive."""

from __future__ import annotations

from collections.abc import Sequence

from ..describe.manifest import Port
from .interface import Interface
from .text import instance


def adapter(ports: Sequence[Port], interface: Interface) -> str:
    """The module `bench_adapter`: delays what the bench drives (+skew), inverts what means nothing while tvalid is low,
    and makes signals that the design lacks."""
    lines = ["module bench_adapter (", "    input logic clk,", "    input logic rst_n,"]
    lines += [",\n".join(_declarations(ports)), ");", *_DELAY]
    connections = {
        interface.clock: "clk",
        interface.reset: "!late_rst_n" if interface.active_high else "late_rst_n",
    }
    for port in ports:
        lines += _stream(port, interface)
        connections |= {f"{port.name}_{signal}": _source(port, signal) for signal in interface.signals(port.direction)}
    driven = [signal for port in ports for signal in _delayed(port, interface)]
    lines += ["  always @(posedge clk)", "    if (skew != 0) begin", "      #(skew);"]
    lines += [f"      held_{signal} = {signal};" for signal in driven]
    lines += ["    end", "", *instance("`DUT", "under_test", {}, connections)[:-1], "endmodule"]
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


def _driven(port: Port) -> list[str]:
    """What the bench drives of a stream."""
    names = ("tready",) if port.direction == "out" else ("tdata", "tvalid", "tlast")
    return [f"{port.name}_{name}" for name in names]


def _width(port: Port, signal: str) -> str:
    bits = {"tdata": port.tensor.beat_bits, "tkeep": port.tensor.beat_bits // 8}.get(signal)
    return "" if bits is None else f"[{bits - 1}:0] "


def _declarations(ports: Sequence[Port]) -> list[str]:
    lines = []
    for port in ports:
        driven = _driven(port)
        names = ["tdata", "tvalid", "tready", "tlast", *(("keep", "first") if port.direction == "out" else ())]
        for name in names:
            direction = "input" if f"{port.name}_{name}" in driven else "output"
            lines.append(f"    {direction} logic {_width(port, name)}{port.name}_{name}")
    return lines


def _delayed(port: Port, interface: Interface) -> list[str]:
    """What +skew delays of a stream."""
    begins = [f"{port.name}_begins"] if interface.tuser and port.direction != "out" else []
    return [*_driven(port), *begins]


def _late(port: Port, interface: Interface) -> list[str]:
    """Delayed copies. What stands beside a low tvalid is inverted, since sources may leave the last beat there: a
    design that looks at it all the same must not find what it hopes for."""
    lines, values = [], []
    for signal in _delayed(port, interface):
        kind = signal.rpartition("_")[2]
        width = _width(port, kind)
        value = f"skew == 0 ? {signal} : held_{signal}"
        lines.append(f"  logic {width}held_{signal}, late_{signal};")
        if kind not in ("tvalid", "tready"):
            bits = port.tensor.beat_bits if kind == "tdata" else 1
            value = f"({value}) ^ {{{bits}{{!late_{port.name}_tvalid}}}}"
        values.append(f"  assign late_{signal} = {value};")
    return [*lines, *values]


def _frame(port: Port) -> list[str]:
    """Counts the beats of a frame."""
    frame = {"clk": "clk", "rst_n": "rst_n", "moves": f"{port.name}_tvalid === 1'b1 && {port.name}_tready === 1'b1"}
    frame |= {"first": f"{port.name}_begins", "last": f"{port.name}_ends"}
    parameters = {"WORDS": port.frame_words}
    return [f"  logic {port.name}_begins, {port.name}_ends;", *instance("bench_frame", port.name, parameters, frame)]


def _stream(port: Port, interface: Interface) -> list[str]:
    """What stands between a stream of the bench and that of the design."""
    out = port.direction == "out"
    lines = [*(_frame(port) if out or interface.tuser else []), *_late(port, interface)]
    if not out:
        return lines
    if not interface.has_tlast("out"):
        lines.append(f"  assign {port.name}_tlast = {port.name}_ends;")
    if interface.tkeep:
        lines.append(f"  logic {_width(port, 'tkeep')}{port.name}_keeps;")
    keep = f"&{port.name}_keeps" if interface.tkeep else "1'b1"
    lines.append(f"  assign {port.name}_keep = {keep};")
    if not interface.tuser:
        lines.append(f"  assign {port.name}_first = {port.name}_begins;")
    return lines


def _source(port: Port, signal: str) -> str:
    """What a signal of the design is connected to."""
    name = f"{port.name}_{signal}"
    if port.direction == "out":
        return {"tready": f"late_{name}", "tuser": f"{port.name}_first", "tkeep": f"{port.name}_keeps"}.get(
            signal, name
        )
    if signal == "tkeep":
        return f"{{{port.tensor.beat_bits // 8}{{1'b1}}}}"  # Icarus Verilog 11 makes one bit of '1 here
    if signal == "tuser":
        return f"late_{port.name}_begins"
    return name if signal == "tready" else f"late_{name}"

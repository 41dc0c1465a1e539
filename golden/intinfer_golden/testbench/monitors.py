"""Passive checkers of streams inside a design: `monitors.sv` for the test bench, `bind.sv` for anybody's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from intinfer.errors import DataError

from ..describe.manifest import Port
from .interface import Interface
from .text import instance
from .verilog import CHECK, check_parameters

_PATH = re.compile(r"[A-Za-z_][\w$]*(\[\d+\])*(\.[A-Za-z_][\w$]*(\[\d+\])*)*", re.ASCII)


@dataclass(frozen=True)
class Monitor:
    """A stream inside a design that carries the value of a node.

    Attributes:
        port: what it carries, named by its place in the design: "u_conv.m_axis" for u_conv.m_axis_tdata and so on,
            below the module under test.
        tlast: whether it has tlast.
    """

    port: Port
    tlast: bool

    @property
    def path(self) -> str:
        return self.port.name

    @property
    def name(self) -> str:
        """A name for the checker's instance."""
        return "monitor_" + re.sub(r"\W", "_", self.path)


def check_path(path: str) -> None:
    """Raise DataError for what is no hierarchical name of Verilog."""
    if not _PATH.fullmatch(path):
        raise DataError(f"{path!r} is no stream inside a design; give the names of its signals without _tdata")


def monitors(found: Sequence[Monitor]) -> str:
    """The module `bench_monitors` of the generated bench, which reads the streams by hierarchical names."""
    lines = [
        "// Passive checkers of streams inside the design. Generated from manifest.json.",
        "`timescale 1ns / 1ps",
        "module bench_monitors (",
        "    input logic clk,",
        "    input logic rst_n,",
        "    input logic probe,",
        "    input logic counting,",
        "    input int repeats,",
        "    input int start,",
        "    input logic give_up,",
        "    output logic done,",
        "    output int ignored",
        ");",
        "  import bench::*;",
    ]
    for monitor in found:
        lines += [f"  logic {monitor.name}_done;", f"  int {monitor.name}_got, {monitor.name}_ignored;"]
        bench = {name: name for name in CHECK}
        own = {name: f"{monitor.name}_{name}" for name in ("got", "ignored", "done")}
        streams = _signals(monitor, f"tb.adapter.under_test.{monitor.path}")
        lines += instance("bench_check", monitor.name, _parameters(monitor), bench | own | streams)
    lines += [f"  assign done = &{{{', '.join(f'{m.name}_done' for m in found)}}};"]
    lines += [f"  assign ignored = {' + '.join(f'{m.name}_ignored' for m in found)};"]
    lines += ["  always @(posedge give_up) begin"]
    for monitor in found:
        words = monitor.port.tensor.words
        text = f'$sformatf("{monitor.path}: %0d of %0d beats seen", {monitor.name}_got, repeats * {words})'
        lines.append(f"    if (!{monitor.name}_done) emit({text});")
    return "\n".join([*lines, "  end", "endmodule"]) + "\n"


def bind(found: Sequence[Monitor], interface: Interface, top: str) -> str:
    """A file that puts the checkers into a simulation of one's own: `bind` statements, and for Icarus Verilog, which
    has none, a further top module.

    Args:
        top: the module under test. Checkers are bound to it alone and reach into its instances, because Verilator 5.006
            binds to names of modules only; clock and reset are those of the module under test.
    """
    lines = [*_BIND_HEAD, "`ifdef __ICARUS__", "module bench_bound;"]
    for monitor in found:
        lines += _alone(monitor, interface, "`DUT_PATH.")
    lines += ["endmodule", "`else"]
    for monitor in found:
        [head, *rest] = _alone(monitor, interface, "")
        lines += [f"bind {top} {head.strip()}", *rest]
    return "\n".join([*lines, "`endif"]) + "\n"


_BIND_HEAD = """\
// Checkers of streams inside the design for a simulation of your own. Generated from manifest.json.
//
// Compile tb.sv, then the design, then this file, with your own top module, and run it in the folder that holds
// manifest.json. The set is sent whole, as often as you like; a reset begins it anew. At the end each checker prints a
// line, PASS: STREAM: ... or FAIL: STREAM: ...; a checker that prints none did not look.
// Icarus Verilog 11 has no `bind`: there `bench_bound` is a top module beside your own, and DUT_PATH is where the
// module under test is: iverilog -s my_tb -s bench_bound -D DUT_PATH=my_tb.under_test ...
`timescale 1ns / 1ps""".splitlines()


def _alone(monitor: Monitor, interface: Interface, scope: str) -> list[str]:
    """A checker without the rest of the bench; `scope` is what names of the module under test begin with."""
    reset = f"{scope}{interface.reset}"
    own = {"clk": f"{scope}{interface.clock}", "rst_n": f"!{reset}" if interface.active_high else reset}
    own |= {"probe": "1'b0", "counting": "1'b1", "repeats": "32'h7fffffff", "start": "32'd0"}
    own |= {"got": "", "ignored": "", "done": ""}
    streams = _signals(monitor, f"{scope}{monitor.path}")
    return instance("bench_check", monitor.name, _parameters(monitor) | {"ALONE": 1}, own | streams)


def _signals(monitor: Monitor, prefix: str) -> dict[str, str]:
    names = ("tdata", "tvalid", "tready", *(("tlast",) if monitor.tlast else ()))
    signals = {name: f"{prefix}_{name}" for name in names} | {"keep": "1'b1", "first": "1'b0"}
    return signals if monitor.tlast else signals | {"tlast": "1'b0"}


def _parameters(monitor: Monitor) -> dict[str, int | str]:
    return check_parameters(monitor.port, monitor.tlast) | {"FIRST": 0}

"""Passive checkers of streams inside a design: `monitors.sv` for the test bench, `bind.sv` for anybody's own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from intinfer.errors import DataError

from ..describe.manifest import Port
from .interface import Interface
from .text import instance
from .verilog import CHECK, check_parameters

_PATH = re.compile(r"[A-Za-z_][\w$]*(\[\d+\])*(\.[A-Za-z_][\w$]*(\[\d+\])*)*", re.ASCII)


def check_path(path: str) -> None:
    """Raise DataError for what is no hierarchical name of Verilog."""
    if not _PATH.fullmatch(path):
        raise DataError(f"{path!r} is no stream inside a design; give the names of its signals without _tdata")


def monitors(found: Sequence[Port], tlast: bool) -> str:
    """The module `bench_monitors` of the generated bench, which reads the streams by hierarchical names.

    Args:
        found: streams named by their places below the module under test: "u_conv.m_axis" for u_conv.m_axis_tdata and
            so on.
        tlast: whether they have tlast.
    """
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
    checkers = {_name(port): port for port in found}
    seen = []
    for name, port in checkers.items():
        lines += [f"  logic {name}_done;", f"  int {name}_got, {name}_ignored;"]
        own = {signal: signal for signal in CHECK} | {s: f"{name}_{s}" for s in ("got", "ignored", "done")}
        streams = _signals(f"tb.adapter.under_test.{port.name}", tlast)
        lines += instance("bench_check", name, _parameters(port, tlast), own | streams)
        text = f'$sformatf("{port.name}: %0d of %0d beats seen", {name}_got, repeats * {port.tensor.words})'
        seen.append(f"    if (!{name}_done) emit({text});")
    lines += [
        f"  assign done = &{{{', '.join(f'{name}_done' for name in checkers)}}};",
        f"  assign ignored = {' + '.join(f'{name}_ignored' for name in checkers)};",
        "  always @(posedge give_up) begin",
    ]
    return "\n".join([*lines, *seen, "  end", "endmodule"]) + "\n"


def bind(found: Sequence[Port], interface: Interface, top: str) -> str:
    """A file that puts the checkers into a simulation of one's own: `bind` statements, and for Icarus Verilog, which
    has none, a further top module.

    Args:
        top: the module under test. Checkers are bound to it alone and reach into its instances, because Verilator 5.006
            binds to names of modules only; clock and reset are those of the module under test.
    """
    lines = [*_BIND_HEAD, "`ifdef __ICARUS__", "module bench_bound;"]
    lines += [line for port in found for line in _alone(port, interface, "`DUT_PATH.")]
    lines += ["endmodule", "`else"]
    for port in found:
        [head, *rest] = _alone(port, interface, "")
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


def _alone(port: Port, interface: Interface, scope: str) -> list[str]:
    """A checker without the rest of the bench; `scope` is what names of the module under test begin with."""
    reset, tlast = f"{scope}{interface.reset}", interface.has_tlast("out")
    connections = {
        "clk": f"{scope}{interface.clock}",
        "rst_n": f"!{reset}" if interface.active_high else reset,
        "probe": "1'b0",
        "counting": "1'b1",
        "repeats": "32'h7fffffff",
        "start": "32'd0",
        "got": "",
        "ignored": "",
        "done": "",
        **_signals(f"{scope}{port.name}", tlast),
    }
    return instance("bench_check", _name(port), _parameters(port, tlast) | {"ALONE": 1}, connections)


def _name(port: Port) -> str:
    """A name for the checker's instance."""
    return "monitor_" + re.sub(r"\W", "_", port.name)


def _signals(prefix: str, tlast: bool) -> dict[str, str]:
    signals = {name: f"{prefix}_{name}" for name in ("tdata", "tvalid", "tready", "tlast")}
    return signals | {"keep": "1'b1", "first": "1'b0"} | ({} if tlast else {"tlast": "1'b0"})


def _parameters(port: Port, tlast: bool) -> dict[str, int | str]:
    return check_parameters(port, tlast) | {"FIRST": 0}

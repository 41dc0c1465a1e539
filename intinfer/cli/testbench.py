"""`intinfer testbench SET`"""

from __future__ import annotations

import argparse
from pathlib import Path

from intinfer_golden.testbench import FOLDER, Interface, write_bench
from intinfer_golden.testbench.interface import TLAST

from ..errors import DataError
from ..reports.text import counted
from .common import answer, describe


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer testbench`."""
    describe(
        parser,
        "Write the test benches of a set of golden vectors anew, SET/bench, for a design whose ports are named in\n"
        "another way, and with monitors: passive checkers of streams inside the design. `intinfer golden` writes them\n"
        "for clk, rst_n (synchronous, active low) and streams with tlast.",
        "intinfer testbench vectors --reset rst --active high",
        "intinfer testbench nodes/conv1 --clock aclk --reset aresetn --asynchronous --tlast out --tkeep --tuser",
        "intinfer testbench vectors --monitor u_conv1.m_axis=conv1 --monitor u_act.m_axis=conv1.act --top chip",
    )
    parser.add_argument("directory", metavar="SET", help="folder with the manifest.json of a set")
    parser.add_argument("--clock", metavar="NAME", default="clk", help="of the clock, rising-edge (default: clk)")
    parser.add_argument("--reset", metavar="NAME", default="rst_n", help="of the reset (default: rst_n)")
    parser.add_argument(
        "--active", choices=("low", "high"), default="low", help="level at which the reset is active (default: low)"
    )
    parser.add_argument(
        "--asynchronous", action="store_true", help="the design is reset without a clock edge, which is then tried"
    )
    parser.add_argument("--tlast", choices=TLAST, default="both", help="which streams have tlast (default: both)")
    parser.add_argument("--tkeep", action="store_true", help="streams have tkeep, all ones")
    parser.add_argument("--tuser", action="store_true", help="streams have a tuser that marks a frame's first beat")
    parser.add_argument(
        "--monitor",
        metavar="STREAM=NODE",
        type=_monitor,
        action="append",
        default=[],
        help="check a stream inside the design, STREAM_tdata and so on below the module under test, against a node",
    )
    parser.add_argument("--top", metavar="MODULE", default="dut", help="module under test, for bind.sv (default: dut)")


def _monitor(text: str) -> tuple[str, str]:
    stream, equals, node = text.partition("=")
    if not (stream and equals and node):
        raise argparse.ArgumentTypeError(f"{text!r} is not STREAM=NODE")
    return stream, node


def run(arguments: argparse.Namespace) -> int:
    """Write the benches of a set anew."""
    inner = dict(arguments.monitor)
    if len(inner) != len(arguments.monitor):
        raise DataError("--monitor names a stream twice; give each once")
    interface = Interface(
        clock=arguments.clock,
        reset=arguments.reset,
        active_high=arguments.active == "high",
        asynchronous=arguments.asynchronous,
        tlast=arguments.tlast,
        tkeep=arguments.tkeep,
        tuser=arguments.tuser,
    )
    write_bench(Path(arguments.directory), interface, inner, arguments.top)
    folder = str(Path(arguments.directory) / FOLDER)
    text = f"wrote {folder}: ports {interface.sentence().replace('`', '')}; {counted(len(inner), 'monitor')}"
    return answer(arguments, {"directory": folder, "monitors": inner}, text)

"""`intinfer verify DIR DUMP...`"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..files import write_file
from ..text import printable
from .common import add_json, describe, print_json

if TYPE_CHECKING:
    from intinfer_golden.compare import Comparison, Verification
    from intinfer_golden.dumps.waveform import Stream


def configure(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Compare a simulator's dumps with golden vectors, value by value. A dump is named like the node's file in\n"
        "DIR/values and holds all images in the order of the vectors, as many values a word as they have, or one:\n"
        ".mem .memh .hex ($writememh text), .memb .xmif (binary words), .coe, .mif, .bin, .csv .txt (a decimal number\n"
        "a line) or .npy. Of a .vcd, name the AXI4-Stream with --signal and its node with --node: words are taken at\n"
        "rising clock edges with valid and ready. Where DIR holds several sets (golden --isolated), a dump belongs to\n"
        "the set that its folder is named after, or else to the one that computes the node.\n"
        "Exits with 0 when all are equal, 1 when one differs, 2 when something cannot be read.",
        "intinfer verify vectors sim/conv1.mem sim/conv1.act.mem",
        "intinfer verify vectors out.hex --node fc --junit report.xml",
        "intinfer verify vectors sim.vcd --signal tb.dut.m0_axis --node fc",
    )
    parser.add_argument("directory", metavar="DIR", help="folder that intinfer golden made")
    parser.add_argument("dumps", metavar="DUMP", nargs="+", help="file that the simulator wrote")
    parser.add_argument("--node", metavar="X", help="node of the only dump, whatever its name")
    parser.add_argument("--full", action="store_true", help="compare channels that an image does not demand as well")
    parser.add_argument("--junit", metavar="FILE", help="write the outcome as JUnit XML as well")
    add_json(parser)
    streams = parser.add_argument_group("the stream in a .vcd")
    streams.add_argument("--signal", metavar="PREFIX", help="reads PREFIX_tdata, PREFIX_tvalid and PREFIX_tready")
    for part in ("data", "valid", "ready"):
        streams.add_argument(f"--{part}", metavar="NAME", help=f"{part}, where it is not PREFIX_t{part}")
    streams.add_argument("--clock", metavar="NAME", help="the clock, where it is not clk or aclk around the stream")


def run(arguments: argparse.Namespace) -> int:
    from intinfer_golden.compare import verify
    from intinfer_golden.junit import junit_xml
    from intinfer_golden.report import describe as lines

    verification = verify(
        arguments.directory, arguments.dumps, node=arguments.node, stream=_stream(arguments), full=arguments.full
    )
    if arguments.junit is not None:
        write_file(arguments.junit, junit_xml(verification))
    if arguments.json:
        print_json(_document(verification, arguments.full))
    else:
        for comparison in verification.comparisons:
            print("\n".join(lines(comparison)))
        print(_summary(verification))
    return 0 if verification.equal else 1


def _stream(arguments: argparse.Namespace) -> Stream | None:
    from intinfer_golden.dumps.waveform import Stream

    stream = Stream(arguments.signal, arguments.data, arguments.valid, arguments.ready, arguments.clock)
    return None if stream == Stream() else stream


def _document(verification: Verification, full: bool) -> dict[str, Any]:
    first = verification.first
    return {
        "equal": verification.equal,
        "full": full,
        "first_different": None if first is None else first.name,
        "dumps": [_entry(comparison) for comparison in verification.comparisons],
        "without_dump": list(verification.without_dump),
    }


def _entry(comparison: Comparison) -> dict[str, Any]:
    errors = [{"error": error, "count": count} for error, count in comparison.errors.items()]
    return {**asdict(comparison), "equal": comparison.equal, "errors": errors}


def _summary(verification: Verification) -> str:
    count = len(verification.comparisons)
    same = sum(comparison.equal for comparison in verification.comparisons)
    missing = len(verification.without_dump)
    text = f"{same} of {count} dumps equal" + (f"; {missing} nodes without a dump" if missing else "")
    first = verification.first
    return text if first is None else printable(f"{text}; the first node that differs is {first.name}")

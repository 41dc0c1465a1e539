"""`intinfer verify DIR DUMP...`"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from intinfer_golden.verification.compare import Comparison, Verification, verify
from intinfer_golden.verification.dumps.waveform import Stream
from intinfer_golden.verification.report import commands, junit_xml
from intinfer_golden.verification.report import describe as lines

from ..errors import DataError
from ..files.atomic import write_file
from ..reports.text import counted, printable
from .common import answer, describe, frame_ranges, positive


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer verify`."""
    describe(
        parser,
        "Compare a simulator's dumps with golden vectors, value by value. A dump is named like the node's file in\n"
        "DIR/values and holds all images in the order of the vectors, as many values a word as they have, or one:\n"
        ".mem .memh .hex ($writememh text), .memb .xmif (binary words), .coe, .mif, .bin, .csv .txt (decimal numbers)\n"
        "or .npy. A memory may be deeper than the tensor where the words behind it are X, and its words wider where\n"
        "they are all zero- or all sign-extended. Of a .vcd or .fst, name the AXI4-Stream with --signal: words are\n"
        "taken at rising clock edges with valid and ready, those before the last reset are left out, and the node is\n"
        "the one of the port that the name ends with, or --node. Where DIR holds several sets (golden --isolated), a\n"
        "dump belongs to the set that its folder is named after, or else to the one that computes the node.\n"
        "Memories of weights and other constants are compared as well: named like their files in DIR/constants.\n"
        "Of a dump that differs it says where (by axis), how it may lie otherwise in its file (hint), and which usual\n"
        "mistakes of a design give exactly its values (cause): kernels, channels, padding, widths, one wrong weight.\n"
        "Exits with 0 when all are equal, 1 when one differs, 2 when something cannot be read.",
        "intinfer verify vectors sim/conv1.mem sim/conv1.act.mem",
        "intinfer verify vectors out.hex --node fc --junit report.xml",
        "intinfer verify nodes/conv1 sim.vcd --signal tb.m0_axis",
        "intinfer verify vectors sim.fst --signal tb.dut.m0_axis --node fc --frames 10",
    )
    parser.add_argument("directory", metavar="DIR", help="folder that intinfer golden made")
    parser.add_argument("dumps", metavar="DUMP", nargs="+", help="file that the simulator wrote")
    parser.add_argument("--node", metavar="X", help="node of the only dump, or NODE.ATTRIBUTE, whatever its name")
    parser.add_argument(
        "--frames",
        metavar="N|N-N,...",
        type=_frames,
        help="the dumps hold the first N images alone; or those of N-N,N,..., as golden --frames takes them (one: N-N)",
    )
    parser.add_argument("--full", action="store_true", help="compare channels that an image does not demand as well")
    parser.add_argument("--no-causes", action="store_true", help="do not look for the mistake of the design")
    parser.add_argument("--junit", metavar="FILE", help="write the outcome as JUnit XML as well")
    streams = parser.add_argument_group("the stream in a .vcd or .fst")
    streams.add_argument(
        "--signal",
        metavar="PREFIX",
        help="reads PREFIX_tdata, _tvalid and _tready (or .tdata, ...); outer scopes may be left out",
    )
    for part in ("data", "valid", "ready"):
        streams.add_argument(f"--{part}", metavar="NAME", help=f"{part}, where it is not PREFIX_t{part}")
    streams.add_argument("--valid-only", action="store_true", help="there is no ready: a word moves with valid alone")
    streams.add_argument("--clock", metavar="NAME", help="the clock, where it is not clk or aclk around the stream")
    streams.add_argument(
        "--reset", metavar="NAME", help="the reset, where it is not rst_n, aresetn, rst, ... around it"
    )
    streams.add_argument(
        "--reset-active",
        choices=("low", "high"),
        help="when the reset is active (default: low if its name ends with n)",
    )
    streams.add_argument("--no-reset", action="store_true", help="compare the words before a reset as well")
    streams.add_argument(
        "--passes",
        metavar="N",
        type=int,
        help="the whole set comes N times (default: as often as in the inputs' words)",
    )


def _frames(text: str) -> list[tuple[int, int]]:
    """The first N, or the ranges that `golden --frames` takes."""
    if text.isascii() and text.isdigit():
        return [(0, positive(text) - 1)]
    return frame_ranges(text)


def run(arguments: argparse.Namespace) -> int:
    """Compare dumps with a set; 1 when one differs."""
    verification = verify(
        arguments.directory,
        arguments.dumps,
        node=arguments.node,
        stream=_stream(arguments),
        full=arguments.full,
        frames=arguments.frames,
        passes=arguments.passes,
        causes=not arguments.no_causes,
    )
    if arguments.junit is not None:
        write_file(arguments.junit, junit_xml(verification))
    found = commands(verification)
    document = _document(verification, arguments.full) | {"explain": None, "minimal": None, **found}
    text = [line for comparison in verification.comparisons for line in lines(comparison)]
    text += [_summary(verification), *(f"  {name}: {line}" for name, line in found.items())]
    return answer(arguments, document, "\n".join(text), 0 if verification.equal else 1)


def _stream(arguments: argparse.Namespace) -> Stream | None:
    if arguments.no_reset and arguments.reset is not None:
        raise DataError(f"--reset {arguments.reset} and --no-reset contradict each other; give one")
    stream = Stream(
        arguments.signal,
        arguments.data,
        arguments.valid,
        arguments.ready,
        arguments.clock,
        arguments.valid_only,
        "" if arguments.no_reset else arguments.reset,
        arguments.reset_active,
    )
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
    first = None if comparison.first is None else asdict(comparison.first)
    if first is not None:
        first["pass"] = first.pop("pass_")
    return {**asdict(comparison), "first": first, "equal": comparison.equal, "errors": errors}


def _summary(verification: Verification) -> str:
    count = len(verification.comparisons)
    same = sum(comparison.equal for comparison in verification.comparisons)
    missing = len(verification.without_dump)
    text = f"{same} of {count} dumps equal" + (f"; {counted(missing, 'node')} without a dump" if missing else "")
    first = verification.first
    return text if first is None else printable(f"{text}; the first node that differs is {first.name}")

"""`intinfer mutants SET --rtl FILE...`"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from intinfer_golden.mutants import Journal, campaign, checked, designs_of, wrong_designs
from intinfer_golden.mutants.campaign import Design, Outcome, Wrong
from intinfer_golden.mutants.own import chosen
from intinfer_golden.mutants.report import document, survivors, table

from ..errors import DataError
from ..files.children import clean_end
from ..reports.text import printable
from .common import answer, describe, positive


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer mutants`."""
    describe(
        parser,
        "Break a design in every way of a list, one at a time, and say which of these wrong designs the bench of its\n"
        "vectors passes: how else would you know that the bench can fail? Operators, constants, conditions, signs,\n"
        "assignments and resets of the Verilog or SystemVerilog are changed where they stand; then a module around\n"
        "the design makes it wrong in the first frame only, after many frames or beats, after long stalls, after a\n"
        "second reset. What is for simulation alone stays (ifndef SYNTHESIS, translate_off).\n"
        "Exits with 0 when the bench fails all of them, 1 when some survive, 2 when the design as it is does not\n"
        "compile or does not pass.",
        "intinfer mutants nodes/conv1 --rtl rtl/pkg.sv rtl/conv.sv rtl/dut.sv --sample 100",
        "intinfer mutants nodes/conv1 --rtl rtl/*.v --dut conv_top --simulator icarus --simulator verilator --jobs 8",
    )
    parser.add_argument("directory", metavar="SET", help="a set of vectors with its bench")
    parser.add_argument("--rtl", metavar="FILE", nargs="+", required=True, help="sources, in the order of compilation")
    parser.add_argument("--dut", metavar="NAME", default="dut", help="module of the design (default: dut)")
    parser.add_argument(
        "--simulator",
        action="append",
        choices=("icarus", "verilator"),
        help="(default: icarus); given twice, the second tries what survives the first",
    )
    parser.add_argument("--include", action="append", default=[], metavar="DIR", help="folder of included files")
    parser.add_argument("--define", action="append", default=[], metavar="MACRO", help="NAME or NAME=VALUE")
    parser.add_argument("--operator", action="append", default=[], metavar="X", help="mutants of this kind only")
    parser.add_argument("--sample", type=positive, metavar="N", help="so many of the mutants, drawn at random")
    parser.add_argument("--seed", type=positive, default=1, metavar="N", help="of the sample (default: 1)")
    parser.add_argument("--jobs", type=positive, metavar="N", help="simulations at a time (default: a CPU each)")
    parser.add_argument(
        "--resume", metavar="FILE", help="keep each outcome in FILE, and do not run again what is in it already"
    )
    parser.add_argument("--list", action="store_true", help="list the mutants and stop")


def run(arguments: argparse.Namespace) -> int:
    """Try a bench on wrong designs; 1 when it passes one of them."""
    designs = designs_of(
        Path(arguments.directory),
        [Path(name) for name in arguments.rtl],
        dut=arguments.dut,
        simulators=tuple(dict.fromkeys(arguments.simulator or ("icarus",))),
        includes=[Path(name) for name in arguments.include],
        defines=arguments.define,
    )
    wrong = chosen(wrong_designs(designs[0]), arguments.operator, arguments.sample, arguments.seed)
    if not wrong:
        raise DataError(f"{arguments.directory}: there is nothing to break in these sources")
    if arguments.list:
        listed = {"mutants": [{"operator": one.operator, "mutant": str(one), "key": one.key} for one in wrong]}
        return answer(arguments, listed, "\n".join(printable(str(one)) for one in wrong))
    journal = None if arguments.resume is None else Journal(Path(arguments.resume), designs)
    finished = journal is not None and all(journal.known(one) is not None for one in wrong)
    with clean_end():
        right = designs if finished else [checked(design) for design in designs]
        outcomes = list(_outcomes(wrong, right, arguments.jobs or os.cpu_count() or 1, journal))
    left = [f"survived: {outcome.wrong}" for outcome in survivors(outcomes)]
    lines = [*table(outcomes), *(left or ["every wrong design is failed by the bench"])]
    return answer(arguments, document(outcomes), "\n".join(map(printable, lines)), 1 if left else 0)


def _outcomes(wrong: list[Wrong], designs: list[Design], jobs: int, journal: Journal | None) -> Iterator[Outcome]:
    from tqdm import tqdm

    nothing: dict[str, object] = {} if journal is None else {"known": journal.known, "done": journal.add}
    found = campaign(wrong, lambda one: designs, jobs, **nothing)  # type: ignore[arg-type]
    return iter(tqdm(found, total=len(wrong), unit="mutant", leave=False, disable=not sys.stderr.isatty()))

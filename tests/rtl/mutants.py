"""`make mutants`: how many wrong designs do the vectors tell from the right one?

Every mutant of the reference RTL (see `intinfer_golden.mutants`) runs, in Icarus Verilog, the generated test benches
of all vector sets whose design uses its file, until one fails; then the quickest of these in Verilator, with registers
that start at random. They run shorter than a bench does by itself: what that lets pass is a survivor more. Every
saboteur runs all that a bench does, around the smallest design of each kind of streams. What no bench fails is a
survivor: either it is equivalent, as `equivalent.toml` says of one after the other with a proof by yosys where one is
possible (see `proofs`), or the vectors have a hole. What yosys proves is not run. Exit code 1 when there is an
unexplained survivor, when an equivalent one is killed after all, when a proof fails, or when an entry is about a mutant
that is no longer there.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from rtl import cases, proofs
from tqdm import tqdm

from intinfer_golden.mutants import Design, Journal, Outcome, campaign, checked
from intinfer_golden.mutants.campaign import RUNS, Runs, Wrong
from intinfer_golden.mutants.mutation import Mutant, mutants
from intinfer_golden.mutants.own import chosen
from intinfer_golden.mutants.report import survivors, table
from intinfer_golden.mutants.simulate import PROFILES
from intinfer_golden.mutants.wrappers import Saboteur, saboteurs
from intinfer_golden.testbench import ports

RTL = Path(__file__).parent
MACS = r"^MACS .*"
"""What the convolutions of a design say of the products they made; the tests of the blocks check these counts."""
QUICK: Runs = tuple((profile, 1, ("+repeat=2", "+longest=60")) for profile in PROFILES)
"""For mutants: the reference designs count neither frames nor how long they stall."""
STARTS = tuple(("random", 1, (f"+verilator+seed+{seed}",)) for seed in range(1, 5))
"""Where X hides a missing reset, registers that start with random bits may show it."""


def modules() -> dict[str, Path]:
    """Module name -> its file."""
    found = {}
    for path in sorted(RTL.glob("*.sv")):
        for name in re.findall(r"^\s*module\s+(\w+)", path.read_text(), re.MULTILINE):
            found[name] = path
    return found


def used(text: str, known: dict[str, Path]) -> tuple[Path, ...]:
    """The files a design needs, found by the names of modules in its text."""
    open_texts, files = [text], set()
    while open_texts:
        words = set(re.findall(r"\w+", re.sub(r"//[^\n]*", "", open_texts.pop())))
        for path in {known[word] for word in words & set(known)} - files:
            files.add(path)
            open_texts.append(path.read_text())
    return tuple(sorted(files))


def designs(folder: Path, names: Collection[str] | None = None, runs: Runs = QUICK) -> list[Design]:
    """The cases with these names, or all, with their vectors written below `folder`; the quick ones first.

    Raises DataError for a design that its own bench does not pass.
    """
    known = modules()
    built = []
    for case in cases.build(folder, names):
        dut = folder / f"{case.name}.dut.sv"
        dut.write_text(case.text)
        sources = tuple((path.name, path) for path in (dut, *used(case.text, known)))
        built.append(Design(case.name, case.directory, sources, runs=runs, says=MACS))
    return sorted(_checked(built), key=lambda design: design.timeout)


def _checked(designs: Iterable[Design]) -> list[Design]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(checked, designs))


def concerned(wrong: Wrong, known: Sequence[Design]) -> list[Design]:
    """The designs that a mutant's file is in, and the quickest of them in Verilator as well."""
    found = [design for design in known if wrong.file in dict(design.sources)]
    return [*found, *(in_verilator(design) for design in found[:1])]


def in_verilator(design: Design) -> Design:
    """The same with registers that start at random; what it prints is not compared, as its streams move otherwise."""
    return replace(
        design,
        simulator="verilator",
        runs=STARTS,
        says=None,
        said=("",) * len(STARTS),
        seconds=(max(design.seconds),) * len(STARTS),
    )


def all_mutants() -> list[Mutant]:
    return [m for path in sorted(RTL.glob("*.sv")) for m in mutants(path.name, path.read_text())]


def report(outcomes: Sequence[Outcome], equivalent: dict[str, str]) -> tuple[str, bool]:
    """The kill table, by file and by operator, and whether every survivor is explained."""
    lines = table(outcomes, equivalent)
    left = survivors(outcomes, equivalent)
    lines += [f"survived: {outcome.wrong}\n  key: {outcome.wrong.key}" for outcome in left]
    refuted = [o for o in outcomes if o.verdict != "survived" and o.wrong.key in equivalent]
    lines += [f"called equivalent, but {o.verdict} ({o.by}): {o.wrong.key}" for o in refuted]
    return "\n".join(lines), not left and not refuted


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", action="append", help="only mutants of this file, such as threshold.sv")
    parser.add_argument("--case", action="append", help="only designs of these cases, such as tgap")
    parser.add_argument("--operator", action="append", default=[], help="only this operator, such as relational")
    parser.add_argument("--sample", type=int, help="so many of them, drawn at random")
    parser.add_argument("--list", action="store_true", help="list the mutants with their keys and stop")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="simulations at a time")
    parser.add_argument("--resume", type=Path, help="keep outcomes in this file, and do not run again what it has")
    parser.add_argument("--no-proofs", action="store_true", help="take the proofs of equivalence as they were found")
    return parser.parse_args()


def main() -> int:
    options = _options()
    every = all_mutants()
    entries = proofs.entries()
    stale = {entry.key for entry in entries} - {mutant.key for mutant in every}
    if stale:
        print("\n".join(f"{proofs.FILE.name}: there is no such mutant: {key}" for key in sorted(stale)))
        return 1
    wanted: list[Wrong] = [m for m in every if m.file in (options.file or [m.file])]
    if options.list:
        print("\n".join(one.key for one in chosen(wanted, options.operator, options.sample)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        known = designs(Path(folder), options.case)
        files = {name for design in known for name, _ in design.sources}
        wanted = [one for one in wanted if one.file in files]
        around = {} if options.file else _saboteurs(known)
        journal = None if options.resume is None else Journal(options.resume, known)
        proven = {entry.key for entry in entries if entry.proof != "argued"}

        def found_out(one: Wrong) -> Outcome | None:
            if one.key in proven:
                return Outcome(one, "survived")
            return None if journal is None else journal.known(one)

        found = campaign(
            chosen([*wanted, *around], options.operator, options.sample),
            lambda one: [around[one]] if isinstance(one, Saboteur) else concerned(one, known),
            options.jobs or 1,
            found_out,
            *(() if journal is None else (journal.add,)),
        )
        outcomes = list(tqdm(found, unit="mutant", disable=not sys.stderr.isatty()))
        text, explained = report(outcomes, {entry.key: entry.how for entry in entries})
        print(text)
        failed = [] if options.no_proofs else proofs.failed(entries, every, known)
    print("\n".join(f"not proven: {line}" for line in failed) or f"{proofs.summary(entries)}")
    return 0 if explained and not failed else 1


def _saboteurs(known: Sequence[Design]) -> dict[Saboteur, Design]:
    """Every saboteur of the smallest design of each kind of streams, named after it: the same one in each campaign,
    however fast the machine."""
    kinds: dict[tuple[tuple[bool | str, ...], ...], Design] = {}
    streams = {design.name: ports(design.directory) for design in known}
    for design in sorted(known, key=lambda one: (sum(port.tensor.words for port in streams[one.name]), one.name)):
        kind = tuple(
            (port.direction, port.frame_words > 1, port.tensor.lanes > 1, port.tensor.code.bits > 1)
            for port in streams[design.name]
        )
        kinds.setdefault(kind, design)
    found = {}
    for design in kinds.values():
        for saboteur in saboteurs(streams[design.name]):
            # So many beats a bench sends in Verilator, whatever the design; in Icarus not where each takes long.
            simulator = "verilator" if "from beat" in saboteur.operator else "icarus"
            found[replace(saboteur, file=f"{design.name}.{saboteur.file}")] = design.name, simulator
    around = [
        replace(design, simulator=simulator, runs=RUNS, says=None, said=(), seconds=())
        for design in kinds.values()
        for simulator in ("icarus", "verilator")
        if (design.name, simulator) in set(found.values())
    ]
    right = {(design.name, design.simulator): design for design in _checked(around)}
    return {saboteur: right[key] for saboteur, key in found.items()}


if __name__ == "__main__":
    sys.exit(main())

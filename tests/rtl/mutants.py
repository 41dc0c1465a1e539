"""`make mutants`: how many wrong designs do the vectors tell from the right one?

Every mutant of the reference RTL (see `mutation`) runs, in Icarus Verilog, the generated test benches of all vector
sets whose design uses its file, until one fails; then one of them in Verilator, with registers that start at random.
What no bench fails is a survivor: either it is argued equivalent in `equivalent.toml`, one by one, or the vectors have
a hole. Exit code 1 when there is an unexplained survivor, when an argued one is killed after all, or when an argument
is about a mutant that no longer exists.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rtl import cases, mutation, simulate
from rtl.mutation import Mutant
from tqdm import tqdm

RTL = Path(__file__).parent
EQUIVALENT = RTL / "equivalent.toml"
WATCHDOG = 3000
"""Cycles without a beat after which a design hangs; the right ones are silent for a hundred or so."""
TIMEOUT = 20
"""Seconds after which a simulation that does not end counts as failed; the right designs take less than two."""


@dataclass(frozen=True)
class Design:
    """A vector set with the design that passes its bench."""

    name: str
    directory: Path
    dut: Path
    sources: tuple[Path, ...]
    """The files of this folder that the design instantiates, directly or not."""
    products: str
    """What it prints of the products that it makes."""


@dataclass(frozen=True)
class Outcome:
    """`verdict`: stillborn, killed, survived; `by` names the design and profile that killed."""

    mutant: Mutant
    verdict: str
    by: str = ""


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


def designs(folder: Path, names: Collection[str] | None = None) -> list[Design]:
    """The cases with these names, or all, with their vectors written below `folder`; the quick ones first.

    Raises ValueError for a design that its own bench does not pass.
    """
    known = modules()
    built = []
    for case in cases.build(folder, names):
        dut = folder / f"{case.name}.dut.sv"
        dut.write_text(case.text)
        design = Design(case.name, case.directory, dut, used(case.text, known), "")
        begun = time.monotonic()
        with simulate.bench(design.directory, [dut, *design.sources], timeout=TIMEOUT) as run:
            results = [run(profile) for profile in simulate.PROFILES]
        if not all(result.passed for result in results):
            raise ValueError(f"{case.name}: the right design fails\n{results[0].output}")
        built.append((time.monotonic() - begun, replace(design, products=products(results[0]))))
    return [design for _, design in sorted(built, key=lambda pair: pair[0])]


def products(result: simulate.Result) -> str:
    """What the convolutions of a design say of the products they made; the tests of the blocks check these counts."""
    return "\n".join(sorted(re.findall(r"^MACS .*", result.output, re.MULTILINE)))


def try_mutant(mutant: Mutant, known: Sequence[Design]) -> Outcome:
    """Run the designs that use the mutated file until one fails, or makes products that nobody demands."""
    original = RTL / mutant.file
    with tempfile.TemporaryDirectory() as scratch:
        changed = Path(scratch) / mutant.file
        changed.write_text(mutant.apply(original.read_text()))
        concerned = [design for design in known if original in design.sources]
        for design in concerned:
            sources = [design.dut, *(changed if path == original else path for path in design.sources)]
            with simulate.bench(design.directory, sources, timeout=TIMEOUT, watchdog=WATCHDOG) as run:
                for profile in simulate.PROFILES:
                    result = run(profile)
                    if not result.compiled:
                        return Outcome(mutant, "stillborn")
                    if not result.passed:
                        return Outcome(mutant, "killed", f"{design.name}, {profile}")
                    if products(result) != design.products:
                        return Outcome(mutant, "killed", f"{design.name}, products made")
        # Where X hides a missing reset, registers that start with random bits may show it.
        for design in concerned[:1]:
            sources = [design.dut, *(changed if path == original else path for path in design.sources)]
            with simulate.bench(design.directory, sources, "verilator", timeout=TIMEOUT, watchdog=WATCHDOG) as run:
                for start in range(1, 5):
                    result = run("random", 1, f"+verilator+seed+{start}")
                    if result.compiled and not result.passed:
                        return Outcome(mutant, "killed", f"{design.name}, Verilator")
    return Outcome(mutant, "survived")


def report(outcomes: Sequence[Outcome], argued: dict[str, str]) -> tuple[str, bool]:
    """The kill table, by file and by operator, and whether every survivor is explained."""
    lines = []
    for title, group in (("file", lambda m: m.file), ("operator", lambda m: m.operator)):
        rows = [(title, "mutants", "stillborn", "killed", "equivalent", "survived", "score")]
        names = sorted({group(outcome.mutant) for outcome in outcomes})
        for name in [*names, "all"]:
            chosen = [outcome for outcome in outcomes if name in ("all", group(outcome.mutant))]
            counts = Counter(_verdict(outcome, argued) for outcome in chosen)
            alive = counts["killed"] + counts["survived"]
            score = f"{100 * counts['killed'] / alive:.1f} %" if alive else "-"
            cells = [counts[verdict] for verdict in ("stillborn", "killed", "equivalent", "survived")]
            rows.append((name, str(len(chosen)), *map(str, cells), score))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        lines.append("")
    survivors = [outcome for outcome in outcomes if _verdict(outcome, argued) == "survived"]
    lines += [f"survived: {outcome.mutant}\n  key: {outcome.mutant.key}" for outcome in survivors]
    refuted = [o for o in outcomes if o.verdict != "survived" and o.mutant.key in argued]
    lines += [f"argued equivalent, but {o.verdict} ({o.by}): {o.mutant.key}" for o in refuted]
    return "\n".join(lines), not survivors and not refuted


def _verdict(outcome: Outcome, argued: dict[str, str]) -> str:
    return "equivalent" if outcome.verdict == "survived" and outcome.mutant.key in argued else outcome.verdict


def arguments_of_equivalence() -> dict[str, str]:
    """Key -> reason."""
    entries = tomllib.loads(EQUIVALENT.read_text())["mutant"]
    return {entry["key"]: entry["reason"] for entry in entries}


def all_mutants() -> list[Mutant]:
    return [m for path in sorted(RTL.glob("*.sv")) for m in mutation.mutants(path.name, path.read_text())]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", action="append", help="only mutants of this file, such as threshold.sv")
    parser.add_argument("--operator", action="append", help="only mutants of this operator, such as relational")
    parser.add_argument("--list", action="store_true", help="list the mutants with their keys and stop")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="simulations at a time")
    chosen = parser.parse_args()
    every = all_mutants()
    argued = arguments_of_equivalence()
    stale = set(argued) - {mutant.key for mutant in every}
    if stale:
        print("\n".join(f"{EQUIVALENT.name}: there is no such mutant: {key}" for key in sorted(stale)))
        return 1
    every = [
        m for m in every if m.file in (chosen.file or [m.file]) and m.operator in (chosen.operator or [m.operator])
    ]
    if chosen.list:
        print("\n".join(mutant.key for mutant in every))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        known = designs(Path(folder))
        with ProcessPoolExecutor(chosen.jobs) as pool:
            results = pool.map(partial(try_mutant, known=known), every, chunksize=4)
            outcomes = list(tqdm(results, total=len(every), unit="mutant", disable=not sys.stderr.isatty()))
    text, explained = report(outcomes, argued)
    print(text)
    return 0 if explained else 1


if __name__ == "__main__":
    sys.exit(main())

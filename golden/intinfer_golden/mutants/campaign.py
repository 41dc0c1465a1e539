"""Run wrong designs in test benches until one fails, several at a time, each outcome as soon as it is known."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from intinfer.errors import DataError

from .mutation import Mutant
from .processes import Processes
from .simulate import COMMANDS, PROFILES, Result, Run, bench
from .tokens import read_source, write_source
from .wrappers import Saboteur

Wrong = Mutant | Saboteur
Runs = tuple[tuple[str, int, tuple[str, ...]], ...]
"""Profile, seed and plusargs of each run."""
RUNS: Runs = (*((profile, 1, ("+repeat=2",)) for profile in PROFILES), (PROFILES[0], 1, ()))
"""What is quick first, last of all as often as the bench sends by itself."""
SIMULATORS = tuple(COMMANDS)
"""The one that compiles sooner first."""
_SLOWEST = 60.0
"""Seconds that a right design may take for a run before a campaign with it is hopeless, times ten."""


@dataclass(frozen=True)
class Design:
    """A right design with the vector set that says so.

    Attributes:
        name: for people.
        directory: a set of vectors that has bench/tb.sv.
        sources: in the order of compilation, each with the name that mutants of it carry.
        dut: the design's module.
        simulator: "icarus" or "verilator".
        runs: profile, seed and plusargs of each run.
        includes, defines: as for `simulate.bench`.
        says: a pattern of lines; a design that prints others of them than the right one is wrong.
        watchdog: cycles without a beat.
        said, seconds: what the right design prints of `says` in each run, and how long it takes, found by `checked`.
    """

    name: str
    directory: Path
    sources: tuple[tuple[str, Path], ...]
    dut: str = "dut"
    simulator: str = "icarus"
    runs: Runs = RUNS
    includes: tuple[Path, ...] = ()
    defines: tuple[str, ...] = ()
    says: str | None = None
    watchdog: int = 1_000_000
    said: tuple[str, ...] = ()
    seconds: tuple[float, ...] = ()

    @property
    def timeout(self) -> float:
        """Seconds that a wrong design may take for a run."""
        return 10 + 10 * max(self.seconds, default=_SLOWEST)


@dataclass(frozen=True)
class Outcome:
    """`verdict`: stillborn, killed, survived; `by` names the design and the run that killed."""

    wrong: Wrong
    verdict: str
    by: str = ""


def checked(design: Design, processes: Processes | None = None) -> Design:
    """The design with its limits measured, and what it prints.

    Raises DataError, with the first lines of the log, when it does not compile or does not pass its own bench.
    """
    files = [path for _, path in design.sources]
    said, seconds, cycles = [], [], 0
    with _bench(design, files, None, processes or Processes()) as run:
        for profile, seed, plusargs in design.runs:
            begun = monotonic()
            result = run(profile, seed, *plusargs)
            seconds.append(monotonic() - begun)
            if not result.passed:
                what = f"does not pass its own bench (profile {profile})" if result.compiled else "does not compile"
                raise DataError(f"{design.name}: the design as it is {what} in {design.simulator}: {_first(result)}")
            said.append(_said(design, result))
            cycles = cycles or max([0, *(int(number) for number in re.findall(r"(\d+) cycles", result.output))])
    return replace(design, watchdog=max(3000, cycles), said=tuple(said), seconds=tuple(seconds))


def try_wrong(wrong: Wrong, designs: Sequence[Design], processes: Processes | None = None) -> Outcome:
    """Run the designs that a mutant is in, or a saboteur is of, one after the other, until one fails or says something
    else."""
    running = processes or Processes()
    verdict = "stillborn"
    with tempfile.TemporaryDirectory(prefix="intinfer-mutant-") as scratch:
        for design in designs:
            with _bench(design, *_changed(wrong, design, Path(scratch)), running) as run:
                for i, (profile, seed, plusargs) in enumerate(design.runs):
                    result = run(profile, seed, *plusargs)
                    if not result.compiled:
                        if isinstance(wrong, Saboteur):  # the design inside compiles, and so must what is around it
                            raise RuntimeError(f"{wrong}: {_first(result)}")
                        break
                    verdict = "survived"
                    by = f"{design.name}, {design.simulator}, {profile}"
                    if not result.passed:
                        return Outcome(wrong, "killed", by)
                    if _said(design, result) != design.said[i]:
                        return Outcome(wrong, "killed", f"{by}, by what it prints")
    return Outcome(wrong, verdict)


def campaign(
    wrong: Sequence[Wrong],
    concerned: Callable[[Wrong], Sequence[Design]],
    jobs: int,
    known: Callable[[Wrong], Outcome | None] = lambda wrong: None,
    done: Callable[[Outcome], None] = lambda outcome: None,
) -> Iterator[Outcome]:
    """The outcome of each, in their order, `jobs` at a time.

    Of the designs in a simulator the one comes first that last killed something in the same file: it is often the one.
    When the caller stops, or is interrupted, all simulators end and their files are gone.

    Args:
        concerned: the designs to try one in.
        known: an outcome of a run before this one.
        done: called with each new outcome, one call at a time, in the order in which they end.
    """
    processes, pool = Processes(), ThreadPoolExecutor(jobs)
    recent: dict[str, list[str]] = {}

    def attempt(one: Wrong) -> Outcome:
        names = recent.get(one.file, [])  # of designs that killed, the last one first
        ranks = {name: rank for rank, name in enumerate(names)}
        designs = sorted(concerned(one), key=lambda d: (SIMULATORS.index(d.simulator), ranks.get(d.name, len(ranks))))
        outcome = try_wrong(one, designs, processes)
        if outcome.verdict == "killed":
            name = next(d.name for d in designs if outcome.by.startswith(f"{d.name}, {d.simulator}, "))
            recent[one.file] = list(dict.fromkeys((name, *names)))
        return outcome

    try:
        results = {i: found for i, one in enumerate(wrong) if (found := known(one)) is not None}
        places = {pool.submit(attempt, one): i for i, one in enumerate(wrong) if i not in results}
        ended = as_completed(places)
        for i in range(len(wrong)):
            while i not in results:
                future = next(ended)
                results[places[future]] = future.result()
                done(future.result())
            yield results.pop(i)
    finally:
        processes.stop()
        pool.shutdown(cancel_futures=True)


def _bench(
    design: Design, files: Sequence[Path], adapter: Path | None, processes: Processes
) -> AbstractContextManager[Run]:
    return bench(
        design.directory,
        files,
        design.simulator,
        timeout=design.timeout,
        watchdog=design.watchdog,
        dut=design.dut,
        repeat=0,
        adapter=adapter,
        includes=(*dict.fromkeys(path.parent for _, path in design.sources), *design.includes),
        defines=design.defines,
        processes=processes,
    )


def _changed(wrong: Wrong, design: Design, scratch: Path) -> tuple[list[Path], Path | None]:
    """The files of the wrong design, and an adapter of its bench where that is what is changed."""
    if isinstance(wrong, Saboteur):
        adapter = scratch / "adapter.sv"
        write_source(adapter, wrong.apply(read_source(design.directory / "bench" / adapter.name)))
        return [path for _, path in design.sources], adapter
    files = dict(design.sources)
    if (path := files.get(wrong.file)) is not None:
        files[wrong.file] = scratch / path.name
        write_source(files[wrong.file], wrong.apply(read_source(path)))
    return list(files.values()), None


def _said(design: Design, result: Result) -> str:
    return "\n".join(sorted(re.findall(design.says, result.output, re.MULTILINE))) if design.says else ""


def _first(result: Result, lines: int = 4, width: int = 300) -> str:
    """The lines of a log that say most: the first errors, or else the first."""
    text = [line.strip() for line in result.output.splitlines() if line.strip()]
    telling = [line for line in text if re.search(r"error|fail|fatal", line, re.IGNORECASE)]
    return "; ".join(line[:width] for line in (telling or text)[:lines]) or f"exit code {result.returncode}"

"""Run a design in the test bench of a vector set, in Icarus Verilog or Verilator.

One compilation serves any number of runs:

    with bench(directory, sources) as run:
        for profile in PROFILES:
            assert run(profile).passed
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

from .processes import Processes

PROFILES = ("always", "random", "bursty", "mixed", "slow_sink", "slow_source", "slow")
FILES = ("tb.sv", "adapter.sv", "monitors.sv")
"""Of a bench, where it has them, in the order of compilation."""
COMMANDS = {"icarus": "iverilog", "verilator": "verilator"}
"""Simulator -> its compiler."""


@dataclass(frozen=True)
class Result:
    """What a run gave.

    Attributes:
        passed: the bench said so, in the file of its verdict, and the simulator's exit code is 0.
        returncode: the exit code.
        output: all that was printed, or its beginning and its end.
        compiled: whether there was anything to run.
    """

    passed: bool
    returncode: int
    output: str
    compiled: bool = True


Run = Callable[..., Result]
"""(profile="always", seed=1, *plusargs) -> Result"""


def available(simulator: str) -> bool:
    """Whether "icarus" or "verilator" is installed."""
    return which(COMMANDS[simulator]) is not None


def simulate(
    set_directory: Path,
    sources: Sequence[Path],
    simulator: str = "icarus",
    profile: str = "always",
    seed: int = 1,
    dump: Path | None = None,
    **options: Any,
) -> Result:
    """Compile and run once. `dump`: a folder that gets what each output sends; `options` as for `bench`."""
    with bench(set_directory, sources, simulator, **options) as run:
        return run(profile, seed, *([] if dump is None else [f"+dump={dump.absolute()}"]))


@contextmanager
def bench(
    set_directory: Path,
    sources: Sequence[Path],
    simulator: str = "icarus",
    *,
    timeout: float = 60,
    watchdog: int = 20_000,
    dut: str = "dut",
    includes: Sequence[Path] = (),
    defines: Sequence[str] = (),
    repeat: int = 2,
    adapter: Path | None = None,
    processes: Processes | None = None,
) -> Iterator[Run]:
    """Compile a design with the set's bench; runs of a design that does not compile all say so.

    Args:
        set_directory: a set of vectors that has bench/tb.sv.
        sources: Verilog or SystemVerilog files of the design, in the order of compilation.
        simulator: "icarus" or "verilator".
        timeout: seconds a run may take; a compilation may take ten times as long.
        watchdog: cycles without a beat after which the bench gives up.
        dut: name of the design's module.
        includes: folders of included files.
        defines: macros, as NAME or NAME=VALUE.
        repeat: how often the set is sent; 0 for as often as the bench does by itself.
        adapter: a file instead of the bench's adapter.sv.
        processes: what the simulator runs in, for somebody to stop it.
    """
    own = [set_directory / "bench" / name for name in FILES]
    own = [adapter if adapter is not None and path.name == adapter.name else path for path in own if path.exists()]
    files = [str(path.absolute()) for path in (*own, *sources)]
    call = (processes or Processes()).run
    given = [f"-D{macro}" for macro in (*defines, f"DUT={dut}")] + [f"-I{folder.absolute()}" for folder in includes]
    with tempfile.TemporaryDirectory(prefix="intinfer-bench-") as folder:
        build, binary = _commands(simulator, folder)
        built = call([*build, *given, *files], set_directory, 10 * timeout, Path(folder))

        def run(profile: str = "always", seed: int = 1, *plusargs: str) -> Result:
            if built.returncode != 0:
                return Result(False, built.returncode, built.output, compiled=False)
            verdict = Path(folder) / "verdict"
            verdict.unlink(missing_ok=True)
            options = [f"+profile={profile}", f"+seed={seed}", f"+watchdog={watchdog}", f"+verdict={verdict}"]
            options += [*plusargs, *([f"+repeat={repeat}"] if repeat else [])]
            ended = call([*binary, *options], set_directory, timeout, Path(folder))
            return Result(ended.returncode == 0 and _passed(verdict), ended.returncode, ended.output)

        yield run


def _commands(simulator: str, folder: str) -> tuple[list[str], list[str]]:
    """What compiles into a folder, but for options and sources, and what runs the result."""
    if simulator == "icarus":
        return ["iverilog", "-g2012", "-s", "tb", "-o", f"{folder}/tb.vvp"], ["vvp", "-n", f"{folder}/tb.vvp"]
    flags = ["--binary", "--timing", "--timescale", "1ns/1ps", "--x-assign", "unique", "--x-initial", "unique"]
    flags += ["-Wno-fatal", "-CFLAGS", "-O0", "--top-module", "tb", "-Mdir", folder]
    return ["verilator", *flags], [f"{folder}/Vtb", "+verilator+rand+reset+2", "+verilator+seed+1"]


def _passed(verdict: Path) -> bool:
    """Whether the bench ended with PASS; a design that ends the simulation leaves it without a last word."""
    if not verdict.exists():
        return False
    with verdict.open("rb") as file:
        lines = file.read(1 << 24).decode("utf-8", "replace").splitlines()
    good = bool(lines) and lines[-1].startswith("PASS: ")
    return good and not any(line.startswith(("FAIL: ", "ERROR: ")) for line in lines)

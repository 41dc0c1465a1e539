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

from .processes import TIMEOUT, Ended, Processes

__all__ = ["COMMANDS", "PROFILES", "TIMEOUT", "Result", "Run", "available", "bench", "simulate"]

PROFILES = ("always", "random", "bursty")
COMMANDS = {"icarus": "iverilog", "verilator": "verilator"}
"""Simulator -> its compiler."""


@dataclass(frozen=True)
class Result:
    """`passed`: the bench said so and the simulator's exit code, `returncode`, is 0. `output`: all it printed."""

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
    **options: int,
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
        processes: what the simulator runs in, for somebody to stop it.
    """
    files = [str((set_directory / "bench" / "tb.sv").absolute()), *(str(source.absolute()) for source in sources)]
    call = (processes or Processes()).run
    given = [f"-D{macro}" for macro in (*defines, f"DUT={dut}")] + [f"-I{folder.absolute()}" for folder in includes]
    with tempfile.TemporaryDirectory(prefix="intinfer-bench-") as folder:
        if simulator == "icarus":
            binary = ["vvp", "-n", f"{folder}/tb.vvp"]
            build = ["iverilog", "-g2012", "-s", "tb", *given, "-o", f"{folder}/tb.vvp", *files]
        else:
            binary = [f"{folder}/Vtb", "+verilator+rand+reset+2", "+verilator+seed+1"]
            flags = ["--binary", "--timing", "--timescale", "1ns/1ps", "--x-assign", "unique", "--x-initial", "unique"]
            flags += ["-Wno-fatal", "-CFLAGS", "-O0", "--top-module", "tb", "-Mdir", folder]
            build = ["verilator", *flags, *given, *files]
        built = call(build, set_directory, 10 * timeout)

        def run(profile: str = "always", seed: int = 1, *plusargs: str) -> Result:
            if built.returncode != 0:
                return Result(False, built.returncode, built.output, compiled=False)
            options = [f"+profile={profile}", f"+seed={seed}", f"+watchdog={watchdog}", *plusargs]
            return _verdict(call([*binary, *options], set_directory, timeout))

        yield run


def _verdict(ended: Ended) -> Result:
    passed = ended.returncode == 0 and any(line.startswith("PASS: ") for line in ended.output.splitlines())
    return Result(passed, ended.returncode, ended.output)

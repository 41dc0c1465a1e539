"""Run a design in the test bench of a vector set, in Icarus Verilog or Verilator.

One compilation serves any number of runs:

    with bench(directory, sources) as run:
        for profile in PROFILES:
            assert run(profile).passed
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import which

PROFILES = ("always", "random", "bursty", "slow_sink", "slow_source")
TIMEOUT = 124
"""Return code of a run that was ended because it took too long, as that of timeout(1)."""


@dataclass(frozen=True)
class Result:
    """`passed`: the bench said so, in the file of its verdict, and the exit code, `returncode`, is 0. `output`: all
    that was printed."""

    passed: bool
    returncode: int
    output: str
    compiled: bool = True


Run = Callable[..., Result]
"""(profile="always", seed=1, *plusargs) -> Result"""


def available(simulator: str) -> bool:
    """Whether "icarus" or "verilator" is installed."""
    return which({"icarus": "iverilog", "verilator": "verilator"}[simulator]) is not None


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
    timeout: int = 60,
    watchdog: int = 20_000,
    repeat: int = 2,
) -> Iterator[Run]:
    """Compile a design with the set's bench; runs of a design that does not compile all say so.

    Args:
        set_directory: a set of vectors that has bench/tb.sv.
        sources: SystemVerilog files of the module `dut` and what it needs.
        timeout: seconds a run may take; a compilation may take ten times as long.
        watchdog: cycles without a beat after which the bench gives up.
        repeat: how often the set is sent; 0 for as often as the bench does by itself.
    """
    benches = [(set_directory / "bench" / name).absolute() for name in ("tb.sv", "adapter.sv", "monitors.sv")]
    files = [str(path) for path in (*benches, *(source.absolute() for source in sources)) if path.exists()]
    with tempfile.TemporaryDirectory() as folder:
        if simulator == "icarus":
            binary = ["vvp", "-n", f"{folder}/tb.vvp"]
            build = ["iverilog", "-g2012", "-s", "tb", "-o", f"{folder}/tb.vvp", *files]
        else:
            binary = [f"{folder}/Vtb", "+verilator+rand+reset+2", "+verilator+seed+1"]
            flags = ["--binary", "--timing", "--timescale", "1ns/1ps", "--x-assign", "unique", "--x-initial", "unique"]
            build = ["verilator", *flags, "-Wno-fatal", "-CFLAGS", "-O0", "--top-module", "tb", "-Mdir", folder, *files]
        built = _call(build, set_directory, 10 * timeout)

        def run(profile: str = "always", seed: int = 1, *plusargs: str) -> Result:
            if built.returncode != 0:
                return Result(False, built.returncode, built.output, compiled=False)
            usual = [f"+watchdog={watchdog}", *([f"+repeat={repeat}"] if repeat else [])]
            given = [f"+profile={profile}", f"+seed={seed}", *usual, *plusargs]
            verdict = Path(folder) / "verdict"
            verdict.unlink(missing_ok=True)
            result = _call([*binary, *given, f"+verdict={verdict}"], set_directory, timeout)
            said = ["", *verdict.read_text("utf-8", "replace").splitlines()] if verdict.exists() else [""]
            passed = result.returncode == 0 and said[-1].startswith("PASS: ")
            return replace(result, passed=passed)

        yield run


def _call(command: Sequence[str], directory: Path, timeout: int) -> Result:
    """Run in the folder of the set, where files are as the manifest names them."""
    try:
        done = subprocess.run(
            command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode("utf-8", "replace")
        return Result(False, TIMEOUT, f"{output}\n{command[0]}: ended after {timeout} s")
    output = done.stdout.decode("utf-8", "replace")
    return Result(done.returncode == 0, done.returncode, output)

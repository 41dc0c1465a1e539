"""How long `intinfer golden --isolated --cover 100` takes for MDGNet(32, 1), in this checkout beside an earlier commit.

    .venv/bin/python benchmarks/golden.py [--commit 4014cba] [--rounds 3]

The same model, with random weights, is given to both in turn, each time to a new process. The first round compiles the
kernels; a commit that keeps them has them in the next ones. Seconds that a user waits, and those of all processors, of
all rounds, their medians and ratios are printed with machine and commit. Frames that a commit adds count against it: it
is not the same work.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from measuring import ROOT, commit, machine

import intinfer
from intinfer_converters import convert
from intinfer_converters.nets import build

NET = "mdgnet:f=32,g=1,k=4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commit", default="4014cba", help="the earlier one")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{machine()}, commit {commit()} beside {arguments.commit}, {NET}")
    with tempfile.TemporaryDirectory() as folder:
        model, before = Path(folder) / "model.npz", Path(folder) / "before"
        torch.manual_seed(0)
        intinfer.save(convert(build(NET).eval()), model)
        git("worktree", "add", "--detach", str(before), arguments.commit)
        try:
            compare({arguments.commit: before, commit(): ROOT}, model, arguments.rounds)
        finally:
            git("worktree", "remove", "--force", str(before))


def compare(checkouts: dict[str, Path], model: Path, rounds: int) -> None:
    """Let the checkouts take turns; the last one is measured in parts of the first."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in checkouts}
    for _ in range(rounds):
        for name, checkout in checkouts.items():
            seconds[name].append(golden(checkout, model))
    for i, kind in enumerate(("waited", "of processors")):
        rows = {name: [pair[i] for pair in pairs] for name, pairs in seconds.items()}
        for name, row in rows.items():
            numbers = ", ".join(f"{s:.1f}" for s in row)
            print(f"  {name:16s} {statistics.median(row):6.1f} s {kind}  ({numbers})")
        first, last = map(statistics.median, rows.values())
        print(f"  ratio {last / first:.2f}")


def golden(checkout: Path, model: Path) -> tuple[float, float]:
    """Seconds of one command, run by the sources of a checkout: of the clock, and of user and system."""
    sources = [str(checkout / root) for root in ("", "converters", "golden")]
    kernels = model.parent / f"kernels of {checkout.name}"
    with tempfile.TemporaryDirectory(dir=model.parent) as folder:
        command = ["golden", str(model), "--isolated", "--cover", "100", "-o", f"{folder}/vectors"]
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "intinfer", *command],
            cwd=checkout,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sources), "INTINFER_CACHE_DIR": str(kernels)},
            capture_output=True,
            check=True,
        )
        waited, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return waited, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True)


if __name__ == "__main__":
    main()

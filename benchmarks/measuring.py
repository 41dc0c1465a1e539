"""What every benchmark says of where it ran, and how candidates are timed: in turns, pinned to cores."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parent.parent


def machine() -> str:
    """Processor, and the versions that decide speed."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}"


def commit() -> str:
    """Short hash of the checkout, with a mark when it has changes."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def pin(cores: int) -> None:
    """Keep this process on some cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def in_turns(candidates: Mapping[str, Callable[[], object]], rounds: int, budget: float) -> dict[str, list[float]]:
    """Seconds of one call in each round; a round calls a candidate for `budget` seconds, at least twice, and takes the
    median. What changes while a benchmark runs meets all candidates alike."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for run in candidates.values():
        run()
    for _ in range(rounds):
        for name, run in candidates.items():
            calls: list[float] = []
            while len(calls) < 2 or sum(calls) < budget:
                start = time.perf_counter()
                run()
                calls.append(time.perf_counter() - start)
            seconds[name].append(float(np.median(calls)))
    return seconds

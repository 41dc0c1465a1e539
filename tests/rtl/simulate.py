"""The simulators, as the tests of the reference RTL call them."""

from __future__ import annotations

from intinfer_golden.mutants.processes import TIMEOUT
from intinfer_golden.mutants.simulate import PROFILES, Result, Run, available, bench, simulate

__all__ = ["PROFILES", "TIMEOUT", "Result", "Run", "available", "bench", "simulate"]

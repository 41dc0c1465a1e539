"""Simulators and optional packages that tests need. Where they are missing, the tests are skipped; in continuous
integration (CI is set) they run, and fail. Where WITHOUT_TOOLS is set, as for the core's run, they are skipped whether
the tools are there or not: the whole run has them."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from shutil import which
from types import ModuleType

import pytest

IN_CI = bool(os.environ.get("CI"))
LEFT_OUT = bool(os.environ.get("WITHOUT_TOOLS"))


def needs(*names: str) -> pytest.MarkDecorator:
    """A mark for tests that call programs ("iverilog", "verilator", "yosys", "fst2vcd") or import packages."""
    missing = [name for name in names if LEFT_OUT or (which(name) is None and find_spec(name) is None)]
    return pytest.mark.skipif(bool(missing) and not IN_CI, reason=f"not installed, or left out: {', '.join(missing)}")


def module(name: str) -> ModuleType:
    """A package that only some environments have; skips the test, or the file, where it is missing."""
    return import_module(name) if IN_CI else pytest.importorskip(name)


needs_icarus = needs("iverilog")
needs_verilator = needs("verilator")
needs_cocotb = needs("iverilog", "cocotb", "cocotbext")

"""Self-checking test benches beside a set of vectors: SystemVerilog, and cocotb."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from intinfer.files import write_into

from .ports import ports
from .readme import readme
from .verilog import top_module

FOLDER = "bench"

__all__ = ["FOLDER", "write_bench"]


def write_bench(directory: Path) -> None:
    """Write `directory`/bench: tb.sv, test_dut.py for cocotb, a Makefile and README.md, from manifest.json alone.

    Raises DataError when `directory` has no manifest of this version, or a port of the design has no memh file.
    """
    streams = ports(directory)
    folder = directory / FOLDER
    folder.mkdir(exist_ok=True)
    texts = {
        "tb.sv": _template("bench.sv") + "\n" + top_module(streams),
        "test_dut.py": _template("cocotb_test.txt"),
        "Makefile": _template("Makefile"),
        "README.md": readme(streams),
    }
    for name, text in texts.items():
        write_into(folder / name, text.encode("ascii"))


def _template(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text("ascii")

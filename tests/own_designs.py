"""Designs as people write them, in plain Verilog and in SystemVerilog, with sets of vectors that say they are right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from intinfer.builder import GraphBuilder
from intinfer.graph import Graph
from intinfer.model import Model
from intinfer.ops import Mux, Tgap
from intinfer.types import IntType
from intinfer_golden import write_vectors
from intinfer_golden.make.frames import Stimulus
from intinfer_golden.make.stimulus.direct import directed
from intinfer_golden.mutants import Design, designs_of

OWN = Path(__file__).parent / "golden" / "own_rtl"
POOL = (OWN / "pool.v",)
MUX = (OWN / "mux_types.sv", OWN / "mux.sv")
LEVEL, BIT = IntType(0, 7), IntType(0, 1)


def pool(folder: Path, simulator: str = "icarus") -> Design:
    """The average pool in Verilog-2001, and its set."""
    return _design(folder / "pool", _pool, POOL, "pool_top", simulator)


def mux(folder: Path, simulator: str = "icarus") -> Design:
    """The multiplexer in SystemVerilog, and its set."""
    return _design(folder / "mux", _mux, MUX, "dut", simulator)


def _pool() -> Graph:
    builder = GraphBuilder()
    builder.output("y", builder.add(Tgap(7), builder.input("x", (4, 2, 3), LEVEL), name="pool"))
    return builder.finish()


def _mux() -> Graph:
    builder = GraphBuilder()
    select = builder.input("s", (4,), BIT)
    one, zero = (builder.input(name, (4, 2, 3), LEVEL) for name in ("one", "zero"))
    builder.output("y", builder.add(Mux(), select, one, zero, name="mux"))
    return builder.finish()


def _design(directory: Path, graph: Callable[[], Graph], rtl: tuple[Path, ...], dut: str, simulator: str) -> Design:
    if not directory.exists():
        stimulus = directed(graph(), seed=1, rounds=2)
        images = Stimulus(stimulus.frames, stimulus.labels, seed=1)
        write_vectors(Model(graph()), images, directory, formats=("memh",), fold=2)
    (design,) = designs_of(directory, rtl, dut=dut, simulators=[simulator])
    return design

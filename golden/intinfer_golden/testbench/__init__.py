"""Self-checking test benches beside a set of vectors: SystemVerilog, and cocotb."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from intinfer.errors import DataError
from intinfer.files.atomic import write_into

from ..describe import manifest
from ..describe.documents import AGAIN
from ..describe.manifest import Port
from ..make.replace import put_in_place
from .adapter import adapter
from .interface import Interface
from .monitors import bind, check_path, monitors
from .readme import graph_places, readme
from .text import plain
from .verilog import top_module

FOLDER = "bench"
SHIPPED = {"test_dut.py": "cocotb_test.txt", "Makefile": "Makefile", "run.sh": "run.sh"}
"""Files of a bench that do not depend on the set -> templates."""

UNIT = 8
"""Nodes, at most, of a network whose set is repeated many times, as those of regions are."""

__all__ = ["FOLDER", "Interface", "write_bench"]


def write_bench(
    directory: Path, interface: Interface | None = None, inner: Mapping[str, str] | None = None, top: str = "dut"
) -> None:
    """Write `directory`/bench anew: test benches in SystemVerilog and for cocotb, a Makefile, README.md.

    Args:
        directory: a set of vectors; its manifest.json alone decides what is written.
        interface: how the design's ports are named; None for clk, rst_n and tlast everywhere.
        inner: streams inside the design that passive checkers look at, {"u_conv.m_axis": node}: below the module under
            test the signals u_conv.m_axis_tdata, _tvalid, _tready and, where the interface has it, _tlast.
        top: name of the module under test, for bind.sv.

    Raises DataError when `directory` has no manifest of this version or a damaged one, a stream has no memh file, or an
    inner one is no hierarchical name, or of a node that the set does not hold.
    """
    interface, inner = interface or Interface(), inner or {}
    document, vectors = manifest.read(directory)
    for path, node in inner.items():
        check_path(path)
        if node not in vectors.values:
            raise DataError(
                f"{directory / manifest.NAME}: has no values of a node {node!r}; name one that the set holds"
            )
    found = [vectors.carrying(node, path) for path, node in inner.items()]
    ports = tuple(vectors.streams.values())
    try:
        uses = graph_places(document["nodes"])
    except (LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{directory / manifest.NAME}: is damaged ({type(error).__name__}: {error}); {AGAIN}") from None
    unit = vectors.mode == "isolated" or len(document["nodes"]) <= UNIT
    tb = top_module(ports, unit=unit, asynchronous=interface.asynchronous, monitored=bool(found))
    texts = {
        "tb.sv": _template("bench.sv") + "\n" + tb,
        "adapter.sv": adapter(ports, interface),
        "frames.txt": "".join(f"{plain(label)}\n" for label in vectors.frames),
        "README.md": readme(_template("README.md"), ports, interface, uses),
        **{name: _template(template) for name, template in SHIPPED.items()},
    }
    if found:
        texts |= {"monitors.sv": monitors(found, interface.has_tlast("out")), "bind.sv": bind(found, interface, top)}
    texts["files.f"] = "".join(f"bench/{name}\n" for name in ("tb.sv", "adapter.sv", "monitors.sv") if name in texts)
    new = directory / f"{FOLDER}.partial"
    shutil.rmtree(new, ignore_errors=True)  # of a run that was killed
    try:
        new.mkdir()
        for name, text in texts.items():
            write_into(new / name, text.encode("ascii"))
        old = put_in_place(new, directory / FOLDER)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    if old is not None:
        shutil.rmtree(old)


def ports(directory: Path) -> tuple[Port, ...]:
    """The streams of a set's design, inputs before outputs.

    Raises DataError when `directory` has no manifest of this version, or a stream has no memh file.
    """
    found = tuple(manifest.load(directory).streams.values())
    for port in found:
        port.stored.memh()
    return found


def _template(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text("ascii")

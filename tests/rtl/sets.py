"""A set of vectors, a design and its simulation in one step, and what the design sent as arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from golden_sets import meaning, read_memh, unfolded, write_unchecked
from rtl.assemble import assemble
from rtl.netlist import Json, file_of
from rtl.simulate import Result, bench

from intinfer.graph import Graph
from intinfer.types import IntArray
from intinfer_golden.make.frames import Stimulus

RTL = Path(__file__).parent
SOURCES = tuple(sorted(RTL.glob("*.sv")))
SHORT = ("+longest=700", "+resets=2")
"""Here it is values that count; how long a bench stalls and how often it resets is tested where benches are."""


@dataclass(frozen=True)
class Run:
    """A simulation of a set, and the values of its ports: of inputs from the files, of outputs from the dump."""

    manifest: Json
    result: Result
    values: dict[str, IntArray]


def written(graph: Graph, inputs: Mapping[str, IntArray] | Stimulus, directory: Path, **options: Any) -> Json:
    """The manifest of a new set in `directory`."""
    write_unchecked(graph, inputs, directory, formats=("memh",), **options)
    manifest: Json = json.loads((directory / "manifest.json").read_text())
    return manifest


def run(
    directory: Path,
    *,
    design: Callable[[Json], str] = assemble,
    sources: Iterable[Path] = SOURCES,
    simulator: str = "icarus",
    profile: str = "random",
    **options: int,
) -> Run:
    """Simulate the design that `design` makes for the set in `directory`; it fails unless the bench passes it.

    `sources` are the files of the design's parts; `options` as for `bench`, where the set is sent once unless they say
    otherwise.
    """
    manifest = json.loads((directory / "manifest.json").read_text())
    dut = directory.with_name(f"{directory.name}.sv")
    dut.write_text(design(manifest))
    dump = directory.with_name(f"{directory.name}.dump")
    dump.mkdir(exist_ok=True)
    with bench(directory, [dut, *sources], simulator, **{"repeat": 1, **options}) as simulate:
        result = simulate(profile, 1, f"+dump={dump}", *SHORT)
    assert result.passed, result.output
    return Run(manifest, result, {e["node"]: read(directory, dump, p, e) for p, e in _ports(manifest)})


def _ports(manifest: Json) -> list[tuple[Json, Json]]:
    return [(port, manifest["tensors"][port["tensor"]]) for port in manifest["ports"] if port["direction"] != "demand"]


def read(directory: Path, dump: Path, port: Json, entry: Json) -> IntArray:
    """The values of a port, (N, C, H, W) or (N, C)."""
    file = directory / file_of(entry)
    words = read_memh(dump / file.name if port["direction"] == "out" else file, entry["word_bits"])
    codes = [meaning(code, entry) for code in unfolded(words, entry)]
    extents = dict(zip(entry["axes"], entry["shape"], strict=True))
    array = np.array(codes, dtype=np.int64).reshape([extents[axis] for axis in entry["order"]])
    return array.transpose([entry["order"].index(axis) for axis in entry["axes"]])

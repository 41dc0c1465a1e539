"""Trained networks: the layers with the smallest maps of the demo MOGNET and of a trained MDGNet, on directed stimulus.

Each node is an isolated set whose every bin is reached or proven unreachable, and its design passes the bench.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rtl.sets import run
from tools import needs_verilator

from intinfer import load
from intinfer.graph import Graph
from intinfer.model import Model
from intinfer_golden import write_vectors
from intinfer_golden.describe.regions import each_node
from intinfer_golden.make.frames import Stimulus
from intinfer_golden.make.stimulus.direct import directed

REPOSITORY = Path(__file__).parents[2]
DEMO = REPOSITORY / "intinfer" / "demo" / "mognet.npz"
MDGNET = REPOSITORY / "benchmarks" / "models" / "mdgnet.safetensors"
NET = "mdgnet:f=16,g=1,k=4,height=32,width=32,levels=3"

pytestmark = [
    pytest.mark.slow,
    needs_verilator,
]


def check(graph: Graph, prefix: str, folder: Path) -> int:
    """Simulate each node whose name begins so; how many there are."""
    names = [node.name for node in graph.nodes if node.name.startswith(prefix)]
    for number, region in enumerate(each_node(graph, names)):
        found = directed(region.graph, seed=number)
        assert found.coverage.percent == 100, f"{region.name}\n{found.coverage.files()['txt']}"
        directory = folder / str(number)
        images = Stimulus(found.frames, found.labels)
        write_vectors(Model(graph), images, directory, formats=("memh",), fold=8, region=region)
        run(directory, simulator="verilator", timeout=300, watchdog=10**6)
        assert json.loads((directory / "manifest.json").read_text())["region"]["nodes"] == [region.name]
    return len(names)


def test_mognet(tmp_path: Path) -> None:
    assert check(load(DEMO).graph, "s4.", tmp_path) == 4


def test_mdgnet(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from intinfer_converters import convert_checkpoint

    assert check(convert_checkpoint(MDGNET, NET), "s3.n2.", tmp_path) == 14

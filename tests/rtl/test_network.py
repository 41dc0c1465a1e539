"""Whole networks in the reference RTL, layer by layer and in one piece.

Every node of a small MOGNET and a small MDGNet is a set of vectors of its own, and its design is simulated in the
bench of that set. What all the designs sent is compared with the papers' equations, which share no code with intinfer,
and what one sent with the input files of those that read it: the chain holds from the image to the logits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rtl.networks import RANDOM, TIES, Network, converted
from rtl.sets import Run, run, written
from rtl.simulate import PROFILES
from tools import needs_icarus, needs_verilator

from intinfer_golden.describe.regions import Region, each_chain, each_node

MOGNET = ("mognet:n=8,g=2,k=3,height=8,width=8,classes=5,layout=1m-2,pool=12", RANDOM)
MDGNET = ("mdgnet:f=8,g=2,k=2,height=8,width=8,classes=3,levels=1", TIES)
NETWORKS = pytest.mark.parametrize("which", [MOGNET, MDGNET], ids=["mognet", "mdgnet"])
FOLDS = (8, 3, 1, 4)


def network(which: tuple[str, str]) -> Network:
    return converted(*which, batch=2)


def simulated(made: Network, region: Region, number: int, folder: Path, simulator: str = "icarus") -> Run:
    """A region in its bench; folds and profiles take turns by its number."""
    inputs = {value.name: made.values[value.name] for value in region.graph.inputs}
    written(region.graph, inputs, folder / str(number), fold=FOLDS[number % len(FOLDS)])
    return run(folder / str(number), simulator=simulator, profile=PROFILES[number % len(PROFILES)])


@NETWORKS
def test_the_values_are_spread(which: tuple[str, str]) -> None:
    """All levels behind all quantisers, and both branches of every multiplexer: else equality says little."""
    made = network(which)
    nodes = [node for node in made.graph.nodes if node.op.kind in ("threshold", "tgap") and node.output.size > 16]
    for node in nodes:
        assert np.unique(made.values[node.name]).size > node.output.type.hi / 2, node.name
    selects = [made.values[node.inputs[0]] for node in made.graph.nodes if node.op.kind == "mux"]
    assert all(np.unique(select).tolist() == [0, 1] for select in selects)


@needs_icarus
@NETWORKS
def test_layer_by_layer(which: tuple[str, str], tmp_path: Path) -> None:
    """Every node alone: the equations' values, and the input files of a node are what the nodes before it sent."""
    made = network(which)
    (image,) = made.graph.inputs
    sent = {image.name: made.values[image.name]}
    for number, region in enumerate(each_node(made.graph)):
        done = simulated(made, region, number, tmp_path)
        for value in region.graph.inputs:
            assert np.array_equal(done.values[value.name], sent[value.name]), f"{value.name} into {region.name}"
        sent[region.name] = done.values[region.name]
    assert list(sent) == list(made.graph.values)
    for name in made.named:
        assert np.array_equal(sent[name], made.values[name]), name


@needs_icarus
@NETWORKS
def test_chain_by_chain(which: tuple[str, str], tmp_path: Path) -> None:
    """Convolutions with the threshold behind them, as one design."""
    made = network(which)
    regions = [region for region in each_chain(made.graph) if len(region.nodes) > 1]
    assert max(len(region.nodes) for region in regions) >= 3
    for number, region in enumerate(regions):
        done = simulated(made, region, number, tmp_path)
        assert np.array_equal(done.values[region.name], made.values[region.name]), region.name


def check_whole(which: tuple[str, str], simulator: str, folder: Path) -> None:
    """The network as one design: the logits are those of the equations, as exact fractions."""
    made = network(which)
    (image,) = made.graph.inputs
    (output,) = made.graph.outputs
    written(made.graph, {image.name: made.values[image.name]}, folder / "set", fold=3)
    done = run(folder / "set", simulator=simulator, profile="random", watchdog=10**6)
    for sent, logits in zip(done.values[output.value], made.logits, strict=True):
        scale, offset = (part * len(logits) if len(part) == 1 else part for part in (output.scale, output.offset))
        assert [a * int(z) + b for z, a, b in zip(sent, scale, offset, strict=True)] == logits


@needs_icarus
@NETWORKS
def test_in_one_piece(which: tuple[str, str], tmp_path: Path) -> None:
    check_whole(which, "icarus", tmp_path)


@needs_verilator
@pytest.mark.slow
@NETWORKS
def test_in_one_piece_in_verilator(which: tuple[str, str], tmp_path: Path) -> None:
    check_whole(which, "verilator", tmp_path)


@needs_verilator
@pytest.mark.slow
@pytest.mark.parametrize("name", ["conv1", "s1.mrb.c2.gconv", "s1.mrb.c1.pw2", "s1.mrb.tgap", "s1.pool"])
def test_layers_in_verilator(name: str, tmp_path: Path) -> None:
    made = network(MOGNET)
    (region,) = each_node(made.graph, [name])
    done = simulated(made, region, 1, tmp_path, "verilator")
    assert np.array_equal(done.values[name], made.values[name])

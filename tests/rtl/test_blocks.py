"""Whole blocks, written by hand from the reference RTL: MOGNET's MRB, and MDGNet's normal block, which really skips.

What they send is compared by the bench with the vectors and here, from the bench's dump, with the papers' equations.
The products that the convolutions of the normal block make are counted by the design itself; they must be those that
intinfer's engine counts, that the demand masks of the vectors ask for and that the equations need.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from golden_sets import read_memh
from oracles.mdgnet_demand import demand
from rtl import blocks
from rtl.assemble import assemble
from rtl.netlist import Json
from rtl.networks import RANDOM, TIES, converted
from rtl.sets import RTL, SOURCES, Run, run, written
from rtl.simulate import PROFILES, bench
from test_demand_mdgnet import Blocks
from tools import needs_icarus, needs_verilator

from intinfer.engine.session import Session, SkipCounts
from intinfer.graph import Graph
from intinfer.ops import Conv2d
from intinfer.types import IntArray
from intinfer_golden.describe.regions import Region, isolate

Values = dict[str, IntArray]


def block(graph: Graph, names: str) -> Region:
    """The nodes whose names match, as one region."""
    return isolate(graph, [node.name for node in graph.nodes if fnmatchcase(node.name, names)])


def write_block(region: Region, values: Values, folder: Path, fold: int) -> Json:
    (source,) = region.graph.inputs
    return written(region.graph, {source.name: values[source.name]}, folder / "set", fold=fold)


# --------------------------------------------------------------------------------------------------- MRB


def mrb_case(text: str, style: str) -> tuple[Region, Values]:
    """The first MRB of a network with random parameters, and all values of three images by the equations."""
    network = converted(text, style)
    return block(network.graph, "s1.mrb.*"), network.values


MRBS = [
    ("mognet:n=8,g=2,k=3,height=6,width=4,classes=3,layout=1m,pool=0", RANDOM, 3, "random"),
    ("mognet:n=12,g=3,k=1,height=4,width=5,classes=3,layout=1m,pool=0", TIES, 8, "bursty"),
    ("mognet:n=8,g=4,k=2,height=3,width=3,classes=3,layout=1m,pool=0", TIES, 1, "always"),
]


@needs_icarus
@pytest.mark.parametrize(("text", "style", "fold", "profile"), MRBS)
def test_mrb(text: str, style: str, fold: int, profile: str, tmp_path: Path) -> None:
    region, values = mrb_case(text, style)
    assert np.unique(values["s1.mrb.tgap"]).tolist() == [0, 1]
    write_block(region, values, tmp_path, fold)
    for design in (blocks.mrb, assemble):
        made = run(tmp_path / "set", design=design, profile=profile).values
        assert np.array_equal(made["s1.mrb.mux"], values["s1.mrb.mux"])


# ------------------------------------------------------------------------------------------ normal block


def macs(made: Run) -> dict[str, int]:
    """The products that each convolution made, by its name, as the design itself counted them."""
    return {name: int(count) for name, count in re.findall(r"^MACS (\S+) (\d+)$", made.result.output, re.MULTILINE)}


def macs_by_equations(selects: IntArray, groups: int, pixels: int) -> dict[str, int]:
    """The same from the select bits of each image, (N, C), by the paper's sets of needed channels."""
    images, channels = selects.shape
    taps = 9 * channels // 4 // groups
    needed = [demand(select, groups) for select in selects]
    return {
        "n1.dw": images * channels * 9 * pixels,
        "n1.gcm.pw": sum(len(one.pw) for one in needed) * channels * pixels,
        "n1.gcm.gc1": sum(len(one.gc1) for one in needed) * taps * pixels,
        "n1.gcm.gc2": sum(len(one.gc2) for one in needed) * taps * pixels,
    }


def macs_by_masks(directory: Path, manifest: Json) -> dict[str, int]:
    """The same from the demand masks of the vectors."""
    shapes = {t["node"]: t["shape"] for t in manifest["tensors"] if t["attribute"] is None and len(t["shape"]) == 4}
    taps = {t["node"]: int(np.prod(t["shape"][1:])) for t in manifest["tensors"] if t["attribute"] == "weight"}
    counts = {}
    for tensor in manifest["tensors"]:
        if tensor["role"] == "demand_mask" and tensor["node"] in taps:
            words = read_memh(directory / tensor["files"][0]["path"], tensor["word_bits"])
            _, _, height, width = shapes[tensor["node"]]
            counts[tensor["node"]] = sum(word.bit_count() for word in words) * taps[tensor["node"]] * height * width
    return counts


def macs_by_engine(region: Region, inputs: Values) -> dict[str, int]:
    """The same from the engine's count of the channels that it computes."""
    counts = SkipCounts()
    Session(region.graph).run(inputs, counts=counts)
    dense = {}
    for node in region.graph.nodes:
        if isinstance(node.op, Conv2d):
            _, height, width = node.output.shape
            dense[node.name] = int(np.prod(node.op.weight.shape[1:])) * height * width
    return {name: counts.channels.get(name, 0) * each for name, each in dense.items()}


def normal_case(channels: int, groups: int, k: int, bright: float | list[int]) -> tuple[Region, Values]:
    """A normal block and the values of four images by the equations."""
    made = Blocks(channels, groups, k, bright=bright, split_shuffle=True, seed=channels + groups + k)
    return block(made.graph, "n1.*"), made.samples


NORMALS = {
    "a few": (16, 2, 2, 0.7, 3, "random"),
    "one bit": (8, 1, 1, 0.5, 8, "bursty"),
    "four groups": (16, 4, 3, 0.9, 5, "always"),
    "all channels skipped": (8, 1, 2, [1] * 8, 2, "always"),
    "no channel skipped": (8, 2, 2, [0] * 8, 4, "random"),
    "one channel of y1": (16, 2, 1, [int(c != 5) for c in range(16)], 8, "always"),
    "one channel of y2": (16, 2, 2, [int(c != 13) for c in range(16)], 1, "bursty"),
}


@needs_icarus
@pytest.mark.parametrize("name", NORMALS)
def test_normal_block(name: str, tmp_path: Path) -> None:
    """Its values, and each convolution's products."""
    channels, groups, k, bright, fold, profile = NORMALS[name]
    region, values = normal_case(channels, groups, k, bright)
    manifest = write_block(region, values, tmp_path, fold)
    made = run(tmp_path / "set", design=blocks.mdgnet_normal, profile=profile)
    assert np.array_equal(made.values["n1.shuffle"], values["n1.shuffle"])
    expected = macs_by_equations(values["n1.tgap"], groups, pixels=5 * 6)
    assert macs(made) == expected
    assert macs_by_masks(tmp_path / "set", manifest) == expected
    assert macs_by_engine(region, {"x": values["x"]}) == expected


@needs_icarus
def test_the_assembled_block_skips_nothing(tmp_path: Path) -> None:
    """Else equal counts would say nothing of skipping."""
    region, values = normal_case(16, 2, 2, 0.7)
    write_block(region, values, tmp_path, 4)
    made = run(tmp_path / "set")
    assert np.array_equal(made.values["n1.shuffle"], values["n1.shuffle"])
    assert macs(made) == macs_by_equations(np.zeros_like(values["n1.tgap"]), 2, pixels=5 * 6)
    needed = macs_by_equations(values["n1.tgap"], 2, pixels=5 * 6)
    assert sum(needed.values()) < 0.95 * sum(macs(made).values())


def changed(name: str, before: str, after: str, folder: Path) -> list[Path]:
    """The sources with a line of one of them changed."""
    text = (RTL / name).read_text()
    assert text.count(before) == 1
    (folder / name).write_text(text.replace(before, after))
    return [folder / name if path.name == name else path for path in SOURCES]


STUCK_OFF = [
    ("mdgnet_demand.sv", "assign {gc2, merged} = ~select;", "assign {gc2, merged} = '1;", ("pw", "gc1", "gc2")),
    ("mdgnet_demand.sv", "{B_GROUP{gc1_groups[q]}}", "'1", ("pw",)),
    ("conv2d.sv", "!DEMAND || d_data[channel]", "1'b1", ("pw", "gc1", "gc2")),
]


@needs_icarus
@pytest.mark.parametrize(("name", "before", "after", "layers"), STUCK_OFF)
def test_a_skip_that_is_stuck_is_seen_in_the_products(
    name: str, before: str, after: str, layers: tuple[str, ...], tmp_path: Path
) -> None:
    """The values are right, so that the bench passes the design: only the counts tell."""
    region, values = normal_case(8, 2, 2, [int(c != 1) for c in range(8)])
    write_block(region, values, tmp_path, 4)
    sources = changed(name, before, after, tmp_path)
    made = macs(run(tmp_path / "set", design=blocks.mdgnet_normal, sources=sources))
    expected = macs_by_equations(values["n1.tgap"], 2, pixels=5 * 6)
    assert {layer for layer in expected if made[layer] > expected[layer]} == {f"n1.gcm.{layer}" for layer in layers}


@needs_icarus
@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("mdgnet_demand.sv", "assign {gc2, merged} = ~select;", "assign {gc2, merged} = '0;"),
        ("mdgnet_demand.sv", "if (gc2_groups[i/B_GROUP])", "if (1'b0)"),
        ("mdgnet_demand.sv", "i%GROUPS*A_GROUP+i/GROUPS", "i"),
        ("mdgnet_normal.sv", "masks_data[GC1*MASKS+C+C/4+:C/2]", "masks_data[GC1*MASKS+C+C/4+C/2+:C/2]"),
    ],
)
def test_a_channel_that_is_skipped_although_needed_is_a_wrong_value(
    name: str, before: str, after: str, tmp_path: Path
) -> None:
    region, values = normal_case(8, 2, 2, [int(c != 7) for c in range(8)])
    manifest = write_block(region, values, tmp_path, 4)
    (tmp_path / "dut.sv").write_text(blocks.mdgnet_normal(manifest))
    sources = changed(name, before, after, tmp_path)
    with bench(tmp_path / "set", [tmp_path / "dut.sv", *sources], repeat=1) as simulate:
        result = simulate()
    assert result.compiled
    assert not result.passed
    assert "n1.shuffle" in result.output


@needs_icarus
def test_the_normal_block_of_a_converted_network(tmp_path: Path) -> None:
    text = "mdgnet:f=16,g=2,k=3,height=9,width=12,classes=3,levels=1"
    network = converted(text, TIES)
    region, values = block(network.graph, "s1.n2.*"), network.values
    write_block(region, values, tmp_path, 8)
    made = run(tmp_path / "set", design=blocks.mdgnet_normal, profile="bursty").values
    assert np.array_equal(made["s1.n2.shuffle"], values["s1.n2.shuffle"])
    assert np.unique(values["s1.n2.tgap"]).tolist() == [0, 1]


# ------------------------------------------------------------------------------------------------- both


@needs_verilator
@pytest.mark.parametrize("kind", [pytest.param("mrb", marks=pytest.mark.slow), "mdgnet_normal"])
def test_verilator(kind: str, tmp_path: Path) -> None:
    """All profiles with one build, and no warning at all."""
    design: Callable[[Json], str] = getattr(blocks, kind)
    region, values = mrb_case(*MRBS[2][:2]) if kind == "mrb" else normal_case(8, 1, 2, 0.5)
    manifest = write_block(region, values, tmp_path, 2)
    (tmp_path / "dut.sv").write_text(design(manifest))
    lint = ["verilator", "--lint-only", "-Wall", "-y", str(RTL), "--top-module", "dut", "dut.sv"]
    done = subprocess.run(lint, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with bench(tmp_path / "set", [tmp_path / "dut.sv", *SOURCES], "verilator", repeat=1) as simulate:
        for profile in PROFILES:
            result = simulate(profile)
            assert result.passed, result.output
            if kind == "mdgnet_normal":
                made = Run(manifest, result, {})
                assert macs(made) == macs_by_equations(values["n1.tgap"], 1, pixels=5 * 6)


def test_a_manifest_that_is_not_the_block_is_refused(tmp_path: Path) -> None:
    region, values = normal_case(8, 1, 2, 0.5)
    manifest = write_block(region, values, tmp_path, 4)
    assert manifest["tensors"][0]["node"] == "x"
    manifest["tensors"][0]["elements_per_word"] = 2
    with pytest.raises(ValueError, match=r"^n1: the values have folds \[2, 4\]; the block has one$"):
        blocks.mdgnet_normal(manifest)
    (file,) = next(t for t in manifest["tensors"] if t["attribute"] == "weight")["files"]
    file["path"] = "constants/n1%20.memh"
    with pytest.raises(ValueError, match=r"^n1.dw: its file is constants/n1%20.memh, the block reads constants/n1.dw"):
        blocks.mdgnet_normal(manifest)

"""What golden vectors vouch for: demand by brute force, the second opinion of the fast engine, refusals."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from golden_sets import (
    NoCheck,
    block_graph,
    images,
    read_memh,
    run_poisoned,
    selecting_graph,
    write_unchecked,
)
from helpers import trapping_graph, two_ended_graph
from hypothesis import given, settings
from hypothesis import strategies as st

import intinfer
from intinfer import reference
from intinfer.errors import DataError, IntinferError, RangeError
from intinfer.graph import Graph
from intinfer.strategies import graphs_with_images
from intinfer_golden import write_vectors
from intinfer_golden.describe.regions import isolate
from intinfer_golden.make.frames import Stimulus
from intinfer_golden.make.run import demand_masks

GRAPH = block_graph()
IMAGES = images()
TRACE = reference.trace(GRAPH, IMAGES)


def manifest(directory: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((directory / "manifest.json").read_text("ascii"))
    return document


# ------------------------------------------------------------------------------------------------------------ demand


def test_masks_equal_brute_force_on_every_select_pattern() -> None:
    graph, rng = selecting_graph(), np.random.default_rng(1)
    for pattern in range(16):
        inputs = {
            "s": np.array([[pattern >> c & 1 for c in range(4)]]),
            "x": rng.integers(-99, 100, (1, 4, 3, 3)),
        }
        trace = reference.trace(graph, inputs)
        masks = demand_masks(graph, {name: array[0] for name, array in trace.items()})
        truth = {out.name: trace[out.value].tolist() for out in graph.outputs}
        assert run_poisoned(graph, inputs, masks, rng) == truth
        for name in ("first", "left", "shuffled", "right", "both", "picked", "mux", "last", "unused"):
            for channel in range(len(masks[name])):
                less = {other: mask.copy() for other, mask in masks.items()}
                less[name][channel] = False
                changed = any(run_poisoned(graph, inputs, less, rng) != truth for _ in range(3))
                assert changed == masks[name][channel], (pattern, name, channel)


@settings(max_examples=100)
@given(graphs_with_images(images=1), st.integers(0, 2**32))
def test_undemanded_channels_never_matter(case: tuple[Graph, dict[str, np.ndarray]], seed: int) -> None:
    graph, inputs = case
    trace = reference.trace(graph, inputs)
    masks = demand_masks(graph, {name: array[0] for name, array in trace.items()})
    truth = {out.name: trace[out.value].tolist() for out in graph.outputs}
    rng = np.random.default_rng(seed)
    assert all(run_poisoned(graph, inputs, masks, rng) == truth for _ in range(2))


def test_given_masks_are_the_demand_of_the_only_node(tmp_path: Path) -> None:
    region = isolate(GRAPH, ["dw"])
    inputs = {"act": TRACE["act"]}
    masks = np.array([[True, False, True, True], [False] * 4, [True] * 4])
    model = intinfer.Model(GRAPH)
    with patch("intinfer_golden.make.run.CrossCheck", NoCheck):
        images = Stimulus(inputs, ["a", "b", "c"], {"dw": masks}, seed=7, rounds=2)
        write_vectors(model, images, tmp_path / "t", region=region, formats=["memh"])
    document = manifest(tmp_path / "t")
    assert [(p["port"], document["tensors"][p["tensor"]]["role"]) for p in document["ports"]] == [
        ("s0_axis", "input"),
        ("d0_axis", "demand_mask"),
        ("m0_axis", "accumulator"),
    ]
    assert read_memh(tmp_path / "t" / "demand" / "dw.memh", 4) == [0b1101, 0, 0b1111]
    values = TRACE["dw"].transpose(0, 2, 3, 1).reshape(-1)  # full, whatever the masks
    assert read_memh(tmp_path / "t" / "values" / "dw.memh", 8) == (values % 256).tolist()
    assert (document["mode"], document["region"]) == ("isolated", {"name": "dw", "nodes": ["dw"]})
    assert (document["frames"], document["seed"], document["rounds"]) == (["a", "b", "c"], 7, 2)
    intinfer.save(GRAPH, tmp_path / "model.npz")
    assert document["model"]["sha256"] == hashlib.sha256((tmp_path / "model.npz").read_bytes()).hexdigest()
    for wrong, shown in ((masks[:2], "bool (2, 4)"), (masks.astype(int), "int64 (3, 4)")):
        with pytest.raises(DataError) as caught:
            write_vectors(model, Stimulus(inputs, masks={"dw": wrong}), tmp_path / "u", region=region)
        assert str(caught.value) == f"mask of node 'dw' is {shown}, bool (3, 4) is needed"


# ------------------------------------------------------------------------------------------------- the second opinion


def test_the_engine_agrees_and_a_disagreement_names_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = intinfer.Model(GRAPH)
    write_vectors(model, IMAGES, tmp_path / "t")
    unchecked = write_unchecked(GRAPH, IMAGES, tmp_path / "u")
    assert manifest(tmp_path / "t") == manifest(unchecked)
    honest = reference.trace

    def wrong(graph: Graph, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        trace = honest(graph, inputs)
        if np.array_equal(inputs["image"], IMAGES[1:2]):
            trace["mux"][0, 2, 1, 3] += 1
            trace["fc"][0, 0] += 1
        return trace

    monkeypatch.setattr(reference, "trace", wrong)
    value = int(TRACE["mux"][1, 2, 1, 3])
    message = (
        f"node 'mux': at n=1, c=2, y=1, x=3 the fast engine gives {value} and the reference {value + 1}; nothing was "
        "written, please report this bug of intinfer with the model"
    )
    with pytest.raises(IntinferError, match=f"^{re.escape(message)}$"):
        write_vectors(model, IMAGES, tmp_path / "v")
    session = model.session(True)
    honest_run = session.run
    monkeypatch.setattr(reference, "trace", honest)
    monkeypatch.setattr(session, "run", lambda inputs: {"logits": honest_run(inputs)["logits"] - 1})
    value = int(TRACE["fc"][0, 0])
    with pytest.raises(IntinferError) as caught:
        write_vectors(model, IMAGES, tmp_path / "v")
    assert str(caught.value).startswith(
        f"node 'fc': at n=0, c=0 the fast engine with skipping gives {value - 1} and the reference {value}; "
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t", "u"]


# ------------------------------------------------------------------------------------------------------------ refusals


NAMES = "memh, mem, coe, xmif, mif, bin, npy"
NODES = [node.name for node in GRAPH.nodes]
ORDER = "order {!r} is unknown; give n, then c, h and w in any order (nhwc: a pixel's channels innermost)"


def test_refusals_leave_nothing(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").touch()
    new = tmp_path / "t"
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (full, {}, f"{full}: exists and is not empty; give another name, or --force to replace a set"),
        (new, {"nodes": ["muxx"]}, "the model has no node 'muxx'; close names: mux"),
        (new, {"nodes": []}, "no nodes are asked for; name some, or leave the choice out for all"),
        (new, {"formats": ["memh", "hex"]}, f"format 'hex' is unknown; there are {NAMES}"),
        (new, {"formats": []}, f"no format is asked for; there are {NAMES}"),
        (new, {"order": "chwn"}, ORDER.format("chwn")),
        (new, {"order": "nhw"}, ORDER.format("nhw")),
        (new, {"fold": 0}, "fold 0 is no number of elements a word; give 1 or more"),
        (new, {"fold": {"act": -1}}, "fold -1 of value 'act' is no number of elements a word; give 1 or more"),
        (new, {"fold": {"acts": 2}}, "the model has no node 'acts'; close names: act"),
        (
            new,
            {"fold": {"Conv/1": 7282}},
            "value 'Conv/1': 7282 elements of 9 bits are a word of 65,538 bits, more than 65,536; fold less",
        ),
        (new, {"images": Stimulus(IMAGES, ["a"])}, "1 labels are given for 3 images; give one an image"),
        (
            new,
            {"images": Stimulus(IMAGES, masks={"fc": np.ones((3, 3), bool)})},
            f"a mask of node 'fc' is given; masks are for a graph of that node alone, this is {', '.join(NODES)}",
        ),
    ]
    for target, options, message in cases:
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            write_unchecked(GRAPH, options.pop("images", IMAGES), target, **options)
    with pytest.raises(DataError, match=r"^there are no images; golden vectors need at least one$"):
        write_unchecked(GRAPH, IMAGES[:0], new)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_inputs_that_are_none(tmp_path: Path) -> None:
    model = intinfer.Model(two_ended_graph())
    maps = np.zeros((70, 2, 3, 3), int)
    bad = maps.copy()
    bad[67, 1, 0, 2] = 4
    cases: list[tuple[Any, type[IntinferError], str]] = [
        ({"a": maps, "b": maps[:3]}, DataError, "inputs differ in the number of images: 3, 70"),
        ({"a": maps}, DataError, "inputs ['a'] are given, ['a', 'b'] are needed"),
        ({"a": maps, "b": np.int64(3)}, DataError, "input 'b' has shape (0,), (N, 2, 3, 3) is needed"),
        (
            {"a": maps, "b": maps / 1},
            DataError,
            "input 'b' has dtype float64, integers are needed; cast it if its values are integers",
        ),
        (
            {"a": maps, "b": bad},
            RangeError,
            "input 'b': value 4 at index (3, 1, 0, 2) is outside 0..3; 1 of 108 values are (images counted from 64)",
        ),
    ]
    for inputs, kind, message in cases:
        with pytest.raises(kind) as caught:
            write_vectors(model, inputs, tmp_path / "t")
        assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_a_trap_names_the_image(tmp_path: Path) -> None:
    batch = np.stack([np.zeros((3, 8, 8), int), np.full((3, 8, 8), 255)])
    with pytest.raises(RangeError) as caught:
        write_unchecked(trapping_graph(), batch, tmp_path / "t")
    assert str(caught.value).startswith("image 1 (images counted from 0): node 'conv' (conv2d): accumulator of 9 bits ")
    assert list(tmp_path.iterdir()) == []

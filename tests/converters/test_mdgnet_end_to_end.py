"""MDGNet from torch module to integer graph: every node against the paper's equations in exact arithmetic.

The oracle shares no code with intinfer. The float32-faithful levels must be equal bit for bit; the unrounded
ones may differ where float32 batch norm misses a boundary, which is counted, and never with dyadic parameters.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from oracles.equations import Evaluation
from oracles.mdgnet_equations import Net, evaluate, shuffle

from converters.random_nets import (
    DYADIC,
    RANDOM,
    TIES,
    changed_weight,
    differences,
    moved_threshold,
    randomised,
    rational_differences,
    replaced,
    shifted_offsets,
    swapped_mux,
)
from intinfer.graph import Graph
from intinfer.reference import trace
from intinfer.tensor import IntTensor
from intinfer_converters import convert
from intinfer_converters.nets.layers import TernaryConv2d

SMALL = "mdgnet:f=8,height=12,width=9,classes=3,levels=2"


def oracle(module: Any, images: np.ndarray) -> Evaluation:
    """The equations on the module's parameters."""
    arguments = module.arguments
    net = Net(
        k=arguments.k,
        groups=arguments.g,
        stages=arguments.levels,
        block_groups=arguments.block_groups,
        pad=arguments.pad,
        gcm_order=arguments.gcm_order,
        gcm_half=arguments.gcm_half,
        reduced_order=arguments.reduced_order,
        eps=module.conv1_bn.eps,
    )
    return evaluate({name: tensor.numpy() for name, tensor in module.state_dict().items()}, net, images)


# ------------------------------------------------------------------------------------------------ tests

CASES = [
    *[(f"{SMALL},g={g},k={k}", style) for k, g in ((1, 2), (2, 1), (3, 2), (4, 1)) for style in (RANDOM, DYADIC, TIES)],
    *[(f"{SMALL},g=2,k={k},pad=torch", style) for k, style in ((1, TIES), (3, RANDOM))],
    (f"{SMALL},g=2,k=2,block_groups=1,gcm_order=21", TIES),
    (f"{SMALL},g=2,k=3,block_groups=4,gcm_half=shuffled", RANDOM),
    (f"{SMALL},g=1,k=2,block_groups=8,reduced_order=dw-gcm,classifier_bn=1", DYADIC),
    (f"{SMALL},g=2,k=1,gcm_order=21,gcm_half=shuffled,pad=torch", RANDOM),
    ("mdgnet:f=16,g=4,k=3,height=7,width=8,classes=5,levels=3", TIES),
    ("mdgnet:f=32,g=4,k=2,height=5,width=6,classes=4,levels=1", RANDOM),
    ("mdgnet:f=4,g=1,k=4,height=18,width=35,classes=2", RANDOM),
    ("mdgnet:f=8,g=2,k=1,height=17,width=6,classes=7", TIES),
]


@pytest.mark.parametrize(("text", "style"), CASES, ids=[f"{text.split(':')[1]}-{style}" for text, style in CASES])
def test_every_node_equals_the_equations(text: str, style: str, record_property: Any) -> None:
    module, images = randomised(text, style, seed=sum(map(ord, text + style)))
    expected = oracle(module, images)

    assert differences(convert(module), images, expected) == {}
    count, distance = rational_differences(expected)
    record_property("levels that unrounded batch norm changes", count)
    assert distance <= 1
    assert count == 0 if style == DYADIC else (count > 0 or style == RANDOM)
    assert set(expected.changed_weights.values()) == {0}


def test_the_parameters_reach_what_they_are_meant_to_reach() -> None:
    """Levels spread over the whole range, both MUX inputs are taken, weights tie: else equality says little."""
    module, images = randomised(f"{SMALL},g=2,k=3", TIES, seed=4)
    values = oracle(module, images).values
    for name in ("conv1.act", "gcm0.gc2.act", "s1.n1.mux", "s2.r.cat"):
        assert np.unique(values[name]).tolist() == list(range(8)), name
    for name in ("s1.n1", "s1.n2", "s2.n1", "s2.n2"):
        assert np.unique(values[f"{name}.tgap"]).tolist() == [0, 1], name
        assert (values[f"{name}.shift"] != values[f"{name}.dw.act"]).mean() > 0.3, name
    assert np.unique(values["cls.dw"]).size > 3
    gammas = module.s1.n1.gcm.gc2_bn.weight.detach().numpy()
    assert (gammas < 0).any()
    assert (gammas == 0).any()
    ternary = [layer for layer in module.modules() if isinstance(layer, TernaryConv2d) and layer.weight.numel() > 99]
    assert len(ternary) >= 10
    assert all(bool(((layer.weight / layer.step).abs() == 0.5).any()) for layer in ternary)


def test_a_mean_of_exactly_half_is_not_above_half() -> None:
    module, images = randomised(f"{SMALL},g=2,k=2", RANDOM, seed=1)
    traced = trace(convert(module), images)
    for name in ("s1.n1", "s1.n2"):
        levels = traced[f"{name}.dw.act"]
        equal = 2 * levels.sum((2, 3)) == 3 * levels[0, 0].size
        assert equal.any(), name
        assert not traced[f"{name}.tgap"][equal].any(), name


def test_the_torch_module_itself_gives_the_logits_of_the_equations() -> None:
    """With dyadic parameters nothing is rounded before a quantiser, so that the float forward pass is exact."""
    module, images = randomised(f"{SMALL},g=2,k=1", DYADIC, seed=3)
    with torch.no_grad():
        logits = module(torch.tensor(images, dtype=torch.float32))
    assert logits.tolist() == [[float(value) for value in row] for row in oracle(module, images).logits]


# -------------------------------------------------------------------- the comparison itself can fail


@pytest.fixture(scope="module")
def reference_case() -> tuple[Graph, np.ndarray, Evaluation]:
    module, images = randomised(f"{SMALL},g=2,k=3", RANDOM, seed=2)
    return convert(module), images, oracle(module, images)


@pytest.mark.parametrize("name", ["conv1.act", "s1.n1.dw.act", "s1.r.gcm.gc1.act", "s2.n2.gcm.gc2.act"])
def test_a_threshold_moved_by_one_is_found(reference_case: tuple[Graph, np.ndarray, Evaluation], name: str) -> None:
    graph, images, expected = reference_case
    moved, hits = moved_threshold(graph, name, expected)
    found = differences(moved, images, expected)
    assert next(iter(found.items())) == (name, hits)


@pytest.mark.parametrize("name", ["conv1", "s1.n2.gcm.pw", "s2.r.dw", "cls.pw", "cls.dw"])
def test_a_changed_weight_is_found(reference_case: tuple[Graph, np.ndarray, Evaluation], name: str) -> None:
    graph, images, expected = reference_case
    found = differences(changed_weight(graph, name), images, expected)
    assert next(iter(found)) == name


@pytest.mark.parametrize("name", ["s1.n1.mux", "s2.n2.mux"])
def test_swapped_mux_inputs_are_found(reference_case: tuple[Graph, np.ndarray, Evaluation], name: str) -> None:
    graph, images, expected = reference_case
    found = differences(swapped_mux(graph, name), images, expected)
    assert next(iter(found)) == name


@pytest.mark.parametrize("name", ["gcm0.shuffle", "s1.n1.shuffle", "s1.r.shuffle", "s2.n1.gcm.shuffle"])
def test_the_inverse_of_a_shuffle_is_found(reference_case: tuple[Graph, np.ndarray, Evaluation], name: str) -> None:
    """Reshape to (C/g, g) where (g, C/g) is meant: the mistake that most implementations make once."""
    graph, images, expected = reference_case
    node = graph.node(name)
    indices = shuffle(np.arange(node.output.shape[0]), 2, axis=0)
    assert np.array_equal(node.op.indices.values, indices)  # type: ignore[attr-defined]
    inverse = dataclasses.replace(node.op, indices=IntTensor(np.argsort(indices)))  # type: ignore[call-arg]
    found = differences(replaced(graph, dataclasses.replace(node, op=inverse)), images, expected)
    # four channels in two groups: the shuffle is its own inverse
    assert next(iter(found), None) == (name if len(indices) > 4 else None)


@pytest.mark.parametrize("name", ["gcm0.gc1", "s1.r.dw", "s1.r.gcm.gc1"])
def test_the_other_padding_is_found(reference_case: tuple[Graph, np.ndarray, Evaluation], name: str) -> None:
    graph, images, expected = reference_case
    node = graph.node(name)
    assert node.op.pads != (1, 1, 1, 1)  # type: ignore[attr-defined]
    padded = dataclasses.replace(node.op, pads=(1, 1, 1, 1))  # type: ignore[call-arg]
    found = differences(replaced(graph, dataclasses.replace(node, op=padded)), images, expected)
    assert next(iter(found)) == name


def test_a_shifted_output_offset_is_found(reference_case: tuple[Graph, np.ndarray, Evaluation]) -> None:
    graph, images, expected = reference_case
    found = differences(shifted_offsets(graph), images, expected)
    assert found == {"logits": sum(len(row) for row in expected.logits)}

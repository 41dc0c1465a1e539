"""MOGNET from torch module to integer graph: every node against the paper's equations in exact arithmetic.

The oracle shares no code with intinfer. The float32-faithful levels must be equal bit for bit; the unrounded
ones may differ where float32 batch norm misses a boundary, which is counted, and never with dyadic parameters.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from oracles.equations import Evaluation
from oracles.mognet_equations import Net, Stage, evaluate

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
from intinfer_converters import convert
from intinfer_converters.nets.layers import TernaryConv2d

SMALL = "mognet:n=8,g=2,height=8,width=8,classes=5,layout=1m-2m-2"


def oracle(module: Any, images: np.ndarray) -> Evaluation:
    """The equations on the module's parameters."""
    arguments = module.arguments
    stages = tuple(
        Stage(has_mrb, number in arguments.pooled_stages) for number, (_, has_mrb) in enumerate(arguments.stages, 1)
    )
    net = Net(arguments.k, arguments.g, stages, arguments.last_bits, module.conv1_bn.eps)
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    return evaluate(state, net, images)


# ------------------------------------------------------------------------------------------------ tests

CASES = [
    *[(f"{SMALL},k={k},pool=12", style) for k in (1, 2, 3, 4) for style in (RANDOM, DYADIC, TIES)],
    (f"{SMALL},k=3,pool=0,last_bits=2", RANDOM),
    (f"{SMALL},k=2,pool=123,last_bits=2", TIES),
    (f"{SMALL},k=1,pool=3,last_bits=2", DYADIC),
    ("mognet:n=8,g=4,k=3,height=6,width=10,classes=3,layout=1-2m,pool=1", RANDOM),
    ("mognet:n=16,g=4,k=3,height=8,width=8", RANDOM),
    ("mognet:n=16,g=8,k=4,height=8,width=4,classes=7,last_bits=2,pool=23", TIES),
]


@pytest.mark.parametrize(("text", "style"), CASES, ids=[f"{text.split(':')[1]}-{style}" for text, style in CASES])
def test_every_node_equals_the_equations(text: str, style: str, record_property: Any) -> None:
    module, images = randomised(text, style, seed=sum(map(ord, text + style)))
    expected = oracle(module, images)
    graph = convert(module)

    assert differences(graph, images, expected) == {}
    count, distance = rational_differences(expected)
    record_property("levels that unrounded batch norm changes", count)
    assert distance <= 1
    assert count == 0 if style == DYADIC else (count > 0 or style == RANDOM)
    assert set(expected.changed_weights.values()) == {0}


def test_the_parameters_reach_what_they_are_meant_to_reach() -> None:
    """Levels spread over the whole range, both MUX inputs are taken, weights tie: else equality says little."""
    module, images = randomised(f"{SMALL},k=3,pool=12", TIES, seed=1)
    values = oracle(module, images).values
    for name in ("conv1.act", "s1.mrb.c2.pw2.act", "s2.cflog.pw2.act", "s2.mrb.mux"):
        assert np.unique(values[name]).tolist() == list(range(8)), name
    assert {0, 1} == set(np.unique(values["s1.mrb.tgap"])) == set(np.unique(values["s2.mrb.tgap"]))
    gammas = module.s1.cflog.bn.weight.detach().numpy()
    assert (gammas < 0).any()
    assert (gammas == 0).any()
    ternary = [layer for layer in module.modules() if isinstance(layer, TernaryConv2d)]
    assert all(bool(((layer.weight / layer.step).abs() == 0.5).any()) for layer in ternary)


# -------------------------------------------------------------------- the comparison itself can fail


@pytest.fixture(scope="module")
def reference_case() -> tuple[Graph, np.ndarray, Evaluation]:
    module, images = randomised(f"{SMALL},k=3,pool=12", RANDOM, seed=2)
    return convert(module), images, oracle(module, images)


@pytest.mark.parametrize("name", ["conv1.act", "s1.mrb.c1.pw2.act", "s3.cflog.pw2.act"])
def test_a_threshold_moved_by_one_is_found(reference_case: tuple[Graph, np.ndarray, Evaluation], name: str) -> None:
    graph, images, expected = reference_case
    moved, hits = moved_threshold(graph, name, expected)
    found = differences(moved, images, expected)
    assert next(iter(found.items())) == (name, hits)


@pytest.mark.parametrize("name", ["conv1", "s2.cflog.pw1", "s1.mrb.c2.gconv", "final1x1"])
def test_a_changed_weight_is_found(reference_case: tuple[Graph, np.ndarray, Evaluation], name: str) -> None:
    graph, images, expected = reference_case
    found = differences(changed_weight(graph, name), images, expected)
    assert next(iter(found)) == name


def test_another_rule30_seed_is_found(reference_case: tuple[Graph, np.ndarray, Evaluation]) -> None:
    graph, images, expected = reference_case
    node = graph.node("s1.cflog.pw2")
    op: Any = node.op
    rolled = dataclasses.replace(op.weight, seed=op.weight.seed[1:] + op.weight.seed[:1])
    assert rolled.seed != op.weight.seed
    changed = dataclasses.replace(op, weight=rolled)
    found = differences(replaced(graph, dataclasses.replace(node, op=changed)), images, expected)
    assert next(iter(found)) == "s1.cflog.pw2"


@pytest.mark.parametrize("name", ["s1.mrb.mux", "s2.mrb.mux"])
def test_swapped_mux_inputs_are_found(reference_case: tuple[Graph, np.ndarray, Evaluation], name: str) -> None:
    graph, images, expected = reference_case
    found = differences(swapped_mux(graph, name), images, expected)
    assert next(iter(found)) == name


def test_a_shifted_output_offset_is_found(reference_case: tuple[Graph, np.ndarray, Evaluation]) -> None:
    graph, images, expected = reference_case
    found = differences(shifted_offsets(graph), images, expected)
    assert found == {"logits": sum(len(row) for row in expected.logits)}

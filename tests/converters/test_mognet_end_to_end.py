"""MOGNET from torch module to integer graph: every node against the paper's equations in exact arithmetic.

The oracle shares no code with intinfer. The float32-faithful levels must be equal bit for bit; the unrounded
ones may differ where float32 batch norm misses a boundary, which is counted, and never with dyadic parameters.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from oracles.mognet_equations import Evaluation, Net, Stage, evaluate

from intinfer.graph import Graph, Node
from intinfer.reference import trace
from intinfer.tensor import IntTensor
from intinfer_converters import convert
from intinfer_converters.nets import build
from intinfer_converters.nets.layers import TernaryConv2d

RANDOM, DYADIC, TIES = "random", "dyadic", "ties"
SMALL = "mognet:n=8,g=2,height=8,width=8,classes=5,layout=1m-2m-2"


# ------------------------------------------------------------------------------------------- parameters


def randomised(text: str, style: str, seed: int, batch: int = 2) -> tuple[Any, np.ndarray]:
    """A module with seeded random parameters of `style`, and images (batch, 3, H, W) for it.

    Every batch norm gets its parameters when the first accumulators reach it, so that levels do not saturate.
    """
    rng = np.random.default_rng(seed)
    module = build(text).eval()
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    for name, array in state.items():
        if name.endswith(".seed"):
            state[name] = _seed_row(len(array), rng)
        elif name.endswith(".step"):
            state[name] = np.array(0.5 if style != RANDOM else rng.uniform(0.5, 1.2), np.float32)
        elif array.ndim == 4:
            # sixteenths against a step of 1/2: one weight in 17 is a tie
            values = rng.uniform(-1, 1, array.shape) if style == RANDOM else rng.integers(-16, 17, array.shape) / 16
            state[name] = values.astype(np.float32)
    module.load_state_dict({name: torch.tensor(array) for name, array in state.items()})

    arguments = module.arguments
    images = rng.integers(0, 256, (batch, 3, arguments.height, arguments.width))

    def set_norm(norm: Any, inputs: tuple[Any, ...]) -> None:
        _set_norm(norm, inputs[0].numpy().astype(np.float64), style, arguments.k, rng)

    norms = [layer for layer in module.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(set_norm) for norm in norms]
    with torch.no_grad():
        module(torch.tensor(images, dtype=torch.float32))
    for hook in hooks:
        hook.remove()
    return module, images


def _seed_row(width: int, rng: np.random.Generator) -> np.ndarray:
    row = rng.integers(0, 2, width)
    row[:2] = rng.permutation(2)
    return row.astype(np.uint8)


def _set_norm(norm: Any, z: np.ndarray, style: str, k: int, rng: np.random.Generator) -> None:
    """Parameters of one batch norm from its accumulators; channel 0 gets a negative gamma, channel 1 a zero one."""
    channels = z.shape[1]
    mean, deviation = z.mean((0, 2, 3)), z.std((0, 2, 3)) + 1
    sign = rng.choice([-1, 1, 1], channels)
    sign[:2] = -1, 0
    if style == RANDOM:
        gamma = sign * rng.uniform(0.2, 0.6, channels)
        beta = rng.uniform(0.2, 0.8, channels)
        mean = mean + deviation * rng.normal(0, 0.2, channels)
        var = deviation**2 * rng.uniform(0.5, 2, channels)
    else:
        # the root of var + eps = root^2 is exact and the mean an integer
        norm.eps = 0.25
        mean = np.rint(mean)
        top = 2**k - 1
        if style == DYADIC:
            root = 2.0 ** np.clip(np.rint(np.log2(deviation)), 0, 10)
            gamma, beta = sign * rng.integers(1, 4, channels) / 8, rng.integers(0, 9, channels) / 8
        else:
            # alpha is about 1 / (width * levels): every boundary is an integer, missed by float32 roundings only
            root = rng.integers(1, 500, channels) * 2.0 + 1
            levels = top if k > 1 else 3
            width = np.rint(4 * deviation / levels).clip(1)
            gamma = sign * root / (width * levels)
            middle = rng.integers(0, top, channels) + 0.5 if k > 1 else rng.choice([-1, 1, 2], channels)
            beta = middle / levels
        var = root**2 - 0.25
    for tensor, values in (
        (norm.weight, gamma),
        (norm.bias, beta),
        (norm.running_mean, mean),
        (norm.running_var, var),
    ):
        tensor.copy_(torch.tensor(values.astype(np.float32)))


def oracle(module: Any, images: np.ndarray) -> Evaluation:
    """The equations on the module's parameters."""
    arguments = module.arguments
    stages = tuple(
        Stage(has_mrb, number in arguments.pooled_stages) for number, (_, has_mrb) in enumerate(arguments.stages, 1)
    )
    net = Net(arguments.k, arguments.g, stages, arguments.last_bits, module.conv1_bn.eps)
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    return evaluate(state, net, images)


# ------------------------------------------------------------------------------------------- comparison


def differences(graph: Graph, images: np.ndarray, expected: Evaluation) -> dict[str, int]:
    """How many integers (for "logits": exact fractions) differ, for each node that differs, in graph order.

    Every node up to `final1x1` must be one of the oracle's and the other way round; a node behind it has no
    name in the equations and is judged by the logits.
    """
    made = trace(graph, images)
    names = [node.name for node in graph.nodes]
    compared = names[: names.index("final1x1") + 1]
    assert sorted(compared) == sorted(expected.values)
    found = {}
    for name in compared:
        assert made[name].shape == expected.values[name].shape, name
        count = int((made[name] != expected.values[name]).sum())
        if count:
            found[name] = count
    logits = real_outputs(graph, made)
    assert [len(row) for row in logits] == [len(row) for row in expected.logits]
    wrong = sum(
        a != b
        for made_row, row in zip(logits, expected.logits, strict=True)
        for a, b in zip(made_row, row, strict=True)
    )
    if wrong:
        found["logits"] = wrong
    return found


def real_outputs(graph: Graph, made: dict[str, np.ndarray]) -> list[list[Fraction]]:
    """scale * z + offset of the only output, exactly, for each image."""
    (output,) = graph.outputs
    z = made[output.value]
    z = z.reshape(z.shape[0], z.shape[1])
    scale, offset = (part * z.shape[1] if len(part) == 1 else part for part in (output.scale, output.offset))
    return [[a * int(value) + b for value, a, b in zip(row, scale, offset, strict=True)] for row in z]


def rational_differences(expected: Evaluation) -> tuple[int, int]:
    """Levels that differ from those of unrounded batch norm, and the largest distance."""
    gaps = [np.abs(expected.values[name] - levels) for name, levels in expected.rational_levels.items()]
    return sum(int((gap > 0).sum()) for gap in gaps), max(int(gap.max()) for gap in gaps)


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


def replaced(graph: Graph, changed: Node) -> Graph:
    """`graph` with the node of the same name replaced."""
    assert changed.name in graph.node_by_name
    nodes = tuple(changed if node.name == changed.name else node for node in graph.nodes)
    return dataclasses.replace(graph, nodes=nodes)


@pytest.mark.parametrize("name", ["conv1.act", "s1.mrb.c1.pw2.act", "s3.cflog.pw2.act"])
def test_a_threshold_moved_by_one_is_found(reference_case: tuple[Graph, np.ndarray, Evaluation], name: str) -> None:
    graph, images, expected = reference_case
    node = graph.node(name)
    op: Any = node.op
    thresholds = op.thresholds.values.copy()
    channel, index, hits = _threshold_that_is_met(op, expected.values[node.inputs[0]])
    thresholds[channel, index] += 1
    moved = dataclasses.replace(op, thresholds=IntTensor(thresholds))
    found = differences(replaced(graph, dataclasses.replace(node, op=moved)), images, expected)
    assert next(iter(found.items())) == (name, hits)


def _threshold_that_is_met(op: Any, z: np.ndarray) -> tuple[int, int, int]:
    """An ascending channel, the highest threshold that stands alone and equals accumulators, and how many."""
    thresholds = op.thresholds.values
    descending = np.broadcast_to(op.descending.values, len(thresholds))
    for channel in np.flatnonzero(descending == 0):
        row = thresholds[channel]
        for index in reversed(range(len(row))):
            hits = int((z[:, channel] == row[index]).sum())
            if hits and (row == row[index]).sum() == 1:
                return int(channel), index, hits
    raise AssertionError("no threshold equals an accumulator of these images")


@pytest.mark.parametrize("name", ["conv1", "s2.cflog.pw1", "s1.mrb.c2.gconv", "final1x1"])
def test_a_changed_weight_is_found(reference_case: tuple[Graph, np.ndarray, Evaluation], name: str) -> None:
    graph, images, expected = reference_case
    node = graph.node(name)
    op: Any = node.op
    weight = op.weight.values.copy()
    centre = weight.shape[-1] // 2
    weight[0, 0, centre, centre] = -1 if weight[0, 0, centre, centre] == 1 else 1
    changed = dataclasses.replace(op, weight=IntTensor(weight, op.weight.encoding))
    found = differences(replaced(graph, dataclasses.replace(node, op=changed)), images, expected)
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
    node = graph.node(name)
    select, one, zero = node.inputs
    found = differences(replaced(graph, dataclasses.replace(node, inputs=(select, zero, one))), images, expected)
    assert next(iter(found)) == name


def test_a_shifted_output_offset_is_found(reference_case: tuple[Graph, np.ndarray, Evaluation]) -> None:
    graph, images, expected = reference_case
    (output,) = graph.outputs
    shifted = dataclasses.replace(output, offset=tuple(b + Fraction(1, 2**60) for b in output.offset))
    found = differences(dataclasses.replace(graph, outputs=(shifted,)), images, expected)
    assert found == {"logits": sum(len(row) for row in expected.logits)}

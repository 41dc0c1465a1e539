"""Networks with random parameters in the styles that stress thresholds, and their comparison with an oracle. Torch."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from helpers import unchecked
from oracles.equations import Evaluation

from intinfer.graph import Graph, Node
from intinfer.reference import trace
from intinfer.tensor import IntTensor
from intinfer_converters.nets import build

RANDOM, DYADIC, TIES = "random", "dyadic", "ties"

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
        elif name.endswith(".factor"):
            state[name] = np.array(0.25 if style != RANDOM else rng.uniform(0.01, 0.1), np.float32)
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


# ------------------------------------------------------------------------------------------- comparison


def differences(graph: Graph, images: np.ndarray, expected: Evaluation) -> dict[str, int]:
    """How many integers (for "logits": exact fractions) differ, for each node that differs, in graph order.

    Every node up to the oracle's last must be one of the oracle's and the other way round; a node behind it has no
    name in the equations and is judged by the logits.
    """
    made = trace(graph, images)
    names = [node.name for node in graph.nodes]
    compared = names[: names.index(list(expected.values)[-1]) + 1]
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


# ----------------------------------------------------------------------------------------- changed graphs


def replaced(graph: Graph, changed: Node) -> Graph:
    """`graph` with the node of the same name replaced."""
    assert changed.name in graph.node_by_name
    nodes = tuple(changed if node.name == changed.name else node for node in graph.nodes)
    return unchecked(graph, nodes=nodes)


def moved_threshold(graph: Graph, name: str, expected: Evaluation) -> tuple[Graph, int]:
    """`graph` with one threshold of node `name` moved by one, and how many levels that changes."""
    node = graph.node(name)
    op: Any = node.op
    thresholds = op.thresholds.values.copy()
    channel, index, hits = _threshold_that_is_met(op, expected.values[node.inputs[0]])
    thresholds[channel, index] += 1
    moved = dataclasses.replace(op, thresholds=IntTensor(thresholds))
    return replaced(graph, dataclasses.replace(node, op=moved)), hits


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


def changed_weight(graph: Graph, name: str) -> Graph:
    """`graph` with another weight in the middle of the first kernel of node `name`."""
    node = graph.node(name)
    op: Any = node.op
    weight = op.weight.values.copy()
    middle = (0, 0, weight.shape[2] // 2, weight.shape[3] // 2)
    weight[middle] = -1 if weight[middle] == 1 else 1
    changed = dataclasses.replace(op, weight=IntTensor(weight, op.weight.encoding))
    return replaced(graph, dataclasses.replace(node, op=changed))


def swapped_mux(graph: Graph, name: str) -> Graph:
    """`graph` with the two inputs of mux `name` exchanged."""
    node = graph.node(name)
    select, one, zero = node.inputs
    return replaced(graph, dataclasses.replace(node, inputs=(select, zero, one)))


def shifted_offsets(graph: Graph) -> Graph:
    """`graph` with the smallest of errors in the offset of its output."""
    (output,) = graph.outputs
    shifted = dataclasses.replace(output, offset=tuple(b + Fraction(1, 2**60) for b in output.offset))
    return unchecked(graph, outputs=(shifted,))

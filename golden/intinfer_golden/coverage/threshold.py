"""Thresholds: z one below and at every threshold of every channel, and every output code."""

from __future__ import annotations

import numpy as np

from intinfer.graph import Graph, Node
from intinfer.ops import Threshold
from intinfer.types import IntArray

from .forms import Prover
from .group import Axis, Covergroup, grid, intervals

SIDES = ("not yet crossed", "just crossed")


def covergroups(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    op, x = node.op, node.inputs[0]
    assert isinstance(op, Threshold)
    channels = node.output.shape[0]
    cuts = np.broadcast_to(op.thresholds.values, (channels, op.thresholds.shape[1]))
    down = np.broadcast_to(op.descending.values, (channels,))[:, None]
    before = np.where(down == 1, cuts + 1, cuts - 1)
    points = np.stack([before, cuts], axis=2).reshape(-1)
    axes = (Axis("channel"), Axis("threshold"), Axis("side", SIDES))
    sentence = (
        "z = T - 1 and z = T (descending: T + 1 and T) of every threshold: > is told from >=, T from its neighbours"
    )
    coordinates = grid(channels, cuts.shape[1], 2)
    sides = intervals(node.name, "threshold sides", sentence, axes, coordinates, x, (points, points))
    return [sides, _codes(node, x, cuts, down, (graph.values[x].type.lo, graph.values[x].type.hi))]


def _codes(node: Node, x: str, cuts: IntArray, down: IntArray, ends: tuple[int, int]) -> Covergroup:
    """Code j is z in [T_(j-1), T_j - 1]; descending z in [T_j + 1, T_(j-1)]. Equal thresholds leave none between."""
    op = node.op
    assert isinstance(op, Threshold)
    channels, count = cuts.shape
    low = np.concatenate([np.full((channels, 1), ends[0]), cuts], axis=1)
    high = np.concatenate([cuts - 1, np.full((channels, 1), ends[1])], axis=1)
    low_down = np.concatenate([cuts + 1, np.full((channels, 1), ends[0])], axis=1)
    high_down = np.concatenate([np.full((channels, 1), ends[1]), cuts], axis=1)
    lo, hi = np.where(down == 1, low_down, low).reshape(-1), np.where(down == 1, high_down, high).reshape(-1)
    words = tuple(f"code {op.base + op.step * j}" for j in range(count + 1))
    axes = (Axis("channel"), Axis("code", words))
    sentence = "every output code of every channel"
    return intervals(node.name, "output codes", sentence, axes, grid(channels, count + 1), x, (lo, hi))

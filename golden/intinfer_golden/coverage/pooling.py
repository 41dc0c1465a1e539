"""Pooling: each place of a window decides; sums reach their ends."""

from __future__ import annotations

import numpy as np

from intinfer.graph import Graph, Node
from intinfer.ops import MaxPool, SumPool
from intinfer.types import LIMIT, IntArray

from . import rivals
from .forms import Prover
from .group import Axis, Bools, Covergroup, Values, grid


def max_pool(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    op, x = node.op, graph.values[node.inputs[0]]
    assert isinstance(op, MaxPool)
    channels, height, width = x.shape
    window, kernel = op.window, op.kernel
    inside = window.view(window.pad(np.ones((1, 1, height, width), dtype=np.int64), 0))[0, 0] != 0
    real = inside.reshape(*inside.shape[:2], -1)  # (OH, OW, taps)

    def wins(values: Values) -> Bools:
        view = window.view(window.pad(values[x.name], -2 * LIMIT))
        taps = view.reshape(*view.shape[:4], -1)
        top = taps == taps.max(axis=4, keepdims=True)
        alone = top.sum(axis=4, keepdims=True) == 1
        return np.asarray((top & alone).any(axis=(0, 2, 3))).reshape(-1)

    axes = (Axis("channel"), Axis("row"), Axis("column"))
    sentence = "this place of a window alone holds the maximum"
    group = Covergroup(node.name, "winners", sentence, axes, grid(channels, *kernel), wins)
    never = ~real.any(axis=(0, 1))
    group.exclude(np.tile(never, channels), "no window has a real value here")
    if x.type.lo == x.type.hi:
        lonely = (real & (real.sum(axis=2, keepdims=True) == 1)).any(axis=(0, 1))
        group.exclude(np.tile(~lonely, channels), f"every input is {x.type.lo}")
    return [
        group,
        *_close(graph, node, real.sum(axis=2).max() > 1),
        _lows(x.name, node, x.type.lo),
        *_padding(graph, node),
    ]


def _close(graph: Graph, node: Node, several: bool) -> list[Covergroup]:
    """Of a node that reads an input of the graph, and windows of several numbers."""
    op, x = node.op, graph.values[node.inputs[0]]
    assert isinstance(op, MaxPool)
    if x not in graph.inputs or not several:
        return []

    def compared(values: Values) -> IntArray:
        view = op.window.view(op.window.pad(values[x.name], rivals.NEVER))
        return np.moveaxis(view, 1, 0).reshape(x.shape[0], -1, op.kernel[0] * op.kernel[1])

    return [rivals.covergroup(node, x.shape[0], x.type, compared)]


def _lows(x: str, node: Node, lo: int) -> Covergroup:
    def see(values: Values) -> Bools:
        return np.asarray((values[node.name] == lo).any(axis=(0, 2, 3)))

    sentence = "a whole window holds the lowest value: nothing else, such as 0 or a border, wins over it"
    return Covergroup(node.name, "lowest", sentence, (Axis("channel"),), grid(node.output.shape[0]), see)


def _padding(graph: Graph, node: Node) -> list[Covergroup]:
    """Windows over the border whose real values are all the lowest: padding must not win."""
    op, x = node.op, graph.values[node.inputs[0]]
    assert isinstance(op, MaxPool)
    if not op.window.padded:
        return []
    channels, height, width = x.shape
    view = op.window.view(op.window.pad(np.ones((1, 1, height, width), dtype=np.int64), 0))[0, 0]
    over = (view == 0).any(axis=(2, 3))
    if not over.any():
        return []

    def see(values: Values) -> Bools:
        return np.asarray(((values[node.name] == x.type.lo) & over).any(axis=(0, 2, 3)))

    sentence = "a window over the border holds the lowest value alone: the border does not win"
    return [Covergroup(node.name, "border", sentence, (Axis("channel"),), grid(channels), see)]


def sum_pool(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    op, x = node.op, graph.values[node.inputs[0]]
    assert isinstance(op, SumPool)
    channels, height, width = x.shape
    view = op.window.view(op.window.pad(np.ones((1, 1, height, width), dtype=np.int64), 0))[0, 0]
    most = int(view.sum(axis=(2, 3)).max())
    ends = (most * x.type.lo, most * x.type.hi)
    full = view.sum(axis=(2, 3)) == most

    def see(values: Values) -> Bools:
        sums = values[node.name]
        return np.stack([((sums == end) & full).any(axis=(0, 2, 3)) for end in ends], axis=1).reshape(-1)

    def taps(values: Values) -> Bools:
        nonzero = op.window.view((op.window.pad(values[x.name], 0) != 0).astype(np.int64))
        return np.asarray(nonzero.any(axis=(0, 2, 3))).reshape(-1)

    sentence = "the sum of a largest window at both ends"
    end = Axis("end", ("lowest", "highest"))
    group = Covergroup(node.name, "ends", sentence, (Axis("channel"), end), grid(channels, 2), see)
    sentence = "the input at this place of a window is not 0"
    axes = (Axis("channel"), Axis("row"), Axis("column"))
    places = Covergroup(node.name, "places", sentence, axes, grid(channels, *op.kernel), taps)
    never = ~(view != 0).any(axis=(0, 1)).reshape(-1)
    places.exclude(np.tile(never, channels), "no window has a real value here")
    if x.type.lo == x.type.hi == 0:
        places.exclude(np.ones(len(places.hit), dtype=bool), "every input is 0")
    return [group, places]

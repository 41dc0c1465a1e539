"""Ops that combine elements at one place: pairs of codes, ends of every channel, entries of tables, clamps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from intinfer.graph import Graph, Node, Value
from intinfer.ops import Add, Bitshift, Clamp, Table
from intinfer.types import IntArray

from .forms import Prover
from .group import Axis, Bools, Covergroup, Values, grid, intervals

MAX_PAIRS = 256
"""Combinations of codes of which each has a bin of its own."""


class Combinations(Covergroup):
    """Bins: at one element of a channel the inputs hold given numbers together.

    `names` are the inputs, `numbers` (bins, inputs); with `by_channel` every channel has all of them.
    """

    names: tuple[str, ...]
    numbers: IntArray
    by_channel: bool


def combinations(
    node: Node, kind: str, sentence: str, names: Sequence[str], numbers: IntArray, channels: int | None
) -> Combinations:
    """Bins of combined numbers; of each channel when `channels` is given, otherwise anywhere."""
    words = tuple(", ".join(map(str, row)) for row in numbers.tolist())
    axes = (Axis("channel"), Axis("numbers", words)) if channels else (Axis("numbers", words),)
    coordinates = grid(channels, len(numbers)) if channels else grid(len(numbers))

    def see(values: Values) -> Bools:
        seen = group.hit.reshape(channels or 1, len(numbers)).copy()  # what is hit stays hit: the others are looked at
        arrays = [values[name] for name in names]
        for i in np.flatnonzero((~seen).any(axis=0)).tolist():
            same = np.logical_and.reduce([array == number for array, number in zip(arrays, numbers[i], strict=True)])
            seen[:, i] |= same.any(axis=(0, *range(2, same.ndim))) if channels else same.any()
        return seen.reshape(-1)

    group = Combinations(node.name, kind, sentence, axes, coordinates, see)
    group.names, group.numbers, group.by_channel = tuple(names), numbers, channels is not None
    if len(set(names)) < len(names):  # one value read twice holds the same number on both sides
        differ = np.array(
            [
                any(a != b for n, a in zip(names, row, strict=True) for m, b in zip(names, row, strict=True) if n == m)
                for row in numbers.tolist()
            ]
        )
        group.exclude(np.tile(differ, channels or 1), "the inputs are one and the same value")
    return group


def _ends(values: Sequence[Value]) -> IntArray:
    both = [sorted({v.type.lo, v.type.hi}) for v in values]
    return np.array(list(product(*both)), dtype=np.int64)


def bitshift(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    op = node.op
    assert isinstance(op, Bitshift)
    operands = [graph.values[name] for name in node.inputs]
    channels = node.output.shape[0]
    groups: list[Covergroup] = [
        combinations(node, "ends", "both inputs at their ends", node.inputs, _ends(operands), channels)
    ]
    spans = [range(v.type.lo, v.type.hi + 1) for v in operands]
    if len(spans[0]) * len(spans[1]) <= MAX_PAIRS:
        pairs = list(product(*spans))
    else:
        a, b = (v.type for v in operands)
        powers = [2**i for i in range(op.bits)]
        wide = [(p - 1, 1) for p in powers] + [(1, p - 1) for p in powers] + [(p, p) for p in powers]
        near = [(a.lo, b.lo + 1), (a.lo + 1, b.lo), (a.hi, b.hi - 1), (a.hi - 1, b.hi), (a.lo, b.hi), (a.hi, b.lo)]
        pairs = sorted({(x, y) for x, y in wide + near if a.lo <= x <= a.hi and b.lo <= y <= b.hi})
    sentence = "pairs of codes: all, or carries through every bit and odd sums beside the ends"
    groups.append(combinations(node, "pairs", sentence, node.inputs, np.array(pairs, dtype=np.int64), None))
    return groups


def add(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    op = node.op
    assert isinstance(op, Add)
    operands = [graph.values[name] for name in node.inputs]
    ends = _ends(operands)
    if len(ends) > MAX_PAIRS:  # many inputs: each alone at its other end, and all together
        low, high = (np.array([getattr(v.type, end) for v in operands]) for end in ("lo", "hi"))
        each = np.where(np.eye(len(operands), dtype=bool), high, low)
        ends = np.concatenate([[low, high], each, low + high - each])
    return [
        combinations(node, "ends", "every combination of the inputs' ends", node.inputs, ends, node.output.shape[0])
    ]


def affine(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    value = graph.values[node.inputs[0]]
    points = sorted({value.type.lo, value.type.lo + 1, -1, 0, 1, value.type.hi - 1, value.type.hi})
    return [_points(graph, node, "points", "z at both ends, beside them and around 0", points)]


def clamp(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    op, type_ = node.op, graph.values[node.inputs[0]].type
    assert isinstance(op, Clamp)
    points = sorted({op.lo - 1, op.lo, op.lo + 1, op.hi - 1, op.hi, op.hi + 1, type_.lo, type_.hi})
    return [_points(graph, node, "clip", "z at, below and above both limits, and at the ends of its type", points)]


def absolute(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    type_ = graph.values[node.inputs[0]].type
    points = sorted({type_.lo, type_.lo + 1, -1, 0, 1, type_.hi - 1, type_.hi})
    return [_points(graph, node, "sign", "z at both ends, beside them and around 0", points)]


def table(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    op = node.op
    assert isinstance(op, Table)
    points = list(range(op.start, op.start + op.entries.shape[1]))
    return [_points(graph, node, "entries", "every entry of every channel is looked up", points)]


def _points(graph: Graph, node: Node, kind: str, sentence: str, points: Sequence[int]) -> Covergroup:
    type_ = graph.values[node.inputs[0]].type
    points = [z for z in points if type_.lo <= z <= type_.hi]
    channels = node.output.shape[0]
    flat = np.tile(np.array(points, dtype=np.int64), channels)
    axes = (Axis("channel"), Axis("z", tuple(f"z = {z}" for z in points)))
    coordinates = grid(channels, len(points))
    return intervals(node.name, kind, sentence, axes, coordinates, node.inputs[0], (flat, flat))

"""What decides: multiplexer branches seen apart, the average-pool threshold from both sides, every class winning."""

from __future__ import annotations

import numpy as np

from intinfer.graph import Graph, Node
from intinfer.ops import Tgap
from intinfer.types import IntArray

from . import rivals
from .forms import Prover
from .group import Axis, Bools, Covergroup, Values, grid


def mux(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    select, one, zero = node.inputs
    channels = node.output.shape[0]

    def both_ways(values: Values) -> Bools:
        differ = (values[one] != values[zero]).any(axis=(2, 3))
        chosen = values[select] == 1
        return np.stack([(differ & ~chosen).any(axis=0), (differ & chosen).any(axis=0)], axis=1).reshape(-1)

    def mixtures(values: Values) -> Bools:
        chosen = values[select] == 1
        some, every = chosen.any(axis=1), chosen.all(axis=1)
        return np.array([(~some).any(), every.any(), (some & ~every).any()])

    words = ("S = 0", "S = 1")
    sentence = "the channel is taken from each input while the two differ"
    way = Covergroup(
        node.name, "both ways", sentence, (Axis("channel"), Axis("way", words)), grid(channels, 2), both_ways
    )
    if one == zero:
        way.exclude(np.ones(2 * channels, dtype=bool), "both inputs are one and the same value")
    types = [graph.values[name].type for name in node.inputs]
    for bit in (0, 1):
        if not types[0].lo <= bit <= types[0].hi:
            way.exclude(way.coordinates[:, 1] == bit, f"{select!r} is {types[0]}")
    if all(t.lo == t.hi for t in types[1:]) and types[1] == types[2]:
        way.exclude(np.ones(2 * channels, dtype=bool), f"both inputs are always {types[1].lo}")
    sentence = "one frame with no channel taken from I1, one with all, one with some"
    mixed = Covergroup(
        node.name, "select bits of a frame", sentence, (Axis("S", ("none", "all", "mixed")),), grid(3), mixtures
    )
    if channels == 1 or types[0].lo == types[0].hi:
        mixed.exclude([2], f"{channels} channel{'s' * (channels > 1)} of {types[0]}")
    for bit, index in ((0, 0), (1, 1)):
        if not types[0].lo <= bit <= types[0].hi:
            mixed.exclude([index], f"{select!r} is {types[0]}")
    return [way, mixed]


def tgap(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    """Bins of the sum of a channel: on the threshold, the last that gives 0, the first that gives 1, both ends."""
    op, x = node.op, graph.values[node.inputs[0]]
    assert isinstance(op, Tgap)
    channels, height, width = x.shape
    points = tgap_sums(op, height * width, x.type.lo, x.type.hi)
    doubled = np.array([op.top * height * width, *(2 * z for z in points.tolist())], dtype=np.int64)

    def see(values: Values) -> Bools:
        sums = 2 * values[x.name].sum(axis=(2, 3))
        return np.stack([(sums == point).any(axis=0) for point in doubled], axis=1).reshape(-1)

    axes = (Axis("channel"), Axis("sum", ("tie", "last below or tie", "one above", "lowest", "highest")))
    sentence = "the sum on its threshold (2 * sum = N*h*w gives 0) or below it, one above it, at its lowest and highest"
    group = Covergroup(node.name, "sums", sentence, axes, grid(channels, 5), see)
    place = group.coordinates[:, 1]
    if doubled[0] % 2:
        group.exclude(place == 0, f"N*h*w = {doubled[0]} is odd and twice a sum is even")
    for i, point in enumerate(doubled.tolist()):
        if not doubled[3] <= point <= doubled[4]:
            lo, hi = points[2:].tolist()
            text = f"the sum of {height * width} levels {x.type} lies in {lo}..{hi} and never is {point // 2}"
            group.exclude(place == i, text)
    return [group]


def tgap_sums(op: Tgap, pixels: int, lo: int, hi: int) -> IntArray:
    """The sums that a channel should have: the last that gives 0, the first that gives 1, the least, the largest."""
    half = op.top * pixels // 2
    return np.array([half, half + 1, pixels * lo, pixels * hi], dtype=np.int64)


def argmax(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    x = graph.values[node.inputs[0]]
    classes = x.shape[0]

    def wins(values: Values) -> Bools:
        array = _scores(values[x.name])
        top = array == array.max(axis=1, keepdims=True)
        alone = top.sum(axis=1) == 1
        return np.asarray(top[alone].any(axis=0))

    def ties(values: Values) -> Bools:
        array = _scores(values[x.name])
        top = array == array.max(axis=1, keepdims=True)
        return np.array([(top[:, a] & top[:, b] & ~top[:, :a].any(axis=1)).any() for a, b in pairs])

    pairs = [(a, a + 1) for a in range(classes - 1)] + ([(0, classes - 1)] if classes > 2 else [])
    single = x.type.lo == x.type.hi
    win = Covergroup(node.name, "winners", "each class wins alone", (Axis("class"),), grid(classes), wins)
    groups = [win]
    if single and classes > 1:
        win.exclude(np.ones(classes, dtype=bool), f"every input is {x.type.lo}: classes always tie")
    if pairs:
        words = tuple(f"classes {a} and {b}" for a, b in pairs)
        sentence = "two classes share the top, and the lower one wins"
        tie = Covergroup(node.name, "ties", sentence, (Axis("tie", words),), grid(len(pairs)), ties)
        if single:
            later = np.array([a > 0 for a, _ in pairs])
            tie.exclude(later, f"every input is {x.type.lo}: class 0 always shares the top")
        groups.append(tie)
    if pairs and x in graph.inputs:
        groups.append(rivals.covergroup(node, 1, x.type, lambda values: _scores(values[x.name])[None]))
    return groups


def _scores(array: IntArray) -> IntArray:
    """(N, C, ...) as a row of classes for each pixel."""
    return np.moveaxis(array, 1, -1).reshape(-1, array.shape[1])

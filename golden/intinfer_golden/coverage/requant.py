"""Requantisation: z on both sides of every step of the result, clips included, and at rounding ties."""

from __future__ import annotations

import math

import numpy as np

from intinfer.graph import Graph, Node
from intinfer.ops import Requant
from intinfer.rounding import RoundMode
from intinfer.types import IntType

from .forms import Prover
from .group import Axis, Covergroup, grid, intervals

MAX_LEVELS = 64
"""Results of which each has bins of its own."""

NEIGHBOURS = ("just before", "at", "just behind")


def covergroups(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    return [_steps(graph, node), _ties(graph, node)]


def _parameters(node: Node) -> tuple[Requant, list[tuple[int, int, int]]]:
    op = node.op
    assert isinstance(op, Requant)
    triples = zip(
        *(np.broadcast_to(t.values, node.output.shape[:1]).tolist() for t in (op.multiplier, op.offset, op.shift)),
        strict=True,
    )
    return op, list(triples)


def _levels(op: Requant) -> list[int]:
    """Results whose first z is covered, from the lowest to one above the highest; of many, the ends and the middle."""
    if op.hi - op.lo < MAX_LEVELS:
        return list(range(op.lo, op.hi + 2))
    middle = (op.lo + op.hi) // 2
    some = {op.lo, op.lo + 1, middle, middle + 1, -1, 0, 1, op.hi, op.hi + 1}
    return sorted(level for level in some if op.lo <= level <= op.hi + 1)


def _steps(graph: Graph, node: Node) -> Covergroup:
    """A channel is monotone, so that the first z of a result is found by bisection."""
    op, triples = _parameters(node)
    type_ = graph.values[node.inputs[0]].type
    levels = _levels(op)
    points = np.zeros((len(triples), len(levels), 2), dtype=np.int64)
    for c, (m, _, _) in enumerate(triples):
        for i, level in enumerate(levels):
            first = _first(node, c, type_, level) if m else type_.hi + 1
            points[c, i] = first - (1 if m > 0 else -1), first
    flat = points.reshape(-1)
    axes = (Axis("channel"), Axis("result", tuple(f"to {level}" for level in levels)), Axis("side", ("before", "at")))
    sentence = "the last z before each result and the first z that gives it, clips included (result - 1 and result)"
    coordinates = grid(len(triples), len(levels), 2)
    group = intervals(node.name, "result steps", sentence, axes, coordinates, node.inputs[0], (flat, flat))
    still = np.repeat(np.array([m == 0 for m, _, _ in triples]), 2 * len(levels))
    group.exclude(still, "the multiplier is 0: the result does not depend on z")
    return group


def _first(node: Node, channel: int, type_: IntType, level: int) -> int:
    """The first z, in the direction of rising results, whose rounded result before clipping is at least `level`.

    One beyond the type's end when none is.
    """
    op, triples = _parameters(node)
    m, b, s = triples[channel]
    # round(p / 2^s) >= level is p >= level * 2^s for floor, and p > or >= level * 2^s - half for the others.
    lo, hi = (type_.lo, type_.hi + 1) if m > 0 else (-type_.hi, -type_.lo + 1)
    step = 1 if m > 0 else -1
    while lo < hi:
        middle = (lo + hi) // 2
        if rounded(step * middle * m + b, s, op.rounding) >= level:
            hi = middle
        else:
            lo = middle + 1
    return step * lo


def rounded(product: int, shift: int, mode: str) -> int:
    """round(product / 2^shift) in Python's unbounded integers."""
    quotient, rest = divmod(product, 1 << shift)
    if mode == "floor" or not shift or 2 * rest < 1 << shift:
        return quotient
    if 2 * rest > 1 << shift or mode == "half_up":
        return quotient + 1
    return quotient + (quotient & 1 if mode == "half_even" else product >= 0)


def _ties(graph: Graph, node: Node) -> Covergroup:
    """For each channel one tie of either sign and of an even and an odd quotient, each with its two neighbours."""
    op, triples = _parameters(node)
    type_ = graph.values[node.inputs[0]].type
    points = np.zeros((len(triples), 4, 3), dtype=np.int64)
    dead = np.ones((len(triples), 4), dtype=bool)
    for c, (m, b, s) in enumerate(triples):
        for kind in range(4):
            z = _tie(op, type_, (m, b, s), negative=kind >= 2, odd=kind % 2 == 1)
            if z is not None:
                points[c, kind] = z + np.array([-1, 0, 1])
                dead[c, kind] = False
    flat = points.reshape(-1)
    words = ("positive, even below", "positive, odd below", "negative, even below", "negative, odd below")
    axes = (Axis("channel"), Axis("tie", words), Axis("z", NEIGHBOURS))
    sentence = "z with a product exactly half-way between two results (floor: exactly on one), and its two neighbours"
    coordinates = grid(len(triples), 4, 3)
    group = intervals(node.name, "rounding ties", sentence, axes, coordinates, node.inputs[0], (flat, flat.copy()))
    none = np.repeat(dead.reshape(-1), 3)
    group.lo[none], group.hi[none] = 1, 0
    group.exclude(none, "no z of the input's type gives such a product")
    return group


def _tie(op: Requant, type_: IntType, mbs: tuple[int, int, int], *, negative: bool, odd: bool) -> int | None:
    """The z nearest to 0 with z * m + b = (2 q + 1) * 2^(s - 1), q of this sign and parity and in lo - 1..hi.

    To floor, z * m + b = q * 2^s is the place where the result turns.
    """
    m, b, s = mbs
    if s < 1 or not m:
        return None
    modulus = 1 << (s + 1)
    wanted = (0 if op.rounding is RoundMode.FLOOR else 1 << (s - 1)) + (odd << s)
    # z * m = wanted - b modulo 2^(s + 1)
    common = math.gcd(m, modulus)
    if (wanted - b) % common:
        return None
    period = modulus // common
    z = (wanted - b) // common * pow(m // common, -1, period) % period if period > 1 else 0
    # products in [low, high], quotients q = floor(product / 2^s) in [lo - 1, hi]
    low, high = max((op.lo - 1) << s, -(2**63)), min(((op.hi + 1) << s) - 1, 2**63)
    low, high = (low, min(high, -1)) if negative else (max(low, 0), high)
    first, last = (low - b, high - b) if m > 0 else (b - high, b - low)
    size = abs(m)
    least, most = max(-(-first // size), type_.lo), min(last // size, type_.hi)
    return _nearest_to_zero(z, period, least, most)


def _nearest_to_zero(residue: int, period: int, lo: int, hi: int) -> int | None:
    """The number congruent to `residue` in lo..hi that is nearest to 0."""
    first = lo + (residue - lo) % period
    if first > hi:
        return None
    last = hi - (hi - residue) % period
    above = residue % period
    return min((z for z in (first, last, above, above - period) if lo <= z <= hi), key=abs)

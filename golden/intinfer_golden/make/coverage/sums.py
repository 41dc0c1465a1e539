"""Accumulators of convolution and dense: at their ends, around 0, and what happens when they overflow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from intinfer.accumulator import Overflow
from intinfer.graph import Graph, Node
from intinfer.types import IntArray

from .forms import Prover, overflows
from .group import Axis, Covergroup, Values, grid, intervals
from .mac import Mac
from .saturation import covergroup as saturating


def covergroups(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    """Ends and neighbourhood of 0; of an accumulator that may overflow, what its rule does."""
    mac = Mac.of(graph, node)
    rule = overflows(graph, node.name)
    groups = [_ends(mac, prover, rule), _around_zero(mac, rule)]
    if rule is Overflow.WRAP:
        groups.append(_wrapping(mac))
    if rule is Overflow.SATURATE:
        groups.append(saturating(mac))
    return groups


def _exact(mac: Mac, rule: Overflow | None) -> Callable[[Values], IntArray] | None:
    return None if rule is None else mac.exact


def _ends(mac: Mac, prover: Prover, rule: Overflow | None) -> Covergroup:
    name, channels = mac.node.name, mac.node.output.shape[0]
    forms = prover.forms(name, rule is not None)
    ends = np.array([forms.ends(name, c) for c in range(channels)], dtype=np.int64)
    if rule is Overflow.TRAP:
        ends = ends.clip(mac.accumulator.type.lo, mac.accumulator.type.hi)
    points = ends.reshape(-1)
    sentence = "the accumulator reaches the lowest and the highest sum that its inputs can make"
    axes = (Axis("channel"), Axis("end", ("lowest", "highest")))
    return intervals(
        name, "accumulator ends", sentence, axes, grid(channels, 2), name, (points, points), _exact(mac, rule)
    )


def _around_zero(mac: Mac, rule: Overflow | None) -> Covergroup:
    name, channels = mac.node.name, mac.node.output.shape[0]
    points = np.tile(np.array([-1, 0, 1], dtype=np.int64), channels)
    sentence = "the accumulator holds -1, 0 and 1: the borrow into the sign, and its absence"
    axes = (Axis("channel"), Axis("sum", ("-1", "0", "1")))
    return intervals(name, "around zero", sentence, axes, grid(channels, 3), name, (points, points), _exact(mac, rule))


def _wrapping(mac: Mac) -> Covergroup:
    name, channels, type_ = mac.node.name, mac.node.output.shape[0], mac.accumulator.type
    points = np.tile(np.array([type_.lo - 1, type_.lo, type_.hi, type_.hi + 1], dtype=np.int64), channels)
    sentence = "the exact sum stands on either side of both ends of the accumulator: it wraps, and it does not yet"
    axes = (Axis("channel"), Axis("sum", ("below the lowest", "the lowest", "the highest", "above the highest")))
    return intervals(name, "wrap", sentence, axes, grid(channels, 4), name, (points, points), mac.exact)

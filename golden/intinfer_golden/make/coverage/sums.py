"""Accumulators of convolution and dense: at their ends, around 0, and what happens when they overflow."""

from __future__ import annotations

import numpy as np

from intinfer.accumulator import Overflow
from intinfer.graph import Graph, Node
from intinfer.types import IntArray

from .forms import Prover, overflows
from .group import Axis, Covergroup, Intervals
from .mac import Mac
from .saturation import covergroup as saturating


def covergroups(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    """Ends and neighbourhood of 0; of an accumulator that may overflow, what its rule does."""
    mac, rule = Mac.of(graph, node), overflows(graph, node.name)
    type_, channels = mac.accumulator.type, range(node.output.shape[0])

    def group(kind: str, sentence: str, axis: Axis, points: IntArray) -> Covergroup:
        """A bin for each of the points, of each channel or of all channels."""
        lo = np.broadcast_to(points, (len(channels), axis.extent))
        axes = (Axis("channel", len(channels)), axis)
        exact = None if rule is None else mac.exact
        return Intervals(node.name, kind, sentence, axes, value=node.name, lo=lo, exact=exact)

    forms = prover.forms(node.name, rule is not None)
    ends = np.array([forms.ends(node.name, c) for c in channels], dtype=np.int64)
    if rule is Overflow.TRAP:
        ends = ends.clip(type_.lo, type_.hi)
    sentence = "the accumulator reaches the lowest and the highest sum that its inputs can make"
    groups = [group("accumulator ends", sentence, Axis("end", ("lowest", "highest")), ends)]
    sentence = "the accumulator holds -1, 0 and 1: the borrow into the sign, and its absence"
    groups.append(group("around zero", sentence, Axis("sum", ("-1", "0", "1")), np.array([-1, 0, 1])))
    if rule is Overflow.WRAP:
        sentence = "the exact sum stands on either side of both ends of the accumulator: it wraps, and it does not yet"
        axis = Axis("sum", ("below the lowest", "the lowest", "the highest", "above the highest"))
        groups.append(group("wrap", sentence, axis, np.array([type_.lo - 1, type_.lo, type_.hi, type_.hi + 1])))
    if rule is Overflow.SATURATE:
        groups.append(saturating(mac))
    return groups

"""Which covergroups an op has: kind -> function. Every op is listed."""

from __future__ import annotations

from collections.abc import Callable

from intinfer.graph import Graph, Node

from . import elementwise, pooling, requant, routing, select, sums, taps, threshold
from .forms import Prover
from .group import Covergroup

Covergroups = Callable[[Graph, Node, Prover], list[Covergroup]]


def mac(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    """Of a convolution or dense layer: its accumulators, then its inputs."""
    return [*sums.covergroups(graph, node, prover), *taps.covergroups(graph, node)]


COVERGROUPS: dict[str, Covergroups] = {
    "conv2d": mac,
    "dense": mac,
    "threshold": threshold.covergroups,
    "requant": requant.covergroups,
    "bitshift": elementwise.bitshift,
    "add": elementwise.add,
    "affine": elementwise.affine,
    "table": elementwise.table,
    "clamp": elementwise.clamp,
    "abs": elementwise.absolute,
    "tgap": select.tgap,
    "mux": select.mux,
    "argmax": select.argmax,
    "max_pool": pooling.max_pool,
    "sum_pool": pooling.sum_pool,
    "concat": routing.covergroups,
    "channel_select": routing.covergroups,
    "flatten": routing.covergroups,
    "gather": routing.gather,
}

"""Which node of the graph is which tensor of the source, and whether the two belong together at all."""

from __future__ import annotations

from intinfer.errors import DataError
from intinfer.graph import Graph

from ..floatnet import (
    AveragePool,
    Concatenate,
    Conv,
    Dense,
    FlattenMap,
    FloatNet,
    FloatNode,
    GlobalAverage,
    MaximumPool,
    Multiplex,
    Pointwise,
    SelectChannels,
    Sum,
)

QUANTISERS = ("threshold", "requant", "table")
_AS_THEIR_INPUTS = (Conv, Dense, Multiplex, Sum, Concatenate, SelectChannels, MaximumPool, FlattenMap)
MAX_LISTED = 3


def integral_nodes(net: FloatNet) -> set[str]:
    """Float nodes whose real values are the graph's integers themselves: scale 1, offset 0, nothing pending.

    Batch norm, means and everything behind them up to the next quantiser are not.
    """
    found: set[str] = set()
    for node in net.nodes:
        op = node.op
        own = not isinstance(op, _AS_THEIR_INPUTS) or all(name in found for name in node.inputs)
        if isinstance(op, Conv | Dense):
            own = own and all(scale == 1 for scale in op.weight.scale) and not any(op.bias or ())
        if own and not isinstance(op, Pointwise | AveragePool | GlobalAverage):
            found.add(node.name)
    return found


def pair_nodes(ours: Graph, net: FloatNet) -> dict[str, FloatNode]:
    """Graph node -> float node of the same integers. `ours` is the graph that lowering `net` gives."""
    floats = {node.name: node for node in net.nodes}
    integral = integral_nodes(net)
    pairs = {}
    for node in ours.nodes:
        name = node.source[-1] if node.op.kind in QUANTISERS and node.source else node.name
        if name in integral:
            pairs[node.name] = floats[name]
    return pairs


def need_same_nodes(graph: Graph, ours: Graph) -> None:
    """Raise DataError unless `graph` has the nodes, shapes, inputs and outputs of a conversion of the source."""
    problems = []
    theirs, mine = graph.values, ours.values
    problems += [f"{name!r} is not in the source" for name in theirs if name not in mine]
    problems += [f"{name!r} of the source is not in the model" for name in mine if name not in theirs]
    problems += [
        f"{name!r} has shape {theirs[name].shape}, the source {mine[name].shape}"
        for name in theirs
        if name in mine and theirs[name].shape != mine[name].shape
    ]
    if {value.name for value in graph.inputs} != {value.name for value in ours.inputs}:
        problems.append("the inputs differ")
    if [(out.name, out.value) for out in graph.outputs] != [(out.name, out.value) for out in ours.outputs]:
        problems.append("the outputs differ")
    if problems:
        more = f" and {len(problems) - MAX_LISTED} more" if len(problems) > MAX_LISTED else ""
        raise DataError(
            f"the model was not made from this source: node {'; '.join(problems[:MAX_LISTED])}{more}; give the "
            "checkpoint, and --net, that it was converted from"
        )

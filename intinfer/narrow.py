"""Other accumulators in a network that exists: what would these bits become in a narrower design?"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from .accumulator import Accumulator, Overflow
from .builder import GraphBuilder
from .errors import GraphError
from .graph import Graph, GraphLike, Node, Value, graph_of
from .ops import Conv2d, Dense, Op, Table, Threshold
from .ops.mac import sum_range
from .tensor import IntTensor
from .types import IntType


def narrow(graph: GraphLike, rule: Accumulator, nodes: str = "*") -> Graph:
    """The network with the accumulator `rule` in its conv2d and dense nodes; all else computes what it did.

    Every node is added anew, so each type rule runs on the new ranges. Constants are adapted where these ask for it,
    without changing what comes out for any integer that can come in:

    - thresholds stay the comparisons with a number that they are: one above the new range becomes hi + 1, which no
      value crosses, one below it lo, which every value does (descending: hi, which every value crosses, and lo - 1);
    - a table loses the entries that are no longer reached;
    - an accumulator that `nodes` leaves out and that is proven grows to what its new input needs.

    Args:
        rule: the accumulator of the nodes chosen.
        nodes: a pattern of node names, as a shell's: "*", "s1.*", "*.gc1".

    Raises:
        GraphError: no node matches; a node's type rule refuses its new input or `rule` (proven accumulators that are
            too narrow), a table has no entry for a value that may come; or an accumulator that already is not proven
            would get wider: its thresholds may have been clipped to its width, so begin with the network it was made
            from.
    """
    graph = graph_of(graph)
    chosen = {node.name for node in _accumulating(graph) if fnmatchcase(node.name, nodes)}
    if not chosen:
        near = ", ".join(node.name for node in _accumulating(graph)[:5]) or "there are none at all"
        raise GraphError(f"no conv2d or dense node matches {nodes!r}; such nodes are: {near}")
    builder = GraphBuilder()
    values = {value.name: builder.input(value.name, value.shape, value.type) for value in graph.inputs}
    for node in graph.nodes:
        inputs = [values[name] for name in node.inputs]
        op = _adapted(node, graph.values[node.inputs[0]].type, inputs[0], rule if node.name in chosen else None)
        values[node.name] = builder.add(op, *inputs, name=node.name, source=node.source)
    for out in graph.outputs:
        builder.output(out.name, values[out.value], out.scale, out.offset)
    note = "; ".join(filter(None, [graph.provenance.get("accumulators"), f"{rule} in {nodes}"]))
    return builder.finish(graph.image, graph.classes, {**graph.provenance, "accumulators": note})


def _accumulating(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if isinstance(node.op, Conv2d | Dense)]


def _adapted(node: Node, before: IntType, x: Value, rule: Accumulator | None) -> Op:
    """The op on its new input `x`, whose type was `before`."""
    op = node.op
    if isinstance(op, Conv2d | Dense):
        return replace(op, accumulator=_grown(op, x) if rule is None else _checked(node, op.accumulator, rule))
    if isinstance(op, Threshold):
        return _clipped(op, x.type)
    if isinstance(op, Table):
        return _cut(node, op, before, x.type)
    return op


def _checked(node: Node, before: Accumulator, rule: Accumulator) -> Accumulator:
    if before.overflow is not Overflow.PROVE and rule.bits > before.bits:
        raise GraphError(
            f"node {node.name!r}: its accumulator is {before.bits} bits, {before.overflow}, and cannot become one of "
            f"{rule.bits}: thresholds behind it may be clipped to its width; begin with the network it was made from"
        )
    return rule


def _grown(op: Conv2d | Dense, x: Value) -> Accumulator:
    """The accumulator as it is, unless it is proven and its new input needs more."""
    if op.accumulator.overflow is not Overflow.PROVE:
        return op.accumulator
    needed = Accumulator.proving(sum_range(op.weight.values.reshape(op.weight.shape[0], -1), x.type))
    return max(op.accumulator, needed, key=lambda accumulator: accumulator.bits)


def _clipped(op: Threshold, type_: IntType) -> Threshold:
    down = op.descending.values[:, None] == 1
    lo, hi = np.where(down, type_.lo - 1, type_.lo), np.where(down, type_.hi, type_.hi + 1)
    values = np.clip(op.thresholds.values, lo, hi)
    if np.array_equal(values, op.thresholds.values):
        return op
    return replace(op, thresholds=IntTensor(values))


def _cut(node: Node, op: Table, before: IntType, type_: IntType) -> Table:
    if not before.contains(type_):
        raise GraphError(
            f"node {node.name!r} (table): its input may become {type_} and it has entries for {before}; leave the "
            "accumulators before it as they are"
        )
    entries: Any = op.entries.values[:, type_.lo - before.lo : type_.hi - before.lo + 1]
    return replace(op, entries=IntTensor(entries, op.entries.encoding), start=type_.lo)

"""Other accumulators in a network that exists: what would these bits become in a narrower design?"""

from __future__ import annotations

from fnmatch import fnmatchcase

from .accumulator import Accumulator, Overflow
from .errors import GraphError
from .graph import Graph, GraphLike, Node, Value, graph_of
from .ops import Op
from .ops.mac import Accumulating
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
    note = "; ".join(filter(None, [graph.provenance.get("accumulators"), f"{rule} in {nodes}"]))

    def op_of(node: Node, inputs: tuple[Value, ...]) -> Op:
        before = graph.values[node.inputs[0]].type
        return _adapted(node, before, inputs[0], rule if node.name in chosen else None)

    return graph.with_ops(op_of, {"accumulators": note})


def _accumulating(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if isinstance(node.op, Accumulating)]


def _adapted(node: Node, before: IntType, x: Value, rule: Accumulator | None) -> Op:
    """The op on its new input `x`, whose type was `before`."""
    if rule is not None and isinstance(node.op, Accumulating):
        declared = node.op.accumulator
        if declared.overflow is not Overflow.PROVE and rule.bits > declared.bits:
            raise GraphError(
                f"node {node.name!r}: its accumulator is {declared.bits} bits, {declared.overflow}, and cannot become "
                f"one of {rule.bits}: thresholds behind it may be clipped to its width; begin with the network it was "
                "made from"
            )
        return node.op.accumulating(rule)
    try:
        return node.op.adapted(x, before)
    except GraphError as error:
        raise GraphError(
            f"node {node.name!r} ({node.op.kind}): {error}; leave the accumulators before it as they are"
        ) from None

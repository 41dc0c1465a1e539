"""Small graphs cut out of a network, so that a node, a chain or a block is checked on its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from intinfer.accumulator import Overflow
from intinfer.builder import GraphBuilder
from intinfer.errors import DataError
from intinfer.graph import Graph, GraphLike, Node, graph_of
from intinfer.inputs import Arrays
from intinfer.model import Model
from intinfer.ops.base import Elementwise
from intinfer.ops.mac import Accumulating
from intinfer.tensor import IntTensor
from intinfer.types import IntArray


@dataclass(frozen=True)
class Region:
    """Some nodes of a network as a graph of their own.

    Attributes:
        name: a chain or node is named after the node that gives its result.
        graph: reads what the nodes read from outside, and gives what is read outside or is a result of the network.
        nodes: their names in graph order.
    """

    name: str
    graph: Graph
    nodes: tuple[str, ...]

    def run(self, inputs: Arrays) -> dict[str, IntArray]:
        """What the region gives for some inputs, by node name, from the reference.

        Args:
            inputs: integers (N, *shape), or (*shape) of one frame, of the only input, or {input name: such integers}.

        Returns: int64, with a batch axis where the inputs have one.

        Raises:
            DataError: wrong names, shapes or dtypes.
            RangeError: a value outside its input's type, or a `trap` accumulator that left its range.
        """
        results = Model(self.graph).run(inputs, engine="reference")
        return results if isinstance(results, dict) else {self.graph.outputs[0].name: results}


def isolate(graph: GraphLike, nodes: Collection[str], name: str | None = None) -> Region:
    """The region of some nodes, named after the last of them unless `name` is given.

    Its inputs are the values that the nodes read from outside, with their names and types, in graph order; its
    outputs the values of the nodes that others read, that are outputs of the network or that nobody reads, named
    after the values. Nodes keep their names, sources and types.

    Raises DataError for no nodes, or a name that no node has.
    """
    graph = graph_of(graph)
    if not nodes:
        raise DataError("no nodes are asked for; a region needs at least one")
    check_names(graph, nodes)
    chosen = [graph.node_by_name[node] for node in sorted(set(nodes), key=graph.place.__getitem__)]
    made = {node.name for node in chosen}
    outside = {x for node in chosen for x in node.inputs} - made
    builder = GraphBuilder()
    read = (graph.values[x] for x in sorted(outside, key=graph.place.__getitem__))
    values = {x.name: builder.input(x.name, x.shape, x.type) for x in read}
    for node in chosen:
        operands = [values[x] for x in node.inputs]
        values[node.name] = builder.add(node.op, *operands, name=node.name, source=node.source)
    results = {out.value: out for out in reversed(graph.outputs)}
    readers = graph.readers
    for node in chosen:
        if node.name in results:
            builder.output(node.name, values[node.name], results[node.name].scale, results[node.name].offset)
        elif not readers[node.name] or any(reader.name not in made for reader in readers[node.name]):
            builder.output(node.name, values[node.name])
    image = graph.image if outside == {graph.inputs[0].name} else None
    return Region(name or chosen[-1].name, builder.finish(image), tuple(node.name for node in chosen))


def each_node(graph: GraphLike, nodes: Collection[str] | None = None) -> list[Region]:
    """One region a node, in graph order; of the `nodes` named, or of all. Errors as `isolate`."""
    graph = graph_of(graph)
    check_choice(graph, nodes)
    return [isolate(graph, [node.name]) for node in graph.nodes if nodes is None or node.name in nodes]


def each_chain(graph: GraphLike, nodes: Collection[str] | None = None) -> list[Region]:
    """The network cut into chains, in graph order of their last nodes; only those that hold one of `nodes`, if given.

    A chain is as many linear nodes as follow one another, convolutions, dense layers and affine maps with exact
    sums, each read by nobody but the next, with the threshold, requant or table at the end that alone reads the
    last. A node that is in no such chain is a region alone. Errors as `isolate`.
    """
    graph = graph_of(graph)
    check_choice(graph, nodes)
    return [isolate(graph, chain) for chain in _chains(graph) if nodes is None or any(node in nodes for node in chain)]


def check_names(graph: Graph, nodes: Collection[str]) -> None:
    """Raise DataError for a name that no node of the graph has."""
    for name in nodes:
        if name not in graph.node_by_name:
            raise DataError(f"the model has no node {name!r}; close names: {graph.close_names(name)}")


def check_choice(graph: Graph, nodes: Collection[str] | None) -> None:
    """Raise DataError for no nodes, where None stands for all, and for a name that no node has."""
    if nodes is not None and not nodes:
        raise DataError("no nodes are asked for; name some, or leave the choice out for all")
    check_names(graph, nodes or ())


def _chains(graph: Graph) -> Iterator[list[str]]:
    """Every node in exactly one chain."""
    results = {out.value for out in graph.outputs}
    open_: dict[str, list[str]] = {}
    for node in graph.nodes:
        follows, readers = _follows(node), graph.readers[node.name]
        chain = [*(open_.pop(node.inputs[0], []) if follows else []), node.name]
        goes_on = follows and node.op.linear and node.name not in results
        if goes_on and len(readers) == 1 and _follows(readers[0]):
            open_[node.name] = chain
        else:
            yield chain


def _follows(node: Node) -> bool:
    """Whether a node may stand behind a linear one in a chain, and, if it is linear itself, before another one.

    An accumulator is when its sums are exact, another op when it has constants by channel and works element by element.
    """
    if isinstance(node.op, Accumulating):
        return node.op.accumulator.overflow in (Overflow.PROVE, Overflow.TRAP)
    return isinstance(node.op, Elementwise) and any(isinstance(value, IntTensor) for value in vars(node.op).values())

"""`explain`: the element, what the definition of its op makes of its inputs, and that it is what the reference says."""

from __future__ import annotations

from dataclasses import dataclass

from intinfer import reference
from intinfer.errors import DataError, IntinferError
from intinfer.graph import Graph, GraphLike, Node, graph_of
from intinfer.inputs import Arrays
from intinfer.types import IntArray

from ...ops import facts_of
from ...ops.steps import Element, Operand, Place, Steps


@dataclass(frozen=True)
class Explanation:
    """One element of a node.

    Attributes:
        at: (c, y, x) or (c,).
        inputs: explanations of what it is made of, to the depth asked for.
    """

    node: str
    op: str
    source: tuple[str, ...]
    at: Place
    steps: Steps
    inputs: tuple[Explanation, ...] = ()

    @property
    def value(self) -> int:
        return self.steps.result


def explain(graph: GraphLike, image: Arrays, node: str, at: Place, depth: int = 0) -> Explanation:
    """How one element of a node comes about.

    The steps are computed from the op's definition in Python integers, and compared with the reference's value.

    Args:
        image: one image (1, C, H, W), or {input name: array (1, *shape)}.
        at: (c, y, x) of a map, (c,) of a vector.
        depth: how many nodes further back to explain what the element is made of. It ends at sums: at convolutions,
            dense layers, TGAP and sum pools.

    Raises:
        GraphError: the graph has no such node, or the image does not fit its inputs.
        DataError: `at` is outside the node's shape.
        RangeError: a value outside its input's type, or a `trap` accumulator before or at the node left its range.
        IntinferError: the steps and the reference differ, which is a bug.
    """
    graph = graph_of(graph)
    chosen = graph.node(node)
    _check_place(chosen, at)
    values = reference.trace(graph.up_to(chosen.name), image)
    if any(len(array) != 1 for array in values.values()):
        raise DataError("an explanation is of one image; give a batch of 1")
    return _explained(graph, {name: array[0] for name, array in values.items()}, Element(node, at, 0), depth)


def _check_place(node: Node, at: Place) -> None:
    shape = node.output.shape
    letters = "cyx"[: len(shape)]
    if len(at) != len(shape):
        raise DataError(
            f"node {node.name!r} has shape {shape}: an element is at {','.join(letters)}, not at "
            f"{','.join(map(str, at))}"
        )
    for letter, extent, i in zip(letters, shape, at, strict=True):
        if not 0 <= i < extent:
            raise DataError(f"node {node.name!r} has shape {shape}: {letter}={i} is outside 0..{extent - 1}")


def _explained(graph: Graph, values: dict[str, IntArray], element: Element, depth: int) -> Explanation:
    node = graph.node_by_name[element.value]
    operands = [Operand(name, values[name]) for name in node.inputs]
    steps = facts_of(graph, node).explain(element.at, *operands)
    wanted = int(values[node.name][element.at])
    if steps.result != wanted:
        raise IntinferError(
            f"node {node.name!r} ({node.op.kind}) at {element.at}: the explanation gives {steps.result} and the "
            f"reference {wanted}; please report this bug of intinfer with the model"
        )
    inputs = tuple(
        _explained(graph, values, part, depth - 1)
        for part in dict.fromkeys(steps.made_of)
        if depth > 0 and part.value in graph.node_by_name
    )
    return Explanation(node.name, node.op.kind, node.source, element.at, steps, inputs)

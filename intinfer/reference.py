"""The oracle: run a graph op by op with `op.reference`, in int64, every intermediate kept on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from .errors import GraphError, RangeError
from .graph import Graph, GraphLike, Shape, graph_of
from .types import IntArray

Arrays = npt.NDArray[np.integer] | Mapping[str, npt.NDArray[np.integer]]


def run(graph: GraphLike, inputs: Arrays) -> dict[str, IntArray]:
    """Outputs by output name, each int64 (N, *shape).

    Args:
        inputs: an integer array (N, *shape) of the only input, or a mapping input name -> array; values inside
            the inputs' types.

    Raises:
        GraphError: wrong names or shapes, or an array that is not made of integers.
        RangeError: a value outside its input's type, or a `trap` accumulator that left its range.
    """
    graph = graph_of(graph)
    kept = {out.value for out in graph.outputs}
    values = dict(_steps(graph, inputs, kept))
    return {out.name: values[out.value] for out in graph.outputs}


def trace(graph: GraphLike, inputs: Arrays) -> dict[str, IntArray]:
    """Every value of the graph by name, inputs included, each int64 (N, *shape). Errors as `run`."""
    graph = graph_of(graph)
    return dict(_steps(graph, inputs, set(graph.values)))


def _steps(graph: Graph, inputs: Arrays, kept: set[str]) -> Iterator[tuple[str, IntArray]]:
    """Yield the kept values; each intermediate is dropped after its last reader."""
    live = checked_inputs(graph, inputs)
    yield from ((name, array) for name, array in live.items() if name in kept)
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    for i, node in enumerate(graph.nodes):
        try:
            result = node.op.reference(*(live[name] for name in node.inputs))
            node.output.type.check(result, "result")
        except RangeError as error:
            raise RangeError(f"node {node.name!r} ({node.op.kind}): {error}") from None
        live[node.name] = result
        if node.name in kept:
            yield node.name, result
        for name in {*node.inputs, node.name}:
            if last_use.get(name, -1) <= i:
                del live[name]


def batched(shape: Shape) -> str:
    """
    >>> batched((3, 8, 8))
    '(N, 3, 8, 8)'
    """
    return f"(N, {', '.join(map(str, shape))})"


def checked_inputs(graph: Graph, inputs: Arrays) -> dict[str, IntArray]:
    arrays = inputs if isinstance(inputs, Mapping) else {graph.inputs[0].name: inputs}
    wanted = {value.name for value in graph.inputs}
    if set(arrays) != wanted:
        raise GraphError(f"inputs {sorted(arrays)} given, {sorted(wanted)} needed")
    checked: dict[str, IntArray] = {}
    for value in graph.inputs:
        array = np.asarray(arrays[value.name])
        if array.dtype.kind not in "iu":
            raise GraphError(f"input {value.name!r} has dtype {array.dtype}; integers are needed")
        if array.shape[1:] != value.shape or array.ndim != len(value.shape) + 1:
            raise GraphError(f"input {value.name!r} has shape {array.shape}, {batched(value.shape)} is needed")
        value.type.check(array, f"input {value.name!r}")
        checked[value.name] = array.astype(np.int64)
    if len({array.shape[0] for array in checked.values()}) != 1:
        raise GraphError("inputs differ in the number of images")
    return checked

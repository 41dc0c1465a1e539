"""The oracle: run a graph op by op with `op.reference`, in int64, every intermediate kept on request."""

from __future__ import annotations

from collections.abc import Iterator

from .errors import RangeError
from .graph import Graph, GraphLike, graph_of, unread_after
from .inputs import Arrays, Batch
from .types import IntArray


def run(graph: GraphLike, images: Arrays | Batch) -> dict[str, IntArray]:
    """Outputs by output name, each int64 (N, *shape).

    Args:
        images: an integer array (N, *shape) of the only input, or a mapping input name -> array; values inside
            the inputs' types. A `Batch` has been checked.

    Raises:
        DataError: wrong names, shapes or dtypes.
        RangeError: a value outside its input's type, or a `trap` accumulator that left its range.
    """
    graph = graph_of(graph)
    kept = {out.value for out in graph.outputs}
    values = dict(_steps(graph, images, kept))
    return {out.name: values[out.value] for out in graph.outputs}


def trace(graph: GraphLike, images: Arrays | Batch) -> dict[str, IntArray]:
    """Every value of the graph by name, inputs included, each int64 (N, *shape). Errors as `run`."""
    graph = graph_of(graph)
    return dict(_steps(graph, images, set(graph.values)))


def _steps(graph: Graph, images: Arrays | Batch, kept: set[str]) -> Iterator[tuple[str, IntArray]]:
    """Yield the kept values; each intermediate is dropped after its last reader."""
    live = Batch.of(graph, images).int64()
    yield from ((name, array) for name, array in live.items() if name in kept)
    unread = unread_after([(node.inputs, node.name) for node in graph.nodes])
    for node, dropped in zip(graph.nodes, unread, strict=True):
        try:
            result = node.op.reference(*(live[name] for name in node.inputs))
            node.output.type.check(result, "result")
        except RangeError as error:
            raise RangeError(f"node {node.name!r} ({node.op.kind}): {error}") from None
        live[node.name] = result
        if node.name in kept:
            yield node.name, result
        for name in dropped:
            del live[name]

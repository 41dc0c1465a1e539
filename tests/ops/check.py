"""The helpers of every op test: run one op as a graph, and read its refusal."""

from collections.abc import Sequence

import numpy as np
import pytest

from intinfer import reference
from intinfer.builder import GraphBuilder
from intinfer.errors import GraphError
from intinfer.graph import Graph
from intinfer.ops import Op
from intinfer.types import IntType


def op_graph(op: Op, shapes_and_types: Sequence[tuple[tuple[int, ...], IntType]]) -> Graph:
    """The graph y = op(x0, x1, ...)."""
    builder = GraphBuilder()
    values = [builder.input(f"x{i}", shape, type_) for i, (shape, type_) in enumerate(shapes_and_types)]
    builder.output("y", builder.add(op, *values, name="y"))
    return builder.finish()


def check_op(op: Op, inputs: Sequence[tuple[np.ndarray, IntType]], expected: np.ndarray) -> IntType:
    """The reference of `op` on a batch is `expected`, has the inferred shape and lies in the inferred type.

    Args:
        inputs: one (array (N, ...), type) an input.
        expected: (N, ...), the answer of an oracle that shares no code with the op.

    Returns:
        The inferred type.
    """
    arrays = {f"x{i}": np.asarray(array) for i, (array, _) in enumerate(inputs)}
    graph = op_graph(op, [(np.asarray(array).shape[1:], type_) for array, type_ in inputs])
    before = {name: array.copy() for name, array in arrays.items()}
    got, expected = reference.run(graph, arrays)["y"], np.asarray(expected)
    inferred = graph.values["y"]
    assert got.dtype == np.int64
    assert got.shape == (len(got), *inferred.shape) == expected.shape
    wrong = np.argwhere(got != expected)
    assert not wrong.size, (
        f"{op}: {len(wrong)} of {got.size} values differ, the first at {wrong[0]}: "
        f"{got[tuple(wrong[0])]} instead of {expected[tuple(wrong[0])]}"
    )
    assert all(inferred.type.lo <= int(z) <= inferred.type.hi for z in (got.min(), got.max())), (op, inferred.type)
    assert all((arrays[name] == before[name]).all() for name in arrays), f"{op} changed its input"
    return inferred.type


def refusal(op: Op, *shapes_and_types: tuple[tuple[int, ...], IntType]) -> str:
    """The message with which `op` refuses inputs of these shapes and types, without the node's name in front."""
    with pytest.raises(GraphError) as caught:
        op_graph(op, shapes_and_types)
    prefix = f"node 'y' ({op.kind}): "
    assert str(caught.value).startswith(prefix)
    return str(caught.value).removeprefix(prefix)

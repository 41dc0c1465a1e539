"""A batch axis of 1 in front of everything an operator reads and gives: its axes move up by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

ELEMENTWISE = {
    *(
        "Abs",
        "Add",
        "And",
        "Cast",
        "Ceil",
        "Clip",
        "Div",
        "Floor",
        "Greater",
        "GreaterOrEqual",
        "HardSigmoid",
        "Identity",
        "LeakyRelu",
        "Less",
        "LessOrEqual",
        "Max",
        "Min",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "PRelu",
    ),
    *("Relu", "Round", "Sign", "Sub", "Sum", "ThresholdedRelu", "Where"),
}


class NotANetworkError(Exception):
    """The test cannot be had with one image at a time."""


def with_batch_axis(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same computation on arrays (1, *shape). Raises NotANetworkError for operators it does not know how to."""
    moved = onnx.ModelProto()
    moved.CopyFrom(model)
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in model.graph.input}
    for value in (*moved.graph.input, *moved.graph.output):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        info = helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, [1, *dims])
        value.CopyFrom(info)
    for node in moved.graph.node:
        if node.op_type in ELEMENTWISE:
            continue
        if node.op_type not in MOVES or len(model.graph.node) != 1:
            raise NotANetworkError(f"{node.op_type} of this test has no batch axis")
        MOVES[node.op_type](moved.graph, node, ranks.get(node.input[0], 0))
    return moved


def _attribute(node: onnx.NodeProto, name: str):
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), None)


def _set(node: onnx.NodeProto, name: str, value) -> None:
    for attribute in [a for a in node.attribute if a.name == name]:
        node.attribute.remove(attribute)
    node.attribute.append(helper.make_attribute(name, value))


def _constant(graph: onnx.GraphProto, name: str) -> list[int] | None:
    return next((numpy_helper.to_array(t).reshape(-1).tolist() for t in graph.initializer if t.name == name), None)


def _set_constant(graph: onnx.GraphProto, node: onnx.NodeProto, place: int, values: Sequence[int]) -> None:
    while len(node.input) <= place:
        node.input.append("")
    name = node.input[place] or f"{node.op_type}_input_{place}"
    for tensor in [t for t in graph.initializer if t.name == name]:
        graph.initializer.remove(tensor)
    node.input[place] = name
    graph.initializer.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))


def _up(axes: Sequence[int]) -> list[int]:
    return [axis + 1 if axis >= 0 else axis for axis in axes]


def _axis(default: int) -> Callable[[onnx.GraphProto, onnx.NodeProto, int], None]:
    def move(graph: onnx.GraphProto, node: onnx.NodeProto, rank: int) -> None:
        given = _attribute(node, "axis")
        _set(node, "axis", _up([default if given is None else given])[0])

    return move


def _concat(graph: onnx.GraphProto, node: onnx.NodeProto, rank: int) -> None:
    _axis(0)(graph, node, rank)
    for tensor in graph.initializer:
        tensor.dims.insert(0, 1)


def _quantiser(graph: onnx.GraphProto, node: onnx.NodeProto, rank: int) -> None:
    scale = next(tensor for tensor in graph.initializer if tensor.name == node.input[1])
    if int(np.prod(scale.dims)) > 1:
        _axis(1)(graph, node, rank)
    if len(scale.dims) > 1:
        for tensor in graph.initializer:
            if tensor.name in node.input[1:]:
                tensor.dims.insert(0, 1)


def _axes(graph: onnx.GraphProto, node: onnx.NodeProto, rank: int) -> None:
    """Reductions, Squeeze, Unsqueeze: axes as attribute, as second input, or all when there are none."""
    given = _attribute(node, "axes")
    if given is not None:
        _set(node, "axes", _up(given))
        return
    constant = _constant(graph, node.input[1]) if len(node.input) > 1 else None
    if constant is None and len(node.input) > 1 and node.input[1]:
        raise NotANetworkError("its axes are not constant")
    if constant:
        _set_constant(graph, node, 1, _up(constant))
    elif _attribute(node, "noop_with_empty_axes"):
        return
    elif constant is None and node.op_type in ("ReduceMax", "ReduceMin"):
        raise NotANetworkError("it reduces all axes")
    else:
        _set_constant(graph, node, 1, list(range(1, rank + 1)))


def _transpose(graph: onnx.GraphProto, node: onnx.NodeProto, rank: int) -> None:
    given = _attribute(node, "perm")
    _set(node, "perm", [0, *(p + 1 for p in (given or reversed(range(rank))))])


def _shape(graph: onnx.GraphProto, node: onnx.NodeProto, rank: int) -> None:
    """Reshape, Expand, Tile: one more entry in front."""
    values = _constant(graph, node.input[1])
    if _attribute(node, "allowzero") or values is None:
        raise NotANetworkError("its shape is empty or not constant")
    _set_constant(graph, node, 1, [1, *values])


def _slice(graph: onnx.GraphProto, node: onnx.NodeProto, rank: int) -> None:
    starts = _constant(graph, node.input[1])
    axes = _constant(graph, node.input[3]) if len(node.input) > 3 else list(range(len(starts or ())))
    if axes is None:
        raise NotANetworkError("its axes are not constant")
    _set_constant(graph, node, 3, _up(axes))


MOVES = {
    **{kind: _axis(0) for kind in ("ArgMax", "ArgMin", "Gather", "Split")},
    **dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Squeeze", "Unsqueeze"), _axes),
    **dict.fromkeys(("DequantizeLinear", "QuantizeLinear"), _quantiser),
    **dict.fromkeys(("Expand", "Reshape", "Tile"), _shape),
    "Concat": _concat,
    "Slice": _slice,
    "Transpose": _transpose,
}

"""Nodes of which every input is constant: computed by ONNX's own reference, once the size of the result is known."""

from __future__ import annotations

import warnings
from math import prod

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from intinfer.files.foreign import reason as first_line

from ..symbolic import Array, Unsupported
from .call import Call
from .tensors import MAX_ELEMENTS, Constant, constant_of

MAX_SHAPE_DATA = 1024
"""Elements up to which a constant is shown to the shape inference, which reads shapes, repeats and pads."""

BOUNDED = frozenset(
    (
        *("Abs", "Acos", "Add", "And", "ArgMax", "ArgMin", "Asin", "Atan", "BitShift", "BitwiseAnd", "BitwiseNot"),
        *("BitwiseOr", "BitwiseXor", "Cast", "CastLike", "Ceil", "Clip", "Compress", "Concat", "Cos", "CumSum"),
        *("DepthToSpace", "Div", "Equal", "Erf", "Exp", "Flatten", "Floor", "Gather", "GatherElements"),
        *("GatherND", "Gemm", "Greater", "GreaterOrEqual", "HardSigmoid", "Identity", "LeakyRelu", "Less"),
        *("LessOrEqual", "Log", "MatMul", "Max", "Mean", "Min", "Mod", "Mul", "Neg", "NonZero", "Not", "OneHot", "Or"),
        *("Pow", "PRelu", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin"),
        *("ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Round", "ScatterElements"),
        *("ScatterND", "Shape", "Sigmoid", "Sign", "Sin", "Size", "Slice", "Softmax", "Softplus"),
        *("SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "TopK", "Transpose", "Trilu"),
        *("Unsqueeze", "Where", "Xor"),
    )
)
"""Standard ops whose result is no larger than the product of their inputs' sizes."""
GROWING = frozenset(("ConstantOfShape", "Expand", "EyeLike", "Pad", "Range", "Resize", "Tile", "Upsample"))
"""Standard ops whose result has the size that their inputs' values say."""
LAYOUT = frozenset(
    (
        *("Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose"),
        *("Unsqueeze",),
    )
)
"""Ops after which a constant is of the same type, and its integers and scales are still known."""


def folded(call: Call) -> list[Constant]:
    """The results of a node without inputs from the network.

    Raises:
        Unsupported: the op is not evaluated, its result is too large, or ONNX's reference refuses it.
    """
    node = call.node
    if node.op not in BOUNDED | GROWING or node.branches:
        raise Unsupported("it is not evaluated on constants; export the network with its constants folded")
    arrays = [call.optional(place, "input") for place in range(len(call.inputs))]
    results = _evaluated(call, arrays)
    if node.op not in LAYOUT or not call.has(0):
        return [constant_of(result) for result in results]
    first = call.constant(0, "input")
    if first.quantised is None:  # 2- and 4-bit types are held in 8 bits and stay what they are
        return [Constant(result, first.elem_type) for result in results]
    parts = [_evaluated(call, [part, *arrays[1:]]) for part in first.quantised]
    return [Constant(c, first.elem_type, (q, s)) for c, q, s in zip(results, *parts, strict=True)]


def _evaluated(call: Call, arrays: list[Array | None]) -> list[Array]:
    node = call.node
    names = [f"i{place}" if array is not None else "" for place, array in enumerate(arrays)]
    outputs = [f"o{place}" if name else "" for place, name in enumerate(node.outputs)]
    attributes = {
        key: numpy_helper.from_array(value.values, "") if isinstance(value, Constant) else value
        for key, value in node.attributes.items()
        if value is not None and value != ()
    }
    try:
        proto = helper.make_node(node.op, names, outputs, **attributes)
        feeds = {name: array for name, array in zip(names, arrays, strict=True) if array is not None}
        _check_size(call, proto, feeds)
        model = _model(call, proto, feeds)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return [np.asarray(a) for a in ReferenceEvaluator(model).run(None, feeds)]
    except Unsupported:
        raise
    except Exception as error:  # foreign code: what it raises is about this node
        raise Unsupported(f"ONNX's reference cannot compute it on its constants: {first_line(error)}") from None


def _model(call: Call, proto: onnx.NodeProto, feeds: dict[str, Array], shown: int = -1) -> onnx.ModelProto:
    """The node as a model, which holds the inputs of up to `shown` elements itself."""
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds.items()
    ]
    held = [numpy_helper.from_array(np.asarray(a), name) for name, a in feeds.items() if a.size <= shown]
    results = [helper.make_empty_tensor_value_info(name) for name in proto.output if name]
    graph = helper.make_graph([proto], "constants", infos, results, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", call.opset)])


def _check_size(call: Call, proto: onnx.NodeProto, feeds: dict[str, Array]) -> None:
    """Refuse a result of more than MAX_ELEMENTS before it is computed."""
    if call.node.op in BOUNDED and prod(max(1, a.size) for a in feeds.values()) <= MAX_ELEMENTS:
        return
    inferred = shape_inference.infer_shapes(_model(call, proto, feeds, MAX_SHAPE_DATA), data_prop=True)
    for value in inferred.graph.output:
        shape = value.type.tensor_type.shape
        known = value.type.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in shape.dim)
        if not known:
            raise Unsupported("the size of its result is not known beforehand")
        count = prod(d.dim_value for d in shape.dim)
        if count > MAX_ELEMENTS:
            raise Unsupported(f"it gives {count:,} elements; at most {MAX_ELEMENTS:,}")

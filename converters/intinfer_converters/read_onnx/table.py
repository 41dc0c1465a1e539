"""Which function reads which operator: one table a domain. What is in no table is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
from onnx import defs

from ..symbolic import Symbolic, Unsupported
from . import float_ops, layout_ops, pointwise_ops, qdq_ops, qonnx_ops, resize
from .call import Call, Result
from .load import STANDARD, Node
from .tensors import Constant

Rule = Callable[[Call], Result]

ONNX: dict[str, Rule] = {
    "Abs": pointwise_ops.absolute,
    "Add": pointwise_ops.add,
    "And": pointwise_ops.logical(larger=False),
    "ArgMax": float_ops.argmax,
    "ArgMin": float_ops.argmin,
    "AveragePool": float_ops.average_pool,
    "BatchNormalization": float_ops.batch_normalization,
    "Cast": pointwise_ops.cast,
    "CastLike": pointwise_ops.cast_like,
    "Ceil": pointwise_ops.simple("ceil"),
    "Clip": pointwise_ops.clip,
    "Concat": layout_ops.concat,
    "Conv": float_ops.conv,
    "ConvInteger": qdq_ops.conv_integer,
    "ConvTranspose": float_ops.conv_transpose,
    "DepthToSpace": layout_ops.depth_to_space,
    "DequantizeLinear": qdq_ops.dequantize_linear,
    "Div": pointwise_ops.div,
    "Dropout": pointwise_ops.dropout,
    "DynamicQuantizeLinear": qdq_ops.dynamic,
    "Expand": layout_ops.expand,
    "Flatten": layout_ops.flatten,
    "Floor": pointwise_ops.simple("floor"),
    "Gather": layout_ops.gather,
    "Gemm": float_ops.gemm,
    "GlobalAveragePool": float_ops.global_average_pool,
    "GlobalMaxPool": float_ops.global_max_pool,
    "Greater": pointwise_ops.compare("greater"),
    "GreaterOrEqual": pointwise_ops.compare("greater_equal"),
    "HardSigmoid": pointwise_ops.hard_sigmoid,
    "Identity": pointwise_ops.identity,
    "LeakyRelu": pointwise_ops.leaky_relu,
    "Less": pointwise_ops.compare("less"),
    "LessOrEqual": pointwise_ops.compare("less_equal"),
    "LogSoftmax": float_ops.softmax,
    "MatMul": float_ops.matmul,
    "MatMulInteger": qdq_ops.matmul_integer,
    "Max": pointwise_ops.maximum,
    "MaxPool": float_ops.max_pool,
    "Mean": pointwise_ops.mean,
    "Min": pointwise_ops.minimum,
    "Mul": pointwise_ops.mul,
    "Neg": pointwise_ops.negative,
    "Not": pointwise_ops.logical_not,
    "Or": pointwise_ops.logical(larger=True),
    "Pad": layout_ops.pad,
    "PRelu": pointwise_ops.prelu,
    "QLinearConv": qdq_ops.qlinear_conv,
    "QLinearMatMul": qdq_ops.qlinear_matmul,
    "QuantizeLinear": qdq_ops.quantize_linear,
    "ReduceMax": float_ops.reduce_max,
    "ReduceMean": float_ops.reduce_mean,
    "ReduceMin": float_ops.reduce_min,
    "ReduceSum": float_ops.reduce_sum,
    "Relu": pointwise_ops.relu,
    "Reshape": layout_ops.reshape,
    "Resize": resize.resize,
    "Round": pointwise_ops.simple("rint"),
    "Shape": layout_ops.shape_of,
    "Sign": pointwise_ops.simple("sign"),
    "Size": layout_ops.size_of,
    "Slice": layout_ops.slice_,
    "Softmax": float_ops.softmax,
    "SpaceToDepth": layout_ops.space_to_depth,
    "Split": layout_ops.split,
    "Squeeze": layout_ops.squeeze,
    "Sub": pointwise_ops.sub,
    "Sum": pointwise_ops.total,
    "ThresholdedRelu": pointwise_ops.thresholded_relu,
    "Tile": layout_ops.tile,
    "Transpose": layout_ops.transpose,
    "Unsqueeze": layout_ops.unsqueeze,
    "Upsample": resize.upsample,
    "Where": pointwise_ops.where,
}
"""The standard operators, for tensors that depend on the network's input."""

_QUANTISERS = {"signed", "narrow", "rounding_mode"}
QONNX: dict[str, tuple[Rule, set[str]]] = {
    "BipolarQuant": (qonnx_ops.bipolar_quant, set()),
    "IntQuant": (qonnx_ops.quant, _QUANTISERS),
    "MultiThreshold": (qonnx_ops.multi_threshold, {"out_dtype", "out_scale", "out_bias", "data_layout"}),
    "Quant": (qonnx_ops.quant, _QUANTISERS),
    "Trunc": (qonnx_ops.trunc, _QUANTISERS),
}
"""QONNX operators and the attributes that they may have."""

MICROSOFT: dict[str, tuple[Rule, set[str]]] = {
    "DequantizeLinear": (qdq_ops.dequantize_linear, {"axis", "block_size"}),
    "QGemm": (qdq_ops.qgemm, {"alpha", "transA", "transB"}),
    "QLinearAdd": (qdq_ops.qlinear_add, set()),
    "QLinearConcat": (qdq_ops.qlinear_concat, {"axis"}),
    "QLinearGlobalAveragePool": (qdq_ops.qlinear_global_average_pool, {"channels_last"}),
    "QLinearLeakyRelu": (qdq_ops.qlinear_leaky_relu, {"alpha"}),
    "QLinearMul": (qdq_ops.qlinear_mul, set()),
    "QuantizeLinear": (qdq_ops.quantize_linear, {"axis", "block_size"}),
}
"""What ONNX Runtime's quantiser writes, and the attributes."""

CUSTOM: dict[str, dict[str, tuple[Rule, set[str]]]] = {
    "qonnx.custom_op.general": QONNX,
    "onnx.brevitas": QONNX,
    "finn.custom_op.general": QONNX,
    "com.microsoft": MICROSOFT,
}
ON_CONSTANTS = {"QuantizeLinear", "DequantizeLinear", "Shape", "Size", "Quant", "IntQuant", "BipolarQuant", "Trunc"}
"""Ops whose functions take constants too; others on constants alone are folded."""

_CHANNELS_LAST = "qonnx.custom_op.channels_last"
_FIRST = ("Conv", "MaxPool", "BatchNormalization")


def rule_for(node: Node, opset: int) -> Rule:
    """The function that reads a node.

    Raises:
        Unsupported: the operator is in no table, or has an attribute or a number of inputs that its definition lacks.
    """
    if node.domain == "" and node.op in QONNX:  # files older than the domains
        return _checked(node, *QONNX[node.op])
    if node.domain in STANDARD:
        _check_schema(node, opset)
        if node.op not in ONNX:
            raise Unsupported(f"supported are {', '.join(ONNX)}")
        return ONNX[node.op]
    if node.domain == _CHANNELS_LAST:
        if node.op not in _FIRST:
            raise Unsupported(f"of {_CHANNELS_LAST}, {', '.join(_FIRST)} are supported")
        return channels_last
    if node.domain not in CUSTOM:
        raise Unsupported(f"its domain is not known; known are ai.onnx, {_CHANNELS_LAST}, {', '.join(CUSTOM)}")
    known = CUSTOM[node.domain]
    if node.op not in known:
        raise Unsupported(f"of {node.domain}, {', '.join(known)} are supported")
    return _checked(node, *known[node.op])


def _checked(node: Node, rule: Rule, attributes: set[str]) -> Rule:
    unknown = sorted(set(node.attributes) - attributes)
    if unknown:
        raise Unsupported(
            f"its attribute {unknown[0]} is not known; known are {', '.join(sorted(attributes)) or 'none'}"
        )
    return rule


def is_default(node: Node, key: str, opset: int) -> bool:
    """Whether the attribute is the one that a standard operator has without it."""
    if node.domain not in STANDARD:
        return False
    default = defs.get_schema(node.op, opset, "").attributes[key].default_value
    if default.type == onnx.AttributeProto.UNDEFINED:
        return False
    value = onnx.helper.get_attribute_value(default)
    return bool(node.attributes[key] == (value.decode() if isinstance(value, bytes) else value))


def _check_schema(node: Node, opset: int) -> None:
    """The operator exists in this opset, and has such attributes and so many inputs."""
    try:
        schema = defs.get_schema(node.op, opset, "")
    except defs.SchemaError:
        raise Unsupported(f"there is no such operator in opset {opset}") from None
    unknown = sorted(set(node.attributes) - set(schema.attributes))
    if unknown:
        raise Unsupported(f"there is no attribute {unknown[0]} in opset {opset}")
    types = defs.OpSchema.AttrType
    known = {types.INT: int, types.FLOAT: float, types.STRING: str, types.TENSOR: Constant}
    for key, value in node.attributes.items():
        due = schema.attributes[key].type
        if not isinstance(value, known.get(due, object)):
            raise Unsupported(f"its attribute {key} = {value!r} is not of the type that it has in opset {opset}")
    if not schema.min_input <= len(node.inputs) <= schema.max_input:
        raise Unsupported(f"it has {len(node.inputs)} inputs; {schema.min_input} to {schema.max_input} are due")


def channels_last(call: Call) -> Symbolic:
    """A standard layer whose input, result and convolution weights have the channels on the last axis."""
    x, net = call.tensor(), call.net
    inputs = list(call.inputs)
    inputs[0] = net.rearrange(x, lambda index: np.moveaxis(index, -1, 1))
    if call.node.op == "Conv":
        weight = call.constant(1, "weight")
        parts = weight.quantised and (np.moveaxis(weight.quantised[0], -1, 1), np.moveaxis(weight.quantised[1], -1, 1))
        inputs[1] = Constant(np.moveaxis(weight.values, -1, 1), weight.elem_type, parts)
    result = ONNX[call.node.op](replace(call, inputs=tuple(inputs)))
    assert isinstance(result, Symbolic)
    return net.rearrange(result, lambda index: np.moveaxis(index, 1, -1))

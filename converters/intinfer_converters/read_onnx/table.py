"""Which function reads which operator: one table a domain. What is in no table is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
from onnx import defs

from ..symbolic import Symbolic, Unsupported, vocabulary
from ..symbolic.vocabulary import Form, arithmetic, arrangement, reductions
from . import layer_ops, layout_ops, pointwise_ops, qdq_ops, qonnx_ops
from .call import Call, Rule
from .load import STANDARD, OnnxNode
from .refused import REFUSED
from .tensors import Constant

FORMS: dict[Form, Callable[[Callable[..., Symbolic]], Rule]] = {
    "tensor": pointwise_ops.one,
    "operands": pointwise_ops.two,
    "axes": layer_ops.reduced,
    "place": layer_ops.place_of,
}
"""Form of a word of the vocabulary -> what finds its arguments in a node."""
ONNX: dict[str, Rule] = {
    **{name: FORMS[form](meaning) for name, (form, meaning) in vocabulary.ONNX.items()},
    "AveragePool": layer_ops.average_pool,
    "BatchNormalization": layer_ops.batch_normalization,
    "BitShift": pointwise_ops.bit_shift,
    "Cast": pointwise_ops.cast,
    "CastLike": pointwise_ops.cast_like,
    "Clip": pointwise_ops.clip,
    "Concat": layout_ops.concat,
    "Conv": layer_ops.conv,
    "ConvInteger": qdq_ops.conv_integer,
    "DepthToSpace": layout_ops.in_blocks(arrangement.depth_to_space),
    "DequantizeLinear": qdq_ops.dequantize_linear,
    "Div": pointwise_ops.div,
    "Dropout": pointwise_ops.dropout,
    "Expand": layout_ops.expand,
    "Flatten": layout_ops.flatten,
    "Gather": layout_ops.gather,
    "Gemm": layer_ops.gemm,
    "GlobalAveragePool": layer_ops.pooled_over_all(reductions.mean),
    "GlobalMaxPool": layer_ops.pooled_over_all(reductions.max_over),
    "HardSigmoid": pointwise_ops.hard_sigmoid,
    "Identity": pointwise_ops.identity,
    "LeakyRelu": pointwise_ops.leaky_relu,
    "MatMul": layer_ops.matmul,
    "MatMulInteger": qdq_ops.matmul_integer,
    "Max": pointwise_ops.many(arithmetic.maximum, np.maximum),
    "MaxPool": layer_ops.max_pool,
    "Mean": pointwise_ops.mean,
    "Min": pointwise_ops.many(arithmetic.minimum, np.minimum),
    "Pad": layout_ops.pad,
    "PRelu": pointwise_ops.prelu,
    "QLinearConv": qdq_ops.qlinear_conv,
    "QLinearMatMul": qdq_ops.qlinear_matmul,
    "QuantizeLinear": qdq_ops.quantize_linear,
    "Reshape": layout_ops.reshape,
    "Resize": layout_ops.resize,
    "Shape": layout_ops.shape_of,
    "Size": layout_ops.size_of,
    "Slice": layout_ops.slice_,
    "SpaceToDepth": layout_ops.in_blocks(arrangement.space_to_depth),
    "Split": layout_ops.split,
    "Squeeze": layout_ops.squeeze,
    "Sum": pointwise_ops.total,
    "ThresholdedRelu": pointwise_ops.thresholded_relu,
    "Tile": layout_ops.tile,
    "Transpose": layout_ops.transpose,
    "Unsqueeze": layout_ops.unsqueeze,
    "Upsample": layout_ops.upsample,
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


def rule_for(node: OnnxNode, opset: int) -> Rule:
    """The function that reads a node.

    Raises:
        Unsupported: the operator is in no table, or has an attribute or a number of inputs that its definition lacks.
    """
    if node.domain == "" and node.op in QONNX:  # files older than the domains
        return _checked(node, *QONNX[node.op])
    if node.domain in STANDARD:
        _check_schema(node, opset)
        before = next(filter(None, node.inputs), "")
        way_out = f"cut the network before it, with {before!r} as its output (--cut)"
        if node.op in REFUSED:
            raise Unsupported(REFUSED[node.op].format(way_out=way_out))
        if node.op not in ONNX:
            raise Unsupported(f"supported are {', '.join(sorted(ONNX))}; write it with these, or {way_out}")
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


def _checked(node: OnnxNode, rule: Rule, attributes: set[str]) -> Rule:
    unknown = sorted(set(node.attributes) - attributes)
    if unknown:
        raise Unsupported(
            f"its attribute {unknown[0]} is not known; known are {', '.join(sorted(attributes)) or 'none'}"
        )
    return rule


def is_default(node: OnnxNode, key: str, opset: int) -> bool:
    """Whether the attribute is the one that a standard operator has without it."""
    if node.domain not in STANDARD:
        return False
    default = defs.get_schema(node.op, opset, "").attributes[key].default_value
    if default.type == onnx.AttributeProto.UNDEFINED:
        return False
    value = onnx.helper.get_attribute_value(default)
    return bool(node.attributes[key] == (value.decode() if isinstance(value, bytes) else value))


def _check_schema(node: OnnxNode, opset: int) -> None:
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
    inputs = list(call.inputs)
    inputs[0] = arrangement.move_axis(call.tensor(), -1, 1)
    if call.node.op == "Conv":
        inputs[1] = call.constant(1, "weight").changed(lambda values: np.moveaxis(values, -1, 1))
    result = ONNX[call.node.op](replace(call, inputs=tuple(inputs)))
    assert isinstance(result, Symbolic)
    return arrangement.move_axis(result, 1, -1)

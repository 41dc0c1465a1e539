"""The QONNX operators as functions of standard ONNX ops, so that ONNX Runtime runs a QONNX model.

Each is written from the operator's definition (QONNX's operator pages): float arithmetic in the order stated there. The
half-way modes round exactly, on |x| by its floor and fraction: |x| + 0.5 would round up what is just below a half.
One function stands for one operator with one set of attributes, since ONNX functions do not branch on strings. They use
operator set 17 whatever the model's: a node runs as a model of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from intinfer.errors import DataError

DOMAIN = "intinfer.check"
OPSET = 17
"""Of the functions' bodies."""
QONNX_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general", "")
CHANNELS_LAST = "qonnx.custom_op.channels_last"


class Body:
    """Nodes of a function under construction; `name = body("Op", inputs...)`."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []

    def __call__(self, op: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def number(self, value: float, like: str) -> str:
        """A constant of the type of `like`."""
        constant = self("Constant", value=numpy_helper.from_array(np.array(value, dtype=np.float32)))
        return self("CastLike", constant, like)


def rounded(body: Body, mode: str, x: str) -> str:
    """x to an integer by a QONNX rounding mode."""
    name = mode.upper()
    if name in ("ROUND", "HALF_EVEN"):
        return body("Round", x)
    if name in ("CEIL", "FLOOR"):
        return body(name.capitalize(), x)
    size = body("Abs", x)
    whole = body("Floor", size)
    rest = body("Sub", size, whole)
    half = body.number(0.5, x)
    if name == "UP":
        away = body("Ceil", size)
    elif name in ("DOWN", "ROUND_TO_ZERO"):
        away = whole
    elif name in ("HALF_UP", "HALF_DOWN"):
        above = body("GreaterOrEqual" if name == "HALF_UP" else "Greater", rest, half)
        away = body("Add", whole, body("CastLike", above, x))
    else:
        raise DataError(f"rounding mode {mode!r} is not one of QONNX's")
    return body("Mul", body("Sign", x), away)


def _limits(body: Body, bits: str, signed: int, narrow: int, like: str) -> tuple[str, str]:
    """Least and largest integer of a type of `bits` bits."""
    one, two = body.number(1, like), body.number(2, like)
    width = body("CastLike", bits, like)
    if not signed:
        top = body("Sub", body("Pow", two, width), body.number(2 if narrow else 1, like))
        return body.number(0, like), top
    half = body("Pow", two, body("Sub", width, one))
    low = body("Neg", half)
    return (body("Add", low, one) if narrow else low), body("Sub", half, one)


def _clipped(body: Body, x: str, low: str, high: str) -> str:
    return body("Max", body("Min", x, high), low)


def _bipolar(body: Body, x: str) -> str:
    one = body.number(1, x)
    return body("Where", body("GreaterOrEqual", x, body.number(0, x)), one, body("Neg", one))


def quant(body: Body, attributes: dict[str, Any]) -> None:
    """Quant, IntQuant: x, scale, zero point, bit width. x / scale + zero point, clipped, then rounded."""
    signed, narrow = attributes.get("signed", 1), attributes.get("narrow", 0)
    y = body("Add", body("Div", "x", "scale"), "zero")
    low, high = _limits(body, "bits", signed, narrow, y)
    q = rounded(body, attributes.get("rounding_mode", "ROUND"), _clipped(body, y, low, high))
    if signed:  # one signed bit is -1 or 1
        single = body("Equal", body("CastLike", "bits", y), body.number(1, y))
        q = body("Where", single, _bipolar(body, y), q)
    body("Mul", body("Sub", q, "zero"), "scale", output="y")


def bipolar_quant(body: Body, attributes: dict[str, Any]) -> None:
    """BipolarQuant: x, scale. -1 or 1, times the scale."""
    body("Mul", _bipolar(body, "x"), "scale", output="y")


def trunc_1(body: Body, attributes: dict[str, Any]) -> None:
    """Trunc, version 1: x, scale, zero point, input bits, output bits; the scale stays."""
    y = body("Round", body("Add", body("Div", "x", "scale"), "zero"))
    lost = body("Sub", body("CastLike", "in_bits", y), body("CastLike", "bits", y))
    y = body("Div", y, body("Pow", body.number(2, y), lost))
    y = rounded(body, attributes.get("rounding_mode", "FLOOR"), y)
    body("Mul", body("Sub", y, "zero"), "scale", output="y")


def trunc_2(body: Body, attributes: dict[str, Any]) -> None:
    """Trunc, version 2: x, scale, zero point, input bits, output scale, output bits."""
    y = body("Round", body("Add", body("Div", "x", "scale"), "zero"))
    two = body.number(2, y)
    ratio = body("Div", "out_scale", "scale")
    factor = body("Pow", two, body("Round", body("Div", body("Log", ratio), body("Log", two))))
    low, high = _limits(body, "bits", attributes.get("signed", 1), attributes.get("narrow", 0), y)
    y = rounded(body, attributes.get("rounding_mode", "FLOOR"), _clipped(body, body("Div", y, factor), low, high))
    body("Mul", body("Sub", y, body("Div", "zero", factor)), "out_scale", output="y")


def multithreshold(body: Body, attributes: dict[str, Any]) -> None:
    """MultiThreshold: x, thresholds (C, n) or (1, n). out_scale * (how many T have x >= T) + out_bias.

    Channels are axis 1, or the last where the layout says so and x has four axes.
    """
    last = attributes.get("data_layout", "NCHW") == "NHWC"
    x = body("Transpose", "x", perm=[0, 3, 1, 2]) if last and attributes["rank"] == 4 else "x"
    rank = attributes["rank"]
    columns = body("Transpose", "thresholds", perm=[1, 0])  # (n, C) -> (n, 1, C, 1, ...)
    axes = body("Constant", value_ints=[1, *range(3, rank + 1)])
    columns = body("Unsqueeze", columns, axes)
    reached = body("CastLike", body("GreaterOrEqual", x, columns), x)
    count = body("ReduceSum", reached, body("Constant", value_ints=[0]), keepdims=0)
    y = body("Mul", count, body.number(attributes.get("out_scale", 1.0), "x"))
    y = body("Add", y, body.number(attributes.get("out_bias", 0.0), "x"))
    body("Transpose" if x != "x" else "Identity", y, output="y", **({"perm": [0, 2, 3, 1]} if x != "x" else {}))


Builder = Callable[[Body, dict[str, Any]], None]
QUANT_INPUTS = ("x", "scale", "zero", "bits")
FUNCTIONS: dict[str, dict[int, tuple[Builder, Sequence[str]]]] = {
    "Quant": {4: (quant, QUANT_INPUTS)},
    "IntQuant": {4: (quant, QUANT_INPUTS)},
    "BipolarQuant": {2: (bipolar_quant, ("x", "scale"))},
    "Trunc": {
        5: (trunc_1, ("x", "scale", "zero", "in_bits", "bits")),
        6: (trunc_2, ("x", "scale", "zero", "in_bits", "out_scale", "bits")),
    },
    "MultiThreshold": {2: (multithreshold, ("x", "thresholds"))},
}
"""Operator -> number of inputs -> its function. The versions of Trunc differ in their inputs."""


def is_own(node: onnx.NodeProto) -> bool:
    """Whether a node is defined here: a QONNX quantiser (in old files without a domain), or a channels-last op."""
    return (node.op_type in FUNCTIONS and node.domain in QONNX_DOMAINS) or node.domain == CHANNELS_LAST


def call_of(node: onnx.NodeProto, ranks: Mapping[str, int]) -> tuple[list[onnx.NodeProto], list[onnx.FunctionProto]]:
    """Nodes that compute what `node` does, and the functions they call.

    Args:
        ranks: of the tensors it reads, constants aside.

    Raises:
        DataError: its attributes or inputs are not its operator's.
    """
    if node.domain == CHANNELS_LAST:
        return _channels_last(node, ranks), []
    known = FUNCTIONS[node.op_type].get(len(node.input))
    if known is None:
        raise DataError(
            f"{node.name or node.output[0]} ({node.op_type}): {len(node.input)} inputs are not its operator's"
        )
    build, inputs = known
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    attributes = {key: value.decode() if isinstance(value, bytes) else value for key, value in attributes.items()}
    attributes["rank"] = ranks.get(node.input[0], 4)
    name = "_".join([node.op_type, str(len(inputs)), *(f"{key}_{attributes[key]}" for key in sorted(attributes))])
    body = Body()
    try:
        build(body, attributes)
    except DataError as error:
        raise DataError(f"{node.name or node.output[0]} ({node.op_type}): {error}") from None
    opset = [helper.make_opsetid("", OPSET)]
    function = helper.make_function(DOMAIN, name, list(inputs), ["y"], body.nodes, opset)
    return [helper.make_node(name, node.input, node.output, name=node.name, domain=DOMAIN)], [function]


def _channels_last(node: onnx.NodeProto, ranks: Mapping[str, int]) -> list[onnx.NodeProto]:
    """A standard op between transpositions: axis 1 of its first input, its weights and its output goes to the end."""
    rank = ranks.get(node.input[0], 4)
    first, back = [0, rank - 1, *range(1, rank - 1)], [0, *range(2, rank), 1]
    inner = onnx.NodeProto()
    inner.CopyFrom(node)
    inner.domain = ""
    inner.input[0], inner.output[0] = f"{node.output[0]}.channels_first", f"{node.output[0]}.result"
    before = [helper.make_node("Transpose", [node.input[0]], [inner.input[0]], perm=first)]
    if node.op_type == "Conv":
        inner.input[1] = f"{node.output[0]}.weight"
        before.append(helper.make_node("Transpose", [node.input[1]], [inner.input[1]], perm=first))
    return [
        *before,
        inner,
        helper.make_node("Transpose", [inner.output[0]], [node.output[0]], perm=back),
    ]

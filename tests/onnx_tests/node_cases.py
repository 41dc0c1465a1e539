"""The node tests of the installed onnx package, as networks: which are applicable, and in which forms they are tried.

A node test gives every input of an operator as data; a network has weights, scales and bounds as constants, one
image at a time, integers at its input. A `Form` is the test with these three things settled; nothing else changes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.loader import load_model_tests
from onnx.reference import ReferenceEvaluator

from .node_axes import NotANetworkError, with_batch_axis

Arrays = dict[str, np.ndarray]

MERGES = {
    *("Add", "Sub", "Max", "Min", "Sum", "Concat", "Where", "And", "Or"),
    *("Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
}
"""All inputs are the network's; tried with the first alone when that is refused."""

PER_IMAGE = {"BatchNormalization", "Gemm", "MatMul", "MatMulInteger", "QLinearMatMul", "SpaceToDepth", "Flatten"}
"""The first axis is the batch: run one image at a time."""

ROUNDED_WEIGHTS = {"Conv", "Gemm", "MatMul", "Mul"}
"""Operators whose constants become integers like their data, so that float32 sums are exact in any order."""

QUANTISED = {
    "BatchNormalization",
    "LeakyRelu",
    "PRelu",
    "Relu",
    "Clip",
    "Floor",
    "Ceil",
    "Round",
    "Sign",
    "ThresholdedRelu",
    "HardSigmoid",
}
"""Pointwise on floats: when the plain form is refused, a QuantizeLinear is put behind."""

ONE_INPUT = {
    *("Abs", "ArgMax", "ArgMin", "AveragePool", "Cast", "Conv", "ConvInteger", "DepthToSpace", "DequantizeLinear"),
    *("Div", "Expand", "Gather", "GlobalAveragePool", "GlobalMaxPool", "Identity", "MaxPool", "Mul", "Neg", "Pad"),
    *("Not", "QLinearConv", "QuantizeLinear", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Reshape", "Resize"),
    *("Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Upsample"),
}
APPLICABLE = MERGES | PER_IMAGE | QUANTISED | ONE_INPUT
"""Operators that quantised networks are made of."""

INTEGER_TYPES = {
    *(TensorProto.UINT2, TensorProto.INT2, TensorProto.UINT4, TensorProto.INT4, TensorProto.UINT8, TensorProto.INT8),
    *(TensorProto.UINT16, TensorProto.INT16, TensorProto.UINT32, TensorProto.INT32, TensorProto.INT64),
}
FLOAT_TYPES = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE}
NETWORK_TYPES = INTEGER_TYPES | FLOAT_TYPES | {TensorProto.BOOL}

QUANTISER = (0.125, 3)
"""Scale and zero point (int8) of the QuantizeLinear behind a float result."""


@dataclass(frozen=True)
class NodeTest:
    """One test of the package: its model, and its arrays by name."""

    name: str
    model: onnx.ModelProto
    inputs: Arrays
    outputs: Arrays

    @property
    def operators(self) -> tuple[str, ...]:
        return tuple(sorted({node.op_type for node in self.model.graph.node}))


@dataclass(frozen=True)
class Form:
    """A test as a network: `inputs` (N, ...) are the images, `outputs` (N, ...) what must come out.

    Attributes:
        bounds: the range of the inputs; None for the whole of their type.
        remarks: what differs from the test as it is.
    """

    model: onnx.ModelProto
    inputs: Arrays
    outputs: Arrays
    bounds: tuple[int, int] | None = None
    remarks: tuple[str, ...] = ()


@cache
def node_tests() -> tuple[NodeTest, ...]:
    """All node tests of the package that feed and give tensors; their data is drawn by fixed seeds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own arithmetic overflows on purpose
        found = load_model_tests(kind="node")
    return tuple(test for test in map(_node_test, found) if test is not None)


def _node_test(test) -> NodeTest | None:
    inputs, outputs = test.data_sets[0]
    graph = test.model.graph
    if not all(isinstance(value, np.ndarray | np.generic) for value in (*inputs, *outputs)):
        return None  # sequences and optionals
    if len(inputs) != len(graph.input) or len(outputs) != len(graph.output):
        return None
    named = [
        {value.name: np.asarray(array) for value, array in zip(values, given, strict=True)}
        for values, given in ((graph.input, inputs), (graph.output, outputs))
    ]
    return NodeTest(test.name, test.model, *named)


def is_applicable(test: NodeTest) -> bool:
    """Whether all its operators are those of networks, and its tensors numbers that networks hold."""
    types = {value.type.tensor_type.elem_type for value in test.model.graph.input}
    return bool(test.operators) and set(test.operators) <= APPLICABLE and types <= NETWORK_TYPES


def forms(test: NodeTest) -> Iterator[Form]:
    """The forms of a test, the most general first. Raises NotANetworkError when the test has no batch axis at all."""
    base = _integer_data(Form(test.model, test.inputs, test.outputs))
    if any(array.size == 0 for array in (next(iter(base.inputs.values())), *base.outputs.values())):
        raise NotANetworkError("a tensor is empty")
    names = [value.name for value in test.model.graph.input]
    choices = [names] if set(test.operators) <= MERGES else []
    if len(names) > 1 or not choices:
        choices.append(names[:1])
    if test.operators == ("Where",):
        choices = [names, names[1:], names[:1]]
    for kept in choices:
        form = _one_at_a_time(_with_constants(base, kept), test.operators)
        if any(array.dtype.kind == "f" or array.dtype.itemsize == 8 for array in form.inputs.values()):
            form = replace(form, bounds=_data_range(form.inputs))
        if test.operators != ("BatchNormalization",):  # its float32 steps round more than once
            yield form
            yield from _in_the_data_s_range(form)
        if set(test.operators) & QUANTISED:
            yield _behind_a_quantiser(form)


def _integer_data(form: Form) -> Form:
    """Float data that is not made of integers becomes round(8 x); what must come out is onnx.reference's answer."""
    floats = {name: array for name, array in form.inputs.items() if array.dtype.kind == "f"}
    first = next(iter(form.inputs))
    operators = {node.op_type for node in form.model.graph.node}
    all_of_them = operators <= MERGES | ROUNDED_WEIGHTS
    moved = {n: a for n, a in floats.items() if (n == first or all_of_them) and (a != np.rint(a)).any()}
    if not moved:
        return form
    inputs = {**form.inputs, **{name: np.rint(8 * array) for name, array in moved.items()}}
    outputs = ReferenceEvaluator(form.model).run(None, inputs)
    named = {value.name: np.asarray(out) for value, out in zip(form.model.graph.output, outputs, strict=True)}
    return replace(form, inputs=inputs, outputs=named, remarks=(*form.remarks, "data round(8x)"))


def _with_constants(form: Form, kept: list[str]) -> Form:
    """Every input but `kept` becomes an initializer."""
    model = onnx.ModelProto()
    model.CopyFrom(form.model)
    constants = {name: array for name, array in form.inputs.items() if name not in kept}
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    for value in [value for value in model.graph.input if value.name in constants]:
        model.graph.input.remove(value)
    for name, array in constants.items():
        model.graph.initializer.append(_initializer(name, array, types[name]))
    remark = (f"constant {', '.join(constants)}",) if constants else ()
    model.ir_version = max(model.ir_version, 4)  # from there on an initializer is no input
    return replace(form, model=model, inputs={n: form.inputs[n] for n in kept}, remarks=(*form.remarks, *remark))


def _initializer(name: str, array: np.ndarray, elem_type: int) -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.asarray(array), name)
    return tensor if tensor.data_type == elem_type else helper.make_tensor(name, elem_type, array.shape, array)


def _one_at_a_time(form: Form, operators: tuple[str, ...]) -> Form:
    """A batch axis of 1: the test's own, one image after the other, or one put in front."""
    arrays = (*form.inputs.values(), *form.outputs.values())
    if all(array.ndim and array.shape[0] == 1 for array in arrays):
        return form
    counts = {array.shape[0] if array.ndim > 1 else 0 for array in arrays}
    if set(operators) <= PER_IMAGE and len(counts) == 1 and counts != {0}:
        if any(len(tensor.dims) > 2 or tensor.dims[0] in counts for tensor in _rows(form, operators)):
            raise NotANetworkError("a constant has a batch axis of its own")
        model = onnx.ModelProto()
        model.CopyFrom(form.model)
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 1
        return replace(form, model=model, remarks=(*form.remarks, "one row at a time"))
    model = with_batch_axis(form.model)
    inputs = {name: array[None] for name, array in form.inputs.items()}
    outputs = {name: array[None] for name, array in form.outputs.items()}
    return Form(model, inputs, outputs, form.bounds, (*form.remarks, "batch axis added"))


def _rows(form: Form, operators: tuple[str, ...]) -> list[onnx.TensorProto]:
    """Constants of a matrix product that may differ from row to row: the second factor's batch, and Gemm's C."""
    if "Gemm" in operators:
        return [t for t in form.model.graph.initializer if t.name in form.model.graph.node[0].input[2:] and t.dims]
    return [t for t in form.model.graph.initializer if len(t.dims) > 2]


def _in_the_data_s_range(form: Form) -> Iterator[Form]:
    """Integers whose whole type would leave the result's."""
    if form.bounds is None:
        yield replace(form, bounds=_data_range(form.inputs))


def _data_range(inputs: Arrays) -> tuple[int, int]:
    return int(min(a.min() for a in inputs.values())), int(max(a.max() for a in inputs.values()))


def _behind_a_quantiser(form: Form) -> Form:
    """QuantizeLinear on the only float result; its levels by NumPy's own correctly rounded division."""
    model = onnx.ModelProto()
    model.CopyFrom(form.model)
    scale, zero = QUANTISER
    out = model.graph.output[0]
    model.graph.initializer.append(numpy_helper.from_array(np.float32(scale), "quantiser_scale"))
    model.graph.initializer.append(numpy_helper.from_array(np.int8(zero), "quantiser_zero"))
    node = helper.make_node("QuantizeLinear", [out.name, "quantiser_scale", "quantiser_zero"], ["levels"])
    model.graph.node.append(node)
    shape = [dim.dim_value for dim in out.type.tensor_type.shape.dim]
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("levels", TensorProto.INT8, shape))
    real = form.outputs[out.name].astype(np.float64)
    levels = np.clip(np.rint(real / scale) + zero, -128, 127).astype(np.int8)
    remarks = (*form.remarks, f"behind QuantizeLinear({scale}, {zero})")
    return replace(form, model=model, outputs={"levels": levels}, remarks=remarks)


__all__ = ["Form", "NodeTest", "NotANetworkError", "forms", "is_applicable", "node_tests"]

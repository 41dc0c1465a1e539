"""An ONNX model read node by node into `symbolic`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from intinfer.errors import DataError
from intinfer.files.foreign import reason as first_line

from ..preprocess import Preprocess
from ..symbolic import Reading, Symbolic, SymbolicNet, Unsupported
from .call import Call, Value
from .fold import folded
from .load import STANDARD, OnnxBlock, OnnxInput, OnnxModel, OnnxNode, load
from .table import ON_CONSTANTS, is_default, rule_for
from .tensors import DTYPES, MAX_RANK, NARROW_BITS, Constant, constant_of, integer_range

Shapes = Mapping[str, Sequence[int]]
MAX_DEPTH = 32
"""How many If nodes may lie inside each other."""
_OTHER_FLOATS = {"Cast", "CastLike", "Resize", "Upsample", "Shape", "Size"}
"""Ops that may have a float input of another type than the network's."""
_WITHOUT_EFFECT = {
    *("consumed_inputs", "momentum", "ratio", "seed", "storage_order", "saturate", "out_dtype", "round_mode"),
    *("cubic_coeff_a", "exclude_outside", "extrapolation_value"),
}
"""Attributes that say nothing about what is supported: training, 8-bit floats, interpolation, annotations."""
_MALFORMED = (ArithmeticError, AssertionError, LookupError, MemoryError, TypeError, ValueError)


def read_onnx(
    source: str | Path | bytes | onnx.ModelProto,
    *,
    pixels: Preprocess,
    shapes: Shapes | None = None,
    outputs: Sequence[str] | None = None,
) -> Reading:
    """The float net of an ONNX model, one image at a time.

    Args:
        source: a path, the bytes of a file, or a model; only a path may have external data, in the folder of the model.
        pixels: what integers come in, and what is done to them before the model's float inputs.
        shapes: of inputs whose shape the file leaves open, batch axis (1) first; an open batch axis alone is 1.
        outputs: tensors to stop at instead of the model's outputs.

    Raises:
        DataError: the model is damaged; or nodes cannot be converted: all of them, each with its op and the reason.
    """
    model = load(source)
    wanted = tuple(outputs or model.block.outputs)
    reader = _Reader(SymbolicNet(float_type(model)), model.opset)
    reader.inputs(model, pixels, shapes or {})
    reader.run(model.block, wanted)
    if reader.refusals:
        raise DataError(f"{len(reader.refusals)} node(s) cannot be converted: " + "; ".join(reader.refusals))
    ends = {name: reader.output(name) for name in wanted}
    tensors = {name: value for name, value in reader.values.items() if isinstance(value, Symbolic)}
    try:
        return reader.net.finish(ends, tensors)
    except Unsupported as error:
        raise DataError(f"its outputs cannot be converted: {error}") from None


def float_type(model: OnnxModel) -> np.dtype[Any]:
    """The type of the float inputs, else that of the constants; float32 where there are several or none."""
    floats = {DTYPES[value.elem_type] for value in model.inputs if DTYPES[value.elem_type].kind == "f"}
    if not floats:
        used = [c for node in model.block.nodes for c in node.attributes.values() if isinstance(c, Constant)]
        floats = {c.values.dtype for c in (*model.block.constants.values(), *used) if c.values.dtype.kind == "f"}
    return floats.pop() if len(floats) == 1 else np.dtype(np.float32)


class _Reader:
    """The values known so far; nodes that were refused, and what depends on them."""

    def __init__(self, net: SymbolicNet, opset: int) -> None:
        self.net = net
        self.opset = opset
        self.values: dict[str, Value] = {}
        self.refusals: list[str] = []
        self._lost: set[str] = set()

    def inputs(self, model: OnnxModel, pixels: Preprocess, shapes: Shapes) -> None:
        """The network's inputs."""
        unknown = sorted(set(shapes) - {value.name for value in model.inputs})
        if unknown:
            names = ", ".join(value.name for value in model.inputs)
            raise DataError(f"a shape is given for {unknown[0]!r}; the inputs of the model are {names}")
        for value in model.inputs:
            shape, dtype = _shape(value, shapes), DTYPES[value.elem_type]
            if dtype.kind == "f" and dtype != self.net.dtype:
                raise DataError(
                    f"input {value.name!r} is {dtype}, others are {self.net.dtype}; one float type is supported"
                )
            known = _ranged(pixels, value.elem_type)
            try:
                with self.net.at(value.name):
                    self.values[value.name] = known.apply(self.net, value.name, shape, dtype)
            except Unsupported as error:
                raise DataError(f"input {value.name!r}: {error}") from None

    def run(self, block: OnnxBlock, wanted: Sequence[str], depth: int = 0) -> None:
        """Read the nodes that `wanted` tensors depend on."""
        self.values.update(block.constants)
        needed = set(wanted)
        order: list[OnnxNode] = []
        for node in reversed(block.nodes):
            if needed & set(filter(None, node.outputs)):
                order.append(node)
                needed |= node.reads
        made = {name for node in block.nodes for name in node.outputs}
        missing = sorted(name for name in needed - made if name not in self.values and name not in self._lost)
        if missing:
            raise DataError(f"no node makes the tensor {missing[0]!r}, which is needed; is the model complete?")
        for node in reversed(order):
            if node.reads & self._lost:
                self._lost |= set(node.outputs)
                continue
            try:
                with self.net.at(node.name):
                    self._read(node, depth)
            except (Unsupported, *_MALFORMED) as error:
                known = isinstance(error, Unsupported | DataError)
                reason = str(error) if known else f"its inputs or attributes do not fit: {first_line(error)}"
                self.refusals.append(f"{node.name} ({node.title}): {reason}")
                self._lost |= set(node.outputs)

    def _read(self, node: OnnxNode, depth: int) -> None:
        if node.op == "If" and node.domain in STANDARD:
            self._branch(node, depth)
            return
        inputs = tuple(self.values[name] if name else None for name in node.inputs)
        call = Call(self.net, node, self.opset, inputs)
        constant = not any(isinstance(value, Symbolic) for value in inputs)
        if constant and node.domain in STANDARD and node.op not in ON_CONSTANTS:
            results: Sequence[Value] = _constant(call) if node.op == "Constant" else folded(call)
        else:
            rule = rule_for(node, self.opset)
            self._check_types(call)
            result = rule(call)
            _check_attributes(call)
            results = [result] if isinstance(result, Symbolic | Constant) else list(result)
        self._keep(node, results)

    def _keep(self, node: OnnxNode, results: Sequence[Value]) -> None:
        self._lost |= set(node.outputs[len(results) :])
        for name, value in zip(node.outputs, results, strict=False):
            if isinstance(value, Symbolic) and value.is_float and value.dtype != self.net.dtype:
                raise Unsupported(
                    f"it computes in {value.dtype}, the network in {self.net.dtype}; one type is supported"
                )
            if name:
                self.values[name] = value

    def _check_types(self, call: Call) -> None:
        """Float constants are of the network's type, or the same numbers in it."""
        if call.node.op in _OTHER_FLOATS:
            return
        for name, value in zip(call.node.inputs, call.inputs, strict=True):
            if not isinstance(value, Constant) or value.values.dtype.kind != "f":
                continue
            with np.errstate(over="ignore"):
                same = np.array_equal(value.values.astype(self.net.dtype).astype(value.values.dtype), value.values)
            if value.values.dtype != self.net.dtype and not same:
                raise Unsupported(
                    f"its constant {name} is {value.values.dtype}, the network computes in {self.net.dtype}"
                )

    def _branch(self, node: OnnxNode, depth: int) -> None:
        """The branch of an If that its constant condition chooses."""
        condition = self.values[node.inputs[0]]
        if isinstance(condition, Symbolic):
            raise Unsupported("its condition depends on the input; only constant conditions are supported")
        block = node.branches.get("then_branch" if condition.values.all() else "else_branch")
        if block is None or depth >= MAX_DEPTH:
            raise Unsupported(f"its branch is missing, or lies more than {MAX_DEPTH} deep")
        self.run(block, block.outputs, depth + 1)
        if self._lost & set(block.outputs):
            self._lost |= set(node.outputs)
            return
        self._keep(node, [self.values[name] for name in block.outputs])

    def output(self, name: str) -> Symbolic:
        """An output of the model, as a tensor of the net."""
        value = self.values.get(name)
        if isinstance(value, Symbolic):
            return value
        raise DataError(f"the output {name!r} " + ("does not depend on any input" if value else "is not made"))


def _constant(call: Call) -> list[Constant]:
    """The value of a Constant node, whatever its form."""
    given = {key: value for key, value in call.node.attributes.items() if value is not None}
    if len(given) != 1:
        raise Unsupported(f"it has {len(given)} values that are numbers; one is due")
    key, value = next(iter(given.items()))
    if key == "value" and isinstance(value, Constant):
        return [value]
    types = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    if key not in types:
        raise Unsupported(f"its {key} is not supported; numbers are")
    return [constant_of(np.asarray(value, dtype=types[key]))]


def _check_attributes(call: Call) -> None:
    """Every attribute has been looked at, says nothing about the result, or is what it is when it is left out."""
    passed = sorted(
        key
        for key in set(call.node.attributes) - call.asked - _WITHOUT_EFFECT
        if not is_default(call.node, key, call.opset)
    )
    if passed:
        raise Unsupported(f"its attribute {passed[0]} = {call.node.attributes[passed[0]]!r} is not supported")


def _ranged(pixels: Preprocess, elem_type: int) -> Preprocess:
    """The range of a type that NumPy does not have."""
    if elem_type not in NARROW_BITS or pixels.lo is not None or pixels.hi is not None:
        return pixels
    low, high = integer_range(elem_type)
    return replace(pixels, lo=low, hi=high)


def _shape(value: OnnxInput, shapes: Shapes) -> tuple[int, ...]:
    """The shape of an input, batch axis 1 first."""
    given = tuple(shapes[value.name]) if value.name in shapes else value.shape
    shape = tuple(1 if axis == 0 and extent is None else extent for axis, extent in enumerate(given))
    hint = f"give --shape {value.name}=1,..."
    if not shape or any(extent is None for extent in shape):
        raise DataError(f"input {value.name!r} has the shape {list(value.shape)}, which the file leaves open; {hint}")
    known = tuple(int(extent) for extent in shape if extent is not None)
    if value.name in shapes and value.shape:
        fits = len(known) == len(value.shape) and all(
            due is None or axis == 0 or due == extent
            for axis, (due, extent) in enumerate(zip(value.shape, known, strict=True))
        )
        if not fits:
            raise DataError(
                f"input {value.name!r}: the shape {list(known)} does not fit the file's {list(value.shape)}"
            )
    if known[0] != 1:
        raise DataError(f"input {value.name!r} has a batch of {known[0]}; networks are read with 1: {hint}")
    if not 2 <= len(known) <= MAX_RANK or min(known) < 1 or int(np.prod(known, dtype=object)) > 2**24:
        raise DataError(
            f"input {value.name!r} has the shape {list(known[:MAX_RANK])}; a batch axis of 1 and at most 2^24 elements "
            f"in up to {MAX_RANK} axes are read"
        )
    return known

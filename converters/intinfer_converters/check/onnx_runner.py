"""An ONNX model as a source: every node run by itself, by ONNX Runtime where it can.

A session a node makes every value an output and keeps optimisations from crossing nodes, and what the runtime rejects
falls back to ONNX' own reference evaluator one node at a time. Quantised integer operators and those of QONNX are
computed by their exact definition (`onnx_exact`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime  # type: ignore[import-untyped]
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from intinfer.errors import DataError
from intinfer.graph import unread_after
from intinfer.types import IntArray

from ..symbolic import Reading
from .onnx_exact import exact_operator
from .runner import feed, shown

IR_VERSION = 13
NEWEST_OPSET = 26
"""That this ONNX Runtime reads."""
CHANNELS_LAST = "qonnx.custom_op.channels_last"
OPSET = 17
"""At least, of channels-last ops."""
Array = npt.NDArray[Any]


class OnnxRunner:
    """A model on batches of pixels.

    Args:
        model: with its external data loaded.
        reading: as `read_onnx` gives it for this model.
        threads: of ONNX Runtime.

    Raises:
        DataError: QONNX nodes that are not their operators'.
    """

    def __init__(self, model: onnx.ModelProto, reading: Reading, threads: int = 1) -> None:
        self.reading = reading
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._inputs = [value for value in model.graph.input if value.name not in self._constants]
        outputs = {value.name for value in model.graph.output}
        wanted = {tensor for tensor, _ in shown(reading).values()} | outputs
        self._wanted = wanted | set(reading.net.outputs)
        self._steps = [_Step(node, model, self._constants, threads) for node in _live(model, outputs)]
        made = [([*step.reads, *step.outputs], step.outputs[0]) for step in self._steps]
        self._drop = unread_after(made, self._wanted)
        self._one_by_one = False

    def run(self, pixels: IntArray) -> Mapping[str, Array]:
        """Every tensor that shows a node, and the outputs: (N, ...).

        Raises:
            DataError: a node cannot be run, or takes no such input.
        """
        if not self._one_by_one:
            try:
                found = self._run(pixels)
            except DataError:
                if len(pixels) == 1:
                    raise
                found = {}
            if found and all(array.shape[:1] == (len(pixels),) for array in found.values()):
                return found
            # A shape is fixed to one image somewhere inside, or the batch axis is moved.
            self._one_by_one = True
        runs = [self._run(pixels[index : index + 1]) for index in range(len(pixels))]
        return {name: np.stack([run[name].reshape(-1) for run in runs]) for name in runs[0]}

    def _run(self, pixels: IntArray) -> dict[str, Array]:
        values = {value.name: self._fed(value, pixels) for value in self._inputs}
        values.update(self._constant_values)
        for step, unread in zip(self._steps, self._drop, strict=True):
            if step.outputs[0] not in values:
                values.update(step.run(values, len(pixels)))
            for name in unread:
                values.pop(name, None)
        return {name: array for name, array in values.items() if name in self._wanted}

    @cached_property
    def _constant_values(self) -> dict[str, Array]:
        """What does not depend on the input, computed once."""
        fixed: dict[str, Array] = {}
        for step in self._steps:
            if all(name in fixed for name in step.reads):
                fixed.update(step.run(fixed, 1))
        return fixed

    def _fed(self, value: onnx.ValueInfoProto, pixels: IntArray) -> Array:
        kind = value.type.tensor_type
        shape = [len(pixels), *(dim.dim_value for dim in kind.shape.dim[1:])]
        flat = feed(self.reading, value.name, pixels)
        if 0 in shape[1:]:  # dynamic axes
            shape = _fitted(shape, flat.shape[1])
        return np.ascontiguousarray(flat.reshape(shape).astype(helper.tensor_dtype_to_np_dtype(kind.elem_type)))


def _fitted(shape: list[int], size: int) -> list[int]:
    """`shape` with its only unknown axis filled in; several unknown ones are taken to be equal."""
    known = int(np.prod([n for n in shape[1:] if n]))
    unknown = shape[1:].count(0)
    side = round((size // known) ** (1 / unknown))
    return [shape[0], *(n or side for n in shape[1:])]


def _live(model: onnx.ModelProto, outputs: set[str]) -> list[onnx.NodeProto]:
    """The nodes in order, without those that no output depends on."""
    needed, kept = set(outputs), []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            needed |= set(_reads(node))
            kept.append(node)
    return kept[::-1]


def _reads(node: onnx.NodeProto) -> list[str]:
    """What a node and the subgraphs in its attributes take from outside."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs] if attribute.type in (5, 10) else []:
            made = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
            for inner in graph.node:
                names += [name for name in _reads(inner) if name not in made]
                made |= set(inner.output)
            names += [value.name for value in graph.output if value.name not in made]
    return list(dict.fromkeys(names))


class _Step:
    """One node of the source: its own little model."""

    def __init__(
        self, node: onnx.NodeProto, model: onnx.ModelProto, constants: Mapping[str, onnx.TensorProto], threads: int
    ) -> None:
        self.node = node
        self.title = f"{node.name or node.output[0]} ({node.op_type})"
        self.outputs = [name for name in node.output if name]
        self.reads = [name for name in _reads(node) if name not in constants]
        self.constants = [constants[name] for name in _reads(node) if name in constants]
        self._functions = list(model.functions)
        self._opsets: dict[str, int] = {opset.domain: int(opset.version) for opset in model.opset_import}
        self._threads = threads
        self._runs: dict[tuple[Any, ...], Any] = {}

    def run(self, values: Mapping[str, Array], images: int) -> dict[str, Array]:
        """Its outputs. Raises DataError when nothing can run it."""
        missing = [name for name in self.reads if name not in values]
        if missing:
            raise DataError(f"{self.title}: its input {missing[0]!r} is computed by no node before it")
        feeds = {name: np.asarray(values[name]) for name in self.reads}
        batched = self.node.op_type == "Reshape" and images > 1
        result = self._batched_reshape(feeds, images) if batched else self._exactly(feeds)
        if result is not None:
            return {self.node.output[0]: result}
        key = tuple((array.dtype, array.ndim) for array in feeds.values())
        if key not in self._runs:
            self._runs[key] = self._runner(feeds)
        try:
            results = self._runs[key](feeds)
        except Exception as error:  # whatever a foreign runtime raises on a foreign model
            raise DataError(f"{self.title}: {_one_line(error)}") from None
        return {name: np.asarray(array) for name, array in zip(self.outputs, results, strict=True)}

    def _exactly(self, feeds: Mapping[str, Array]) -> Array | None:
        """Its output where `onnx_exact` computes it."""
        try:
            operator = exact_operator(self.node.op_type, self.node.domain, len(self.node.input))
            if operator is None:
                return None
            known = {**{tensor.name: numpy_helper.to_array(tensor) for tensor in self.constants}, **feeds}
            attributes = {a.name: helper.get_attribute_value(a) for a in self.node.attribute}
            texts = {key: value.decode() if isinstance(value, bytes) else value for key, value in attributes.items()}
            with np.errstate(all="ignore"):
                return operator(texts, *(known[name] if name else None for name in self.node.input))
        except (DataError, ValueError, LookupError, TypeError, AttributeError) as error:  # inputs that do not fit
            raise DataError(f"{self.title}: {_one_line(error)}") from None

    def _batched_reshape(self, feeds: Mapping[str, Array], images: int) -> Array | None:
        """A reshape whose constant says that there is one image, for several; None where it does not say so."""
        constant = [tensor for tensor in self.constants if tensor.name == self.node.input[1]]
        if not constant or self.node.input[0] not in feeds:
            return None
        shape, x = numpy_helper.to_array(constant[0]).reshape(-1).tolist(), feeds[self.node.input[0]]
        if not shape or shape[0] != 1 or x.shape[0] != images:
            return None
        if 0 in shape:
            shape = [x.shape[axis] if n == 0 else n for axis, n in enumerate(shape)]
        return x.reshape(images, *shape[1:]) if x.size == images * abs(int(np.prod(shape))) or -1 in shape else None

    def _runner(self, feeds: Mapping[str, Array]) -> Any:
        """A function from feeds to outputs: a session of ONNX Runtime, or ONNX' reference evaluator."""
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = options.inter_op_num_threads = self._threads
        options.log_severity_level = 4
        model, complete = self._model(feeds)
        runtime: Any = None
        if complete:
            try:
                content = model.SerializeToString()
                runtime = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
                runtime.run(self.outputs, dict(feeds))
            except Exception:  # it may reject anything, in many ways: then the reference evaluates the node
                runtime = None
        runtime = runtime or ReferenceEvaluator(model)
        return lambda given: runtime.run(self.outputs, dict(given))

    def _model(self, feeds: Mapping[str, Array]) -> tuple[onnx.ModelProto, bool]:
        """The node as a model, and whether its operator set is one that ONNX Runtime reads."""
        nodes, opsets = [self.node], dict(self._opsets)
        if self.node.domain == CHANNELS_LAST:
            read = feeds.get(self.node.input[0])
            nodes = _channels_first(self.node, 4 if read is None else read.ndim)
            opsets[""] = max(OPSET, opsets.get("", OPSET))
        version = int(opsets.get("", opsets.get("ai.onnx", 1)))
        opsets.pop("ai.onnx", None)
        newest = min(version, NEWEST_OPSET)
        complete = version <= NEWEST_OPSET or all(_unchanged(n, newest, version) for n in nodes)
        opsets[""] = newest if complete else version
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), [None] * array.ndim)
            for name, array in feeds.items()
        ]
        outputs = [onnx.ValueInfoProto(name=name) for name in self.outputs]
        graph = helper.make_graph(nodes, "node", inputs, outputs, self.constants)
        imports = [helper.make_opsetid(domain, number) for domain, number in opsets.items()]
        return helper.make_model(
            graph, opset_imports=imports, functions=self._functions, ir_version=IR_VERSION
        ), complete


def _channels_first(node: onnx.NodeProto, rank: int) -> list[onnx.NodeProto]:
    """A channels-last op as the standard one between transpositions: axis 1 of its first input, its weights and its
    output goes to the end."""
    first, back = [0, rank - 1, *range(1, rank - 1)], [0, *range(2, rank), 1]
    inner = onnx.NodeProto()
    inner.CopyFrom(node)
    inner.domain = ""
    inner.input[0], inner.output[0] = f"{node.output[0]}.channels_first", f"{node.output[0]}.result"
    before = [helper.make_node("Transpose", [node.input[0]], [inner.input[0]], perm=first)]
    if node.op_type == "Conv":
        inner.input[1] = f"{node.output[0]}.weight"
        before.append(helper.make_node("Transpose", [node.input[1]], [inner.input[1]], perm=first))
    return [*before, inner, helper.make_node("Transpose", [inner.output[0]], [node.output[0]], perm=back)]


def _unchanged(node: onnx.NodeProto, version: int, newer: int) -> bool:
    """Whether an operator means the same in both operator sets."""
    if not onnx.defs.has(node.op_type):
        return False
    schema = onnx.defs.get_schema(node.op_type, max_inclusive_version=newer)
    return bool(schema.since_version <= version)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def runner_of_file(path: str | Path, reading: Reading, threads: int = 1) -> OnnxRunner:
    """The runner of a file that `read_onnx` has read as `reading`, so that its external data are in its folder."""
    return OnnxRunner(onnx.load(path), reading, threads)

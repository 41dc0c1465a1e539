"""From bytes to a checked `Source`: nodes in order, attributes as Python values, constants as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import onnx
from onnx import AttributeProto, defs, inliner

from intinfer.errors import DataError
from intinfer.files.foreign import reason as first_line

from .tensors import DTYPES, Constant, constant_in, type_name

MAX_BYTES = 2**31
"""Of a model file: more is no protobuf message."""
MAX_NODES = 2**17
"""Of a model with its functions and branches in their places."""
FIELDS = {
    AttributeProto.INT: "i",
    AttributeProto.FLOAT: "f",
    AttributeProto.STRING: "s",
    AttributeProto.TENSOR: "t",
    AttributeProto.INTS: "ints",
    AttributeProto.FLOATS: "floats",
}
"""Where an attribute of each type has its value."""
STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class OnnxNode:
    """A node of the source. `branches` are the subgraphs of an If."""

    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    branches: Mapping[str, OnnxBlock] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The op with its domain, when that is not ONNX's own."""
        return self.op if self.domain in STANDARD else f"{self.domain}.{self.op}"

    @property
    def reads(self) -> set[str]:
        """Every tensor that it, or a branch of it, takes from outside."""
        names = {name for name in self.inputs if name}
        for block in self.branches.values():
            made = set(block.constants) | {name for node in block.nodes for name in node.outputs}
            names |= {name for node in block.nodes for name in node.reads} - made
            names |= {name for name in block.outputs if name not in made}
        return names


@dataclass(frozen=True)
class OnnxBlock:
    """A graph or subgraph: nodes in topological order, constants, names of its outputs."""

    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, Constant]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class OnnxInput:
    """A tensor that comes from outside; an extent that the file leaves open is None."""

    name: str
    elem_type: int
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class OnnxModel:
    """A checked model. `opsets` is the version of each domain."""

    block: OnnxBlock
    inputs: tuple[OnnxInput, ...]
    opsets: Mapping[str, int]

    @property
    def opset(self) -> int:
        """The version of the standard operators."""
        return next((self.opsets[d] for d in STANDARD if d in self.opsets), 1)


def load(source: str | Path | bytes | onnx.ModelProto) -> OnnxModel:
    """Read and check a model.

    Raises:
        DataError: the file is missing, too large, no ONNX model; a name is no text; tensors are twice defined, never
            made, cyclic, too large, of an unknown type, or outside the model's folder.
    """
    folder: Path | None = None
    if isinstance(source, onnx.ModelProto):
        model = source
    else:
        if isinstance(source, bytes):
            data = source
        else:
            folder, data = Path(source).parent, _read(Path(source))
        model = onnx.ModelProto()
        try:
            model.ParseFromString(data)
        except Exception:  # of protobuf, which is no import of ours
            raise DataError(
                "it is no ONNX model: its protobuf message cannot be read; the file may be cut off"
            ) from None
    _check_texts(model)
    if not model.HasField("graph") or not model.graph.output:
        raise DataError("it is no ONNX model: it has no graph with outputs")
    model = _inlined(model)
    graph = model.graph
    constants = _constants(graph, folder)
    inputs = tuple(_input(value) for value in graph.input if value.name not in constants)
    if not inputs:
        raise DataError("the model has no input")
    newest = defs.onnx_opset_version()
    wrong = [e.version for e in model.opset_import if e.domain in STANDARD and not 1 <= e.version <= newest]
    if wrong:
        raise DataError(f"the model is of opset {wrong[0]}; 1 to {newest} are known; export it for one of these")
    block = _block(graph, folder, constants, {value.name for value in inputs})
    return OnnxModel(block, inputs, {entry.domain: entry.version for entry in model.opset_import})


def _check_texts(message: Any) -> None:
    """Raise DataError for a string that is not UTF-8: protobuf gives it as bytes, or raises where it is read."""
    for entry in message.DESCRIPTOR.fields:
        if entry.name == "doc_string" or entry.type not in (entry.TYPE_STRING, entry.TYPE_MESSAGE):
            continue
        try:
            value = getattr(message, entry.name)
            single = isinstance(value, str | bytes) or hasattr(value, "DESCRIPTOR")
            for item in [value] if single else value:
                if isinstance(item, bytes):
                    item.decode("utf-8")
                elif not isinstance(item, str) and not (single and not message.HasField(entry.name)):
                    _check_texts(item)
        except UnicodeDecodeError as error:
            raise DataError(
                f"it is no ONNX model: {message.DESCRIPTOR.name}.{entry.name} is {error.object[:40]!r}, which is not "
                "UTF-8; export it again"
            ) from None


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise DataError("there is no such file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"the file has {size:,} bytes; an ONNX model has at most {MAX_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}") from None


def _inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the bodies of its local functions in the places where they are called."""
    if not model.functions:
        return model
    bodies = {(f.domain, f.name): f.node for f in model.functions}
    if len(bodies) != len(model.functions):
        raise DataError("two local functions have the same name")
    calls = {key: [(n.domain, n.op_type) for n in _all_nodes(body)] for key, body in bodies.items()}
    try:
        order = tuple(TopologicalSorter({k: {c for c in v if c in bodies} for k, v in calls.items()}).static_order())
    except CycleError:
        raise DataError("its local functions call each other in a circle") from None
    sizes: dict[tuple[str, str], int] = {}
    for key in order:
        sizes[key] = sum(sizes.get(call, 1) for call in calls[key])
    total = sum(sizes.get((n.domain, n.op_type), 1) for n in _all_nodes(model.graph.node))
    if total > MAX_NODES:
        raise DataError(f"the model has {total:,} nodes once its functions are in place; at most {MAX_NODES:,}")
    try:
        return inliner.inline_local_functions(model)
    except Exception as error:  # the parser is foreign: whatever it says about the file is about the file
        raise DataError(f"its local functions cannot be read: {first_line(error)}") from None


def _all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterable[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _all_nodes(graph.node)


def _constants(graph: onnx.GraphProto, folder: Path | None) -> dict[str, Constant]:
    if graph.sparse_initializer:
        raise DataError("it has sparse tensors; save it with dense ones")
    constants: dict[str, Constant] = {}
    for tensor in graph.initializer:
        if not tensor.name or tensor.name in constants:
            raise DataError(f"the constant {tensor.name!r} has no name, or one that is used twice")
        constants[tensor.name] = constant_in(tensor, folder)
    return constants


def _input(value: onnx.ValueInfoProto) -> OnnxInput:
    if not value.type.HasField("tensor_type"):
        raise DataError(f"input {value.name!r} is no tensor")
    tensor = value.type.tensor_type
    if tensor.elem_type not in DTYPES:
        raise DataError(f"input {value.name!r} is of type {type_name(tensor.elem_type)}, which no network reads")
    if not tensor.HasField("shape"):
        return OnnxInput(value.name, tensor.elem_type, ())
    shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    return OnnxInput(value.name, tensor.elem_type, shape)


def _block(graph: onnx.GraphProto, folder: Path | None, constants: dict[str, Constant], known: set[str]) -> OnnxBlock:
    """The nodes of a graph in topological order; `known` are the names from outside."""
    if len(graph.node) > MAX_NODES:
        raise DataError(f"the model has {len(graph.node):,} nodes; at most {MAX_NODES:,} are read")
    nodes = [_node(proto, place, folder) for place, proto in enumerate(graph.node)]
    makers: dict[str, int] = {}
    for place, node in enumerate(nodes):
        for name in filter(None, node.outputs):
            if name in makers or name in constants or name in known:
                raise DataError(f"the tensor {name!r} is made twice, the second time by {node.name}")
            makers[name] = place
    try:
        needs = {place: {makers[n] for n in node.reads if n in makers} for place, node in enumerate(nodes)}
        ordered = tuple(nodes[place] for place in TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = ", ".join(nodes[place].name for place in error.args[1][:5])
        raise DataError(f"the graph has a circle: {circle}") from None
    return OnnxBlock(ordered, constants, tuple(value.name for value in graph.output))


def _node(proto: onnx.NodeProto, place: int, folder: Path | None) -> OnnxNode:
    outputs = tuple(proto.output)
    name = proto.name or next(filter(None, outputs), "") or f"node {place}"
    attributes: dict[str, Any] = {}
    branches: dict[str, OnnxBlock] = {}
    for attribute in proto.attribute:
        if attribute.name in attributes or attribute.name in branches:
            raise DataError(f"{name}: attribute {attribute.name!r} is given twice")
        fields = {f.name for f, _ in attribute.ListFields()} & set(FIELDS.values())
        if fields - {FIELDS.get(attribute.type)}:
            raise DataError(f"{name}: attribute {attribute.name!r} is of one type and has a value of another")
        if attribute.type == AttributeProto.GRAPH and proto.op_type == "If":
            branches[attribute.name] = _block(attribute.g, folder, _constants(attribute.g, folder), set())
        else:
            attributes[attribute.name] = _value(attribute, folder)
    return OnnxNode(name, proto.op_type, proto.domain, tuple(proto.input), outputs, attributes, branches)


def _value(attribute: AttributeProto, folder: Path | None) -> Any:
    """A number, text, constant or tuple of them; None for what no supported op has."""
    if attribute.type not in FIELDS:
        return None
    value = getattr(attribute, FIELDS[attribute.type])
    if attribute.type == AttributeProto.TENSOR:
        return constant_in(value, folder)
    if attribute.type == AttributeProto.STRING:
        return value.decode("utf-8", "replace")
    return value if attribute.type in (AttributeProto.INT, AttributeProto.FLOAT) else tuple(value)

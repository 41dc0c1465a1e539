"""`model.npz`: a `Graph` as a file and back. `spec/model_file.md` is the format, bit for bit.

The file is data: an uncompressed zip of uint8 arrays that `numpy.load(allow_pickle=False)` opens, the first of
which is a JSON header. The same graph gives the same bytes on every machine. The reader trusts nothing: every
size is checked before memory is spent, and the graph is built anew, so that all type rules run again.
"""

from __future__ import annotations

import os
import re
import stat
from fractions import Fraction

from .builder import GraphBuilder
from .errors import IntinferError, ModelFileError
from .files import npz
from .files.atomic import write_file
from .files.attributes import decode_attributes, encode_attributes
from .files.stored import TensorPacker, TensorReader
from .files.strict_json import Json, check_canonical, choice, dump, integer, items, parse, record, shown, text
from .graph import Graph, GraphLike, ImageInput, Node, Output, Shape, Value, graph_of
from .limits import MAX_ENDS, MAX_FRACTION_DIGITS, MAX_LIST, MAX_NAME, MAX_NODES, MAX_NOTE
from .ops import OPS
from .types import IntType

FORMAT = "intinfer-model"
VERSION = 2
"""The newest that is read. The lowest that has all of a graph is written, so that the bytes of older ones stay."""

MAX_FILE = 2**29
MAX_HEADER = 2**23
_FRACTION = re.compile(r"(-?[0-9]+)/([0-9]+)", re.ASCII)
_HEADER_KEYS = ("format", "version", "inputs", "nodes", "outputs", "image", "classes", "provenance")
_VALUE_KEYS = ("name", "shape", "lo", "hi")


def save(graph: GraphLike, path: str | os.PathLike[str]) -> None:
    """Write `graph` to `path`, atomically: the old file stays whole until the new one is on the disk.

    The bytes are read back before they are written, so that no file comes into being that `load` refuses.

    Raises:
        ModelFileError: the folder is missing or not writable, `path` is no regular file, or the graph holds
            what the format has no place for.
    """
    graph = graph_of(graph)
    try:
        data = to_bytes(graph)
    except IntinferError as error:
        raise _failure(path, f"cannot be written: {error}") from None
    try:
        write_file(path, data)
    except (OSError, ValueError) as error:
        raise _failure(path, f"cannot be written: {_reason(error)}") from None


def to_bytes(graph: GraphLike) -> bytes:
    """What `save` writes: the same graph gives the same bytes, and `load` takes them.

    Raises ModelFileError when the graph holds what the format has no place for.
    """
    graph = graph_of(graph)
    data = _encode(graph)
    if _encode(_decode(data)) != data:
        raise ModelFileError("read back, the bytes give another graph; this is a bug of intinfer")
    return data


def load(path: str | os.PathLike[str]) -> Graph:
    """Read a model file.

    Raises:
        ModelFileError: no such file, or anything in it that is not exactly the format; one line that names the
            file and the key.
    """
    try:
        data = _read(path)
    except FileNotFoundError:
        raise _failure(path, "no such file") from None
    except (OSError, ValueError) as error:
        raise _failure(path, f"cannot be read: {_reason(error)}") from None
    try:
        return _decode(data)
    except IntinferError as error:
        raise _failure(path, str(error)) from None


def _failure(path: str | os.PathLike[str], reason: str) -> ModelFileError:
    name = os.fspath(path)
    message = f"{name if name.isprintable() else repr(name)}: {reason}"
    return ModelFileError(message if len(message) <= 1000 else message[:997] + "...")


def _reason(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "the path holds a zero byte"


def _read(path: str | os.PathLike[str]) -> bytes:
    if not stat.S_ISREG(os.stat(path).st_mode):  # before opening: a FIFO would block
        raise OSError("it is not a regular file")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_FILE:
            raise OSError(f"it has {size} bytes, at most {MAX_FILE} are allowed")
        return file.read(size)


def _encode(graph: Graph) -> bytes:
    tensors = TensorPacker()
    header: Json = {
        "format": FORMAT,
        "version": version_of(graph),
        "inputs": [_value_to_json(value, f"inputs[{i}]") for i, value in enumerate(graph.inputs)],
        "nodes": [_node_to_json(node, f"nodes[{i}]", tensors) for i, node in enumerate(graph.nodes)],
        "outputs": [_output_to_json(output, f"outputs[{i}]") for i, output in enumerate(graph.outputs)],
        "image": None if graph.image is None else {"mode": graph.image.mode, "fit": graph.image.fit},
        "classes": [text(name, f"classes[{i}]") for i, name in enumerate(graph.classes)],
        "provenance": {text(k, "provenance"): _note(v, f"provenance.{k}") for k, v in graph.provenance.items()},
    }
    return npz.write([("header", dump(header)), *tensors.members])


def version_of(graph: Graph) -> int:
    """The lowest version of the format in which the graph can be written."""
    return max([1, *(node.op.since for node in graph.nodes)])


def _decode(data: bytes) -> Graph:
    members = npz.read(data)
    for index, name in enumerate(members):
        expected = f"t{index - 1}" if index else "header"
        if name != expected:
            raise ModelFileError(f"member {index} is {name + '.npy'!r}, expected {expected + '.npy'!r}")
    header = members.pop("header")
    if len(header) > MAX_HEADER:
        raise ModelFileError(f"header: {len(header)} bytes, at most {MAX_HEADER} are allowed")
    document = parse(bytes(header))
    version = _version(document)
    check_canonical(document, bytes(header))
    graph = _graph(record(document, "header", _HEADER_KEYS), TensorReader(members))
    if version_of(graph) != version:
        raise ModelFileError(f"version: {version} is declared, and what the file holds is of {version_of(graph)}")
    return graph


def _version(document: Json) -> int:
    """First of all, because a newer version may have other fields."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ModelFileError(f"header: not a model file: its format is not {FORMAT!r}")
    version = integer(document.get("version"), "version", 1)
    if version > VERSION:
        raise ModelFileError(f"written by a newer intinfer: version {version}; this one reads 1 to {VERSION}")
    return version


def _graph(header: dict[str, Json], tensors: TensorReader) -> Graph:
    builder = GraphBuilder()
    values: dict[str, Value] = {}
    for i, item in enumerate(items(header["inputs"], "inputs", MAX_ENDS)):
        value = _value_from_json(record(item, f"inputs[{i}]", _VALUE_KEYS), f"inputs[{i}]")
        values[value.name] = builder.input(value.name, value.shape, value.type)
    for i, item in enumerate(items(header["nodes"], "nodes", MAX_NODES)):
        _add_node(builder, item, f"nodes[{i}]", values, tensors)
    tensors.check_all_used()
    for i, item in enumerate(items(header["outputs"], "outputs", MAX_ENDS)):
        _add_output(builder, item, f"outputs[{i}]", values)
    image = None
    if header["image"] is not None:
        doc = record(header["image"], "image", ("mode", "fit"))
        image = ImageInput(text(doc["mode"], "image.mode"), text(doc["fit"], "image.fit"))
    classes = [text(name, f"classes[{i}]") for i, name in enumerate(items(header["classes"], "classes", MAX_LIST))]
    return builder.finish(image, classes, _provenance(header["provenance"]))


def _value_to_json(value: Value, where: str) -> dict[str, Json]:
    shape: list[Json] = [integer(extent, f"{where}.shape[{i}]") for i, extent in enumerate(value.shape)]
    return {"name": text(value.name, f"{where}.name"), "shape": shape, "lo": value.type.lo, "hi": value.type.hi}


def _value_from_json(doc: dict[str, Json], where: str) -> Value:
    extents = items(doc["shape"], f"{where}.shape", 3)
    shape: Shape = tuple(integer(extent, f"{where}.shape[{i}]") for i, extent in enumerate(extents))
    lo, hi = integer(doc["lo"], f"{where}.lo"), integer(doc["hi"], f"{where}.hi")
    if lo > hi:
        raise ModelFileError(f"{where}: lo {lo} exceeds hi {hi}")
    return Value(text(doc["name"], f"{where}.name", MAX_NAME), shape, IntType(lo, hi))


def _node_to_json(node: Node, where: str, tensors: TensorPacker) -> Json:
    if OPS.get(node.op.kind) is not type(node.op):
        raise ModelFileError(f"{where}: op {node.op.kind!r} is not one of intinfer.ops.OPS")
    return {
        **_value_to_json(node.output, where),
        "op": node.op.kind,
        "inputs": [text(name, f"{where}.inputs[{i}]") for i, name in enumerate(node.inputs)],
        "source": [text(name, f"{where}.source[{i}]") for i, name in enumerate(node.source)],
        "attributes": encode_attributes(node.op, f"{where}.attributes", tensors),
    }


def _add_node(builder: GraphBuilder, item: Json, where: str, values: dict[str, Value], tensors: TensorReader) -> None:
    doc = record(item, where, (*_VALUE_KEYS, "op", "inputs", "source", "attributes"))
    declared = _value_from_json(doc, where)
    names = items(doc["inputs"], f"{where}.inputs", MAX_LIST)
    inputs = tuple(_known(name, f"{where}.inputs[{i}]", values) for i, name in enumerate(names))
    sources = items(doc["source"], f"{where}.source", MAX_LIST)
    source = [text(name, f"{where}.source[{i}]") for i, name in enumerate(sources)]
    kind = OPS[choice(doc["op"], f"{where}.op", tuple(OPS))]
    op = decode_attributes(kind, doc["attributes"], f"{where}.attributes", tensors)
    tensors.budget.charge_windows(where, op, inputs)
    value = builder.add(op, *inputs, name=declared.name, source=source)
    if value != declared:
        raise ModelFileError(
            f"node {value.name!r} ({op.kind}): declared {list(declared.shape)} of {declared.type}, "
            f"its op gives {list(value.shape)} of {value.type}"
        )
    values[value.name] = value


def _output_to_json(output: Output, where: str) -> Json:
    return {
        "name": text(output.name, f"{where}.name"),
        "value": text(output.value, f"{where}.value"),
        "scale": [_fraction_to_json(number, f"{where}.scale[{i}]") for i, number in enumerate(output.scale)],
        "offset": [_fraction_to_json(number, f"{where}.offset[{i}]") for i, number in enumerate(output.offset)],
    }


def _add_output(builder: GraphBuilder, item: Json, where: str, values: dict[str, Value]) -> None:
    doc = record(item, where, ("name", "value", "scale", "offset"))
    name, value = text(doc["name"], f"{where}.name", MAX_NAME), _known(doc["value"], f"{where}.value", values)
    if not name:
        raise ModelFileError(f"{where}.name: an output needs a name")
    scale, offset = (
        [
            _fraction_from_json(n, f"{where}.{key}[{i}]")
            for i, n in enumerate(items(doc[key], f"{where}.{key}", MAX_LIST))
        ]
        for key in ("scale", "offset")
    )
    builder.output(name, value, scale, offset)


def _known(item: Json, where: str, values: dict[str, Value]) -> Value:
    name = text(item, where, MAX_NAME)
    if name not in values:
        raise ModelFileError(f"{where}: {shown(name)} is no input and no node before this place")
    return values[name]


def _fraction_to_json(number: Fraction, where: str) -> str:
    if max(abs(number.numerator), number.denominator) >= 10**MAX_FRACTION_DIGITS:
        raise ModelFileError(f"{where}: a fraction of more than {MAX_FRACTION_DIGITS} digits above or below")
    return f"{number.numerator}/{number.denominator}"


def _fraction_from_json(item: Json, where: str) -> Fraction:
    match = _FRACTION.fullmatch(text(item, where, 2 * MAX_FRACTION_DIGITS + 2))
    if match is None or max(len(match[1].lstrip("-")), len(match[2])) > MAX_FRACTION_DIGITS or not int(match[2]):
        raise ModelFileError(f"{where}: {shown(item)} is no fraction p/q of at most {MAX_FRACTION_DIGITS} digits each")
    number = Fraction(int(match[1]), int(match[2]))
    if _fraction_to_json(number, where) != item:
        raise ModelFileError(f"{where}: {shown(item)} is not in lowest terms")
    return number


def _note(item: Json, where: str) -> str:
    return text(item, where, MAX_NOTE, lines=True)


def _provenance(item: Json) -> dict[str, str]:
    if not isinstance(item, dict) or len(item) > MAX_ENDS:
        raise ModelFileError(f"provenance: an object of at most {MAX_ENDS} fields is needed")
    return {text(key, "provenance", MAX_NAME): _note(note, f"provenance.{key}") for key, note in item.items()}

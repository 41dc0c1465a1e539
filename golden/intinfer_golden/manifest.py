"""`manifest.json`: everything about a set of vectors that a reader would otherwise have to guess.

`manifest.schema.json`, beside this file, is its JSON schema.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from intinfer import model_file
from intinfer.accumulator import Accumulator
from intinfer.errors import DataError
from intinfer.files import write_into
from intinfer.graph import Graph, Node, Value
from intinfer.ops import Bitshift, Requant, Tgap, Threshold
from intinfer.tensor import CellularWeights, IntTensor
from intinfer.types import IntArray

from .codes import Code
from .formats import FORMATS
from .tensors import Tensor

FORMAT = "intinfer-golden"
VERSION = 3
NAME = "manifest.json"
GRAPH = "model.npz"
"""File of a set: the graph that its values are of, as a model file."""

_READ_FIRST = ("npy", "bin")
"""Formats that are read faster than text."""


def value_entry(value: Value) -> dict[str, Any]:
    """An input of the graph."""
    return {"name": value.name, "shape": list(value.shape), "lo": value.type.lo, "hi": value.type.hi}


def output_entries(graph: Graph) -> list[dict[str, Any]]:
    """The graph's outputs: real = scale * z + offset, the fractions as text."""
    return [
        {
            "name": out.name,
            "value": out.value,
            "scale": [str(number) for number in out.scale],
            "offset": [str(number) for number in out.offset],
        }
        for out in graph.outputs
    ]


def node_entry(node: Node) -> dict[str, Any]:
    """A node with every attribute that is not a tensor."""
    attributes = {field.name: getattr(node.op, field.name) for field in fields(node.op)}
    plain = {name: value for name, value in attributes.items() if not isinstance(value, IntTensor | CellularWeights)}
    return {
        "name": node.name,
        "source": list(node.source),
        "op": node.op.kind,
        "inputs": list(node.inputs),
        "shape": list(node.output.shape),
        "lo": node.output.type.lo,
        "hi": node.output.type.hi,
        "compare": _compare(node),
        "rounding": _rounding(node),
        "attributes": {name: _plain(value) for name, value in plain.items()},
    }


@dataclass(frozen=True)
class Written:
    """A file of a set: path inside the set, length and SHA-256."""

    format: str
    path: str
    bytes: int
    sha256: str


def tensor_entry(
    tensor: Tensor,
    files: Sequence[Written],
    seen: tuple[int, int],
    overflows: int | None,
    generated: CellularWeights | None,
) -> dict[str, Any]:
    """A tensor with the lowest and highest value `seen` in it."""
    automaton = generated and {"rule": generated.rule, "seed": list(generated.seed), "rows": generated.rows}
    return {
        "node": tensor.node,
        "attribute": tensor.attribute or None,
        "role": tensor.role,
        "source": list(tensor.source),
        "axes": list(tensor.axes),
        "shape": list(tensor.shape),
        "order": list(tensor.order),
        "bits": tensor.code.bits,
        "signed": tensor.code.signed,
        "code": tensor.code.name,
        "code_map": tensor.code.map,
        "elements": tensor.elements,
        "elements_per_word": tensor.fold,
        "fold_axis": tensor.fold_axis,
        "run": tensor.run,
        "words_per_run": tensor.words_per_run,
        "frame_words": tensor.frame_words,
        "words": tensor.words,
        "word_bits": tensor.word_bits,
        "beat_bits": 8 * tensor.word_bytes,
        "lsb_first": True,
        "lo": tensor.lo,
        "hi": tensor.hi,
        "min": seen[0],
        "max": seen[1],
        "overflows": overflows,
        "generated": automaton,
        "files": [asdict(file) for file in files],
    }


def port_entries(graph: Graph, tensors: Sequence[Tensor], given_demand: bool) -> list[dict[str, Any]]:
    """The streams of a design that computes the graph: its inputs, the given demand masks, its outputs."""
    places = {tensor.node: i for i, tensor in enumerate(tensors) if tensor.role != "demand_mask"}
    masks = [i for i, tensor in enumerate(tensors) if tensor.role == "demand_mask"] if given_demand else []
    streams = {
        "in": ("s", [places[value.name] for value in graph.inputs]),
        "demand": ("d", masks),
        "out": ("m", [places[out.value] for out in graph.outputs]),
    }
    return [
        {"port": f"{letter}{number}_axis", "direction": direction, "tensor": tensor}
        for direction, (letter, found) in streams.items()
        for number, tensor in enumerate(found)
    ]


def _compare(node: Node) -> list[str] | None:
    """The comparison that a channel's 1 means: one for all channels, or one a channel."""
    if isinstance(node.op, Threshold):
        return ["<=" if down else ">=" for down in node.op.descending.values]
    return [">"] if isinstance(node.op, Tgap) else None


def _rounding(node: Node) -> str | None:
    if isinstance(node.op, Requant):
        return str(node.op.rounding)
    return "floor" if isinstance(node.op, Bitshift) and node.op.bits > 1 else None


def _plain(value: Any) -> Any:
    if isinstance(value, Accumulator):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Enum) else value


def write(directory: Path, document: dict[str, Any]) -> None:
    write_into(directory / NAME, json.dumps(document, indent=1).encode("ascii") + b"\n")


@dataclass(frozen=True)
class Stored:
    """A tensor of a set on disk."""

    directory: Path
    tensor: Tensor
    files: tuple[Written, ...]

    def values(self) -> IntArray:
        """int64, one entry an element, a vector in the order of files; words are unfolded.

        Raises DataError when the file is not the one that was written.
        """
        stored = min(self.files, key=lambda file: file.format not in _READ_FIRST)
        file = self.directory / stored.path
        if not file.is_file():
            raise DataError(f"{file}: is missing; {self.directory} is not whole, make it again with intinfer golden")
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != stored.sha256:
            raise DataError(f"{file}: was changed after it was written; make the vectors again with intinfer golden")
        return FORMATS[stored.format].read(self.tensor, data)  # the bytes are those we wrote, so their form is known


@dataclass(frozen=True)
class VectorSet:
    """A set of vectors on disk: the values that a dump may be of, in graph order, and their demand masks.

    Attributes:
        model: hash of GRAPH.
        mode: "network", or "isolated" for a region cut out of one.
        region: the region's name; None of a whole network.
        frames: a label of each image.
    """

    directory: Path
    values: dict[str, Stored]
    masks: dict[str, Stored]
    model: str
    mode: str
    region: str | None
    frames: tuple[str, ...]

    def graph(self) -> Graph:
        """The graph that the values are of: the whole network, or a region of it.

        Raises DataError when the file is missing or not the one that was written, ModelFileError when it is damaged.
        """
        path = self.directory / GRAPH
        if not path.is_file():
            raise DataError(f"{path}: is missing; {self.directory} is not whole, make it again with intinfer golden")
        if hashlib.sha256(path.read_bytes()).hexdigest() != self.model:
            raise DataError(f"{path}: was changed after it was written; make the vectors again with intinfer golden")
        return model_file.load(path)


def load(directory: Path) -> VectorSet:
    """Read a manifest. Raises DataError when it is missing, of another version, or not what `write` makes."""
    path = directory / NAME
    if not path.is_file():
        raise DataError(f"{directory}: has no {NAME}; give a folder that intinfer golden made")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise DataError(f"{path}: is not JSON; make the vectors again with intinfer golden") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DataError(f"{path}: is not a manifest of golden vectors; give a folder that intinfer golden made")
    if document.get("version") != VERSION:
        raise DataError(f"{path}: has version {document.get('version')!r}, this intinfer reads {VERSION}")
    values: dict[str, Stored] = {}
    masks: dict[str, Stored] = {}
    try:
        for item in document["tensors"]:
            if item["attribute"] is None:
                kind = masks if item["role"] == "demand_mask" else values
                kind[item["node"]] = _stored(directory, item)
        region = document["region"] and str(document["region"]["name"])
        frames = tuple(str(label) for label in document["frames"])
        model = str(document["graph"]["sha256"])
        return VectorSet(directory, values, masks, model, str(document["mode"]), region, frames)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: is damaged ({type(error).__name__}: {error}); make the vectors again") from None


def _stored(directory: Path, item: dict[str, Any]) -> Stored:
    tensor = Tensor(
        node=str(item["node"]),
        attribute="",
        role=str(item["role"]),
        source=tuple(str(name) for name in item["source"]),
        axes=tuple(item["axes"]),
        shape=tuple(int(extent) for extent in item["shape"]),
        order=tuple(item["order"]),
        code=Code(item["code"], int(item["bits"])),
        lo=int(item["lo"]),
        hi=int(item["hi"]),
        fold=int(item["elements_per_word"]),
    )
    if sorted(tensor.axes) != sorted(tensor.order) or len(tensor.axes) != len(tensor.shape) or tensor.order[0] != "N":
        raise ValueError(f"axes {tensor.axes}, shape {tensor.shape} and order {tensor.order} do not fit")
    if min(tensor.shape) < 1 or tensor.fold < 1 or tensor.words != item["words"]:
        raise ValueError(f"shape {tensor.shape} with {tensor.fold} elements a word is not {item['words']} words")
    files = tuple(
        Written(file["format"], f"{tensor.path}.{file['format']}", int(file["bytes"]), str(file["sha256"]))
        for file in item["files"]
        if file["format"] in FORMATS
    )
    if not files:
        raise ValueError("no files")
    return Stored(directory, tensor, files)

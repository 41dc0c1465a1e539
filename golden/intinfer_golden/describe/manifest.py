"""`manifest.json`: everything about a set of vectors that a reader would otherwise have to guess.

`manifest.schema.json`, beside this file, is its JSON schema.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from intinfer import model_file
from intinfer.errors import DataError
from intinfer.files.atomic import write_into
from intinfer.graph import Graph
from intinfer.types import IntArray

from . import documents
from .entries import Written, carried, tensor_of
from .formats import FORMATS
from .tensors import Tensor

FORMAT = "intinfer-golden"
VERSION = 3
NAME = "manifest.json"
GRAPH = "model.npz"
"""File of a set: the graph that its values are of, as a model file."""

_READ_FIRST = ("npy", "bin")
"""Formats that are read faster than text."""


def write(directory: Path, document: dict[str, Any]) -> None:
    """Write a document as the manifest of the set in `directory`."""
    write_into(directory / NAME, json.dumps(document, indent=1).encode("ascii") + b"\n")


def _unchanged(directory: Path, name: str, sha256: str) -> Path:
    """A file of a set. Raises DataError when it is missing or not the one that was written."""
    path = directory / name
    if not path.is_file():
        raise DataError(f"{path}: is missing; {directory} is not whole, make it again with intinfer golden")
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise DataError(f"{path}: was changed after it was written; make the vectors again with intinfer golden")
    return path


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
        self.check()
        return self._between(0, self.tensor.elements)

    def check(self) -> None:
        """Raises DataError when a file is missing, or not the one that was written."""
        format_ = FORMATS[self._format]
        for written in self._written:
            file = _unchanged(self.directory, written.path, written.sha256)
            if file.stat().st_size * len(self._written) != format_.size(self.tensor):
                raise DataError(
                    f"{file}: node {self.tensor.node!r} has not {self.tensor.elements} values; make the vectors again"
                )

    def frames(self, start: int, stop: int) -> IntArray:
        """The values of some frames, of a file that `check` was called for."""
        each = self.tensor.elements // self.tensor.shape[0]
        return self._between(start * each, stop * each)

    def _between(self, start: int, stop: int) -> IntArray:
        """Some elements, whole runs; of a tensor in tiles all."""
        format_, bodies = FORMATS[self._format], []
        begin, end = (format_.body_bytes(self.tensor, elements) for elements in (start, stop))
        for written in self._written:
            with open(self.directory / written.path, "rb") as file:
                file.seek(len(format_.header(self.tensor)) + begin)
                bodies.append(file.read(end - begin))
        return format_.decode(self.tensor, *bodies)  # the bytes are those we wrote, so their form is known

    @property
    def _format(self) -> str:
        return min((file.format for file in self.files), key=lambda name: name not in _READ_FIRST)

    @property
    def _written(self) -> tuple[Written, ...]:
        """The files that are read, one a memory."""
        return tuple(file for file in self.files if file.format == self._format)

    def array(self) -> IntArray:
        """`values` with the tensor's axes, (N, C, H, W) or (N, C). Errors as `values`."""
        return self.tensor.shaped(self.values())

    def memh(self) -> str:
        """Its memh file, from the set's folder. Raises DataError where there is none."""
        for file in self.files:
            if file.format == "memh":
                return file.path
        raise DataError(
            f"{self.directory / NAME}: {self.tensor.node} has no memh file, which a test bench reads; make it with "
            "--format memh"
        )


@dataclass(frozen=True)
class Port:
    """An AXI4-Stream of a design.

    Attributes:
        name: s0_axis, d0_axis, m0_axis, ...; of a stream inside the design its place there.
        direction: in, demand, out.
        stored: what it carries.
        mask: the demand masks of an output; None where all channels are always demanded.
    """

    name: str
    direction: str
    stored: Stored
    mask: Stored | None

    @property
    def tensor(self) -> Tensor:
        """The tensor whose words it carries."""
        return self.stored.tensor

    @property
    def node(self) -> str:
        """The node, or input, whose values or demand masks it carries."""
        return self.tensor.node

    @property
    def frame_words(self) -> int:
        """Beats of a frame."""
        return self.tensor.words // self.tensor.shape[0]


@dataclass(frozen=True)
class VectorSet:
    """A set of vectors on disk: the values that a dump may be of, in graph order, their demand masks, and constants.

    Attributes:
        model: hash of GRAPH.
        mode: "network", or "isolated" for a region cut out of one.
        region: the region's name; None of a whole network.
        frames: a label of each image.
        constants: of nodes, by node and attribute with a dot between.
        streams: those of a design that computes the graph, by name, inputs before outputs.
    """

    directory: Path
    values: dict[str, Stored]
    masks: dict[str, Stored]
    model: str
    mode: str
    region: str | None
    frames: tuple[str, ...]
    streams: dict[str, Port] = field(default_factory=dict)
    constants: dict[str, Stored] = field(default_factory=dict)

    @property
    def ports(self) -> dict[str, Port]:
        """The streams of values, by name; those of demand masks are not among them."""
        return {name: port for name, port in self.streams.items() if port.direction != "demand"}

    def carrying(self, node: str, name: str, direction: str = "out") -> Port:
        """A stream that carries the values of a node, or with direction "demand" its masks."""
        kind = self.masks if direction == "demand" else self.values
        return Port(name, direction, kind[node], self.masks.get(node) if direction == "out" else None)

    def graph(self) -> Graph:
        """The graph that the values are of: the whole network, or a region of it.

        Raises DataError when the file is missing or not the one that was written, ModelFileError when it is damaged.
        """
        return model_file.load(_unchanged(self.directory, GRAPH, self.model))


def load(directory: str | PathLike[str]) -> VectorSet:
    """Read a manifest. Raises DataError when it is missing, of another version, or not what `write` makes."""
    return read(Path(directory))[1]


def read(directory: Path) -> tuple[dict[str, Any], VectorSet]:
    """The manifest's document, whose `ports` and `tensors` are as this version writes them, and the set. Errors as
    `load`."""
    path = directory / NAME
    if not path.is_file():
        raise DataError(documents.no_set(directory, NAME))
    document = documents.read(path, FORMAT, VERSION, "manifest of golden vectors")
    try:
        return document, _vectors(directory, document)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{path}: is damaged ({type(error).__name__}: {error}); {documents.AGAIN}") from None


def _vectors(directory: Path, document: dict[str, Any]) -> VectorSet:
    values: dict[str, Stored] = {}
    masks: dict[str, Stored] = {}
    constants: dict[str, Stored] = {}
    found = [Stored(directory, *tensor_of(item)) for item in document["tensors"]]
    for stored in found:
        kind = masks if stored.tensor.role == "demand_mask" else values
        kind = constants if stored.tensor.attribute else kind
        if stored.tensor.name in kind:
            raise ValueError(f"{stored.tensor.name} comes twice")
        kind[stored.tensor.name] = stored
    vectors = VectorSet(
        directory,
        values,
        masks,
        model=str(document["graph"]["sha256"]),
        mode=str(document["mode"]),
        region=document["region"] and str(document["region"]["name"]),
        frames=_labels(document, [*values.values(), *masks.values()]),
        constants=constants,
    )
    for name, (direction, number) in carried([stored.tensor for stored in found], document["ports"]).items():
        vectors.streams[name] = vectors.carrying(found[number].tensor.node, name, direction)
    return vectors


def _labels(document: dict[str, Any], stored: Sequence[Stored]) -> tuple[str, ...]:
    """The labels of the images. Raises ValueError where they are not as many as every tensor has."""
    labels = tuple(str(label) for label in document["frames"])
    for count in (document["images"], *(entry.tensor.shape[0] for entry in stored)):
        if count != len(labels):
            raise ValueError(f"frames are {len(labels)}, a tensor or images says {count}")
    return labels

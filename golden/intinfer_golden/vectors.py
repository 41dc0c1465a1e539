"""Golden vectors: every value of a run on images, with the masks and constants that a test bench needs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

import intinfer
from intinfer import model_file, reference
from intinfer.accumulator import Accumulator, Overflow
from intinfer.errors import DataError, RangeError
from intinfer.graph import Graph, Node
from intinfer.model import Model
from intinfer.ops import Conv2d, Dense
from intinfer.reference import Arrays
from intinfer.tensor import CellularWeights
from intinfer.types import LIMIT, IntArray

from . import manifest
from .crosscheck import CrossCheck
from .demand import demand_masks
from .files import FORMATS, TensorFile, estimated_bytes
from .tensors import ORDERS, Tensor, constants, mask_tensors, selected, value_tensors
from .trace import check_new_directory, new_directory

BULK = 64 * 2**20
"""Bytes of `memh` from which a set is written as `.npy` alone unless asked otherwise."""


def write_vectors(
    model: Model,
    images: Arrays,
    directory: str | PathLike[str],
    *,
    formats: Sequence[str] | None = None,
    order: str = "nhwc",
    nodes: Collection[str] | None = None,
    options: Mapping[str, str] | None = None,
) -> None:
    """Write the golden vectors of some images into a new `directory`.

    Files: `values/NODE` holds an input or the output of a node for all images, one after the other (of a convolution
    or dense layer that is the accumulator after its overflow rule), `demand/NODE` which channels each image demands,
    `constants/NODE.ATTRIBUTE` weights, thresholds and the like, and `manifest.json` describes all of them. Node names
    are escaped as in `names`. Values come from the reference, with nothing skipped, and each is compared with the fast
    engine first. The same model, images and options give the same bytes. The directory appears whole or not at all.

    Args:
        images: an integer array (N, *shape) or, for one image, (*shape); {input name: array} for several inputs.
        formats: of "memh" and "npy"; None for both, or for "npy" alone where "memh" would be over 64 MiB.
        order: "nhwc", a pixel's channels innermost, or "nchw".
        nodes: names of the nodes to write, None for all. Inputs are always written.
        options: more options of the command to record in the manifest, no paths.

    Raises:
        DataError: an unknown node, format or order, no images, or `directory` exists and is not an empty folder.
        GraphError: inputs of wrong names or shapes.
        RangeError: a value outside its input's type, or a `trap` accumulator that left its range.
        IntinferError: the fast engine and the reference differ; the message names the node.
    """
    check_new_directory(Path(directory))
    inputs = batch(model.graph, images)
    count = len(next(iter(inputs.values())))
    sizes = estimate(model.graph, count, order=order, nodes=nodes)
    formats = usual_formats(sizes) if formats is None else known_formats(formats)
    with new_directory(directory) as partial:
        writer = _Writer(model, partial, count, formats, order, nodes)
        writer.images(inputs)
        document = {
            "format": manifest.FORMAT,
            "version": manifest.VERSION,
            "tool": {"name": "intinfer", "version": intinfer.__version__},
            "model": {"sha256": _model_hash(model.graph, partial)},
            "command": {
                "verb": "golden",
                "format": list(formats),
                "order": order,
                "nodes": None if nodes is None else [n.name for n in model.graph.nodes if n.name in nodes],
                "options": dict(sorted((options or {}).items())),
            },
            "images": count,
            "inputs": [
                manifest.value_entry(value) | {"sha256": _input_hash(inputs[value.name])}
                for value in model.graph.inputs
            ],
            "outputs": manifest.output_entries(model.graph),
            "nodes": [manifest.node_entry(node) for node in model.graph.nodes],
            "tensors": list(writer.entries()),
        }
        manifest.write(partial, document)


def estimate(graph: Graph, images: int, *, order: str = "nhwc", nodes: Collection[str] | None = None) -> dict[str, int]:
    """Bytes that each format would take, headers and manifest not counted. Errors as `write_vectors`."""
    if order not in ORDERS:
        raise DataError(f"order {order!r} is unknown; there are {' and '.join(ORDERS)}")
    values = selected(graph, nodes)
    tensors = [
        *value_tensors(graph, values, images, order),
        *mask_tensors(graph, values, images),
        *(constant.tensor for constant in constants(graph, values, order)),
    ]
    return {name: sum(estimated_bytes(tensor, name) for tensor in tensors) for name in FORMATS}


def usual_formats(sizes: Mapping[str, int]) -> list[str]:
    """The formats of a set whose `estimate` is `sizes`, when nobody asks for any."""
    return list(FORMATS) if sizes["memh"] <= BULK else ["npy"]


def batch(graph: Graph, images: Arrays) -> dict[str, IntArray]:
    """Checked inputs with a batch axis."""
    given = images if isinstance(images, Mapping) else {graph.inputs[0].name: images}
    shapes = {value.name: value.shape for value in graph.inputs}
    arrays = {name: np.asarray(array) for name, array in given.items()}
    arrays = {name: array[None] if array.shape == shapes.get(name) else array for name, array in arrays.items()}
    checked = reference.checked_inputs(graph, arrays)
    if not len(next(iter(checked.values()))):
        raise DataError("there are no images; golden vectors need at least one")
    return checked


def known_formats(formats: Sequence[str]) -> list[str]:
    """The formats asked for, each once. Raises DataError when one is unknown or there is none."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        what = f"format {unknown[0]!r} is unknown" if unknown else "no format is asked for"
        raise DataError(f"{what}; there are {' and '.join(FORMATS)}")
    return [name for name in FORMATS if name in formats]


@dataclass
class _Growing:
    """A tensor while it is written: its files, the lowest and highest value so far, and what overflowed."""

    tensor: Tensor
    files: list[TensorFile]
    overflows: int | None = None
    generated: CellularWeights | None = None
    lowest: int = 2 * LIMIT
    highest: int = -2 * LIMIT

    def append(self, values: IntArray) -> None:
        flat = self.tensor.flat(values).astype(np.int64)
        self.lowest, self.highest = min(self.lowest, int(flat.min())), max(self.highest, int(flat.max()))
        for file in self.files:
            file.append(flat)


class _Writer:
    """Writes image by image, so that memory is that of one image."""

    def __init__(
        self,
        model: Model,
        directory: Path,
        images: int,
        formats: Sequence[str],
        order: str,
        nodes: Collection[str] | None,
    ) -> None:
        self._graph = model.graph
        self._check = CrossCheck(model)
        values = selected(model.graph, nodes)

        def growing(tensor: Tensor, generated: CellularWeights | None = None) -> _Growing:
            return _Growing(tensor, [TensorFile(directory, tensor, name) for name in formats], generated=generated)

        self._values = [growing(tensor) for tensor in value_tensors(model.graph, values, images, order)]
        self._masks = [growing(tensor) for tensor in mask_tensors(model.graph, values, images)]
        self._constants = []
        for constant in constants(model.graph, values, order):
            self._constants.append(growing(constant.tensor, constant.generated))
            self._constants[-1].append(constant.values)

    def images(self, inputs: Mapping[str, IntArray]) -> None:
        for image in range(len(next(iter(inputs.values())))):
            one = {name: array[image : image + 1] for name, array in inputs.items()}
            try:
                values = reference.trace(self._graph, one)
            except RangeError as error:
                raise RangeError(f"image {image} (images counted from 0): {error}") from None
            self._check.check(one, values, image)
            masks = demand_masks(self._graph, {name: array[0] for name, array in values.items()})
            for entry in self._values:
                entry.append(values[entry.tensor.node])
                node = self._graph.node_by_name.get(entry.tensor.node)
                overflows = None if node is None else _overflows(node, values)
                if overflows is not None:
                    entry.overflows = (entry.overflows or 0) + overflows
            for entry in self._masks:
                entry.append(masks[entry.tensor.node][None].astype(np.int64))

    def entries(self) -> Iterator[dict[str, Any]]:
        for entry in (*self._values, *self._masks, *self._constants):
            seen = (entry.lowest, entry.highest)
            yield manifest.tensor_entry(entry.tensor, entry.files, seen, entry.overflows, entry.generated)


def _overflows(node: Node, values: Mapping[str, IntArray]) -> int | None:
    """How many values of an accumulator are not the exact sum; None for a node without accumulator."""
    if not isinstance(node.op, Conv2d | Dense):
        return None
    if node.op.accumulator.overflow in (Overflow.PROVE, Overflow.TRAP):
        return 0
    exact = replace(node.op, accumulator=Accumulator.prove(62)).reference(*(values[name] for name in node.inputs))
    return int((exact != values[node.name]).sum())


def _model_hash(graph: Graph, directory: Path) -> str:
    """SHA-256 of the model file, which has the same bytes whenever it is written."""
    path = directory / "model.npz"
    model_file.save(graph, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    return digest


def _input_hash(array: IntArray) -> str:
    """SHA-256 of the decoded integers, (N, *shape) in C order as little-endian int64."""
    return hashlib.sha256(array.astype("<i8").tobytes()).hexdigest()

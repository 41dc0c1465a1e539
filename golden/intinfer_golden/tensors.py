"""The tensors of a set of vectors: what each one is, its shape, its order in a file and its code."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from math import prod

import numpy as np
import numpy.typing as npt

from intinfer.accumulator import Accumulator
from intinfer.errors import DataError
from intinfer.graph import Graph, Node, Shape, Value
from intinfer.tensor import CellularWeights, IntTensor
from intinfer.types import IntArray

from .codes import Code
from .names import file_stem

ORDERS = {"nhwc": "NHWC", "nchw": "NCHW"}
"""Order by option, outermost axis first. Weights follow: O KH KW I with nhwc, O I KH KW with nchw."""

_CONSTANT_AXES = {
    ("conv2d", "weight"): ("O", "I", "KH", "KW"),
    ("dense", "weight"): ("O", "I"),
    ("threshold", "thresholds"): ("C", "T"),
    ("table", "entries"): ("C", "Z"),
}
"""Other constants have one entry a channel."""
_FOLDERS = {"weight": "constants", "threshold": "constants", "constant": "constants", "demand_mask": "demand"}


@dataclass(frozen=True)
class Tensor:
    """One tensor of the set.

    Attributes:
        node: name of the value, or of the node whose constant it is.
        attribute: the constant's name among the node's attributes; empty for a value.
        role: input, output (of a node), accumulator, mux_select, demand_mask, weight, threshold, constant.
        axes, shape: the tensor as the graph has it, with the images as axis N.
        order: the same axes as files have them, outermost first. N is always first.
        lo, hi: what is known of the values beforehand.
    """

    node: str
    attribute: str
    role: str
    source: tuple[str, ...]
    axes: tuple[str, ...]
    shape: Shape
    order: tuple[str, ...]
    code: Code
    lo: int
    hi: int

    @property
    def words(self) -> int:
        return prod(self.shape)

    @property
    def file_shape(self) -> Shape:
        """Shape along `order`."""
        return tuple(self.shape[self.axes.index(axis)] for axis in self.order)

    @property
    def path(self) -> str:
        """Of its files inside the set, without suffix."""
        attribute = f".{self.attribute}" if self.attribute else ""
        return f"{_FOLDERS.get(self.role, 'values')}/{file_stem(self.node)}{attribute}"

    def flat(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Values with the axes `axes` (or some images of them) as a vector in the order of files."""
        return values.transpose([self.axes.index(axis) for axis in self.order]).reshape(-1)


@dataclass(frozen=True)
class Constant:
    """A constant of a node with its values."""

    tensor: Tensor
    values: IntArray
    generated: CellularWeights | None


def selected(graph: Graph, nodes: Collection[str] | None) -> list[Value]:
    """The values of the set in graph order: all inputs, and the nodes asked for (all with None).

    Raises DataError for a name that no node has, or for none at all.
    """
    if nodes is not None and not nodes:
        raise DataError("no nodes are asked for; name some, or leave the choice out for all")
    for name in nodes or ():
        if name not in graph.node_by_name:
            from difflib import get_close_matches

            near = get_close_matches(name, graph.node_by_name, n=3) or list(graph.node_by_name)[:3]
            raise DataError(f"the model has no node {name!r}; close names: {', '.join(near)}")
    return [*graph.inputs, *(node.output for node in graph.nodes if nodes is None or node.name in nodes)]


def value_tensors(graph: Graph, values: Sequence[Value], images: int, order: str) -> list[Tensor]:
    """The tensors of values, in their order."""
    return [_value_tensor(graph, value, images, order) for value in values]


def mask_tensors(graph: Graph, values: Sequence[Value], images: int) -> list[Tensor]:
    """The demand masks (N, C) of those values that nodes make."""
    nodes = [graph.node_by_name[value.name] for value in values if value.name in graph.node_by_name]
    axes = ("N", "C")
    return [
        Tensor(
            node=node.name,
            attribute="",
            role="demand_mask",
            source=node.source,
            axes=axes,
            shape=(images, node.output.shape[0]),
            order=axes,
            code=Code("unsigned", 1),
            lo=0,
            hi=1,
        )
        for node in nodes
    ]


def constants(graph: Graph, values: Sequence[Value], order: str) -> list[Constant]:
    """The constants of those values that nodes make, in their order; generated weights as they come out."""
    nodes = [graph.node_by_name[value.name] for value in values if value.name in graph.node_by_name]
    return [constant for node in nodes for constant in _constants(node, order)]


def _value_tensor(graph: Graph, value: Value, images: int, order: str) -> Tensor:
    axes = tuple("NCHW"[: 1 + len(value.shape)])
    node = graph.node_by_name.get(value.name)
    code = Code.of_type(value.type)
    role = "output" if node else "input"
    accumulator = getattr(node.op, "accumulator", None) if node else None
    if isinstance(accumulator, Accumulator):
        role, code = "accumulator", Code("twos_complement", accumulator.bits)
    if node and any(reader.op.kind == "mux" and reader.inputs[0] == value.name for reader in graph.nodes):
        role = "mux_select"
    return Tensor(
        node=value.name,
        attribute="",
        role=role,
        source=node.source if node else (),
        axes=axes,
        shape=(images, *value.shape),
        order=tuple(axis for axis in ORDERS[order] if axis in axes),
        code=code,
        lo=value.type.lo,
        hi=value.type.hi,
    )


def _constants(node: Node, order: str) -> list[Constant]:
    found = []
    for field in fields(node.op):
        stored = getattr(node.op, field.name)
        if not isinstance(stored, IntTensor | CellularWeights):
            continue
        axes = _CONSTANT_AXES.get((node.op.kind, field.name), ("C",))
        channels_last = tuple(axis for axis in ("O", "KH", "KW", "I") if axis in axes)
        code = Code.of_encoding(stored.encoding)
        tensor = Tensor(
            node=node.name,
            attribute=field.name,
            role={"weight": "weight", "thresholds": "threshold"}.get(field.name, "constant"),
            source=node.source,
            axes=axes,
            shape=stored.shape,
            order=channels_last if order == "nhwc" and "O" in axes else axes,
            code=code,
            lo=code.lo,
            hi=code.hi,
        )
        found.append(Constant(tensor, stored.values, stored if isinstance(stored, CellularWeights) else None))
    return found

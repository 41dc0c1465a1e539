"""The tensors of a set of vectors: what each one is, its shape, its order in a file and its code."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import prod
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from intinfer.accumulator import Accumulator
from intinfer.errors import DataError
from intinfer.graph import Graph, Node, Shape, Value
from intinfer.tensor import CellularWeights, IntTensor
from intinfer.types import IntArray

from .codes import Code
from .names import file_stem
from .regions import check_names

Scalar = TypeVar("Scalar", bound=np.generic)

MAX_WORD_BITS = 2**16
"""Bits of a packed word. IEEE 1800 (6.9.1) lets a simulator refuse wider vectors."""

_CONSTANT_AXES = {
    ("conv2d", "weight"): ("O", "I", "KH", "KW"),
    ("dense", "weight"): ("O", "I"),
    ("threshold", "thresholds"): ("C", "T"),
    ("table", "entries"): ("C", "Z"),
    ("gather", "index"): ("C", "H", "W"),
}
"""Other constants have one entry a channel."""
_FOLDERS = {"weight": "constants", "threshold": "constants", "constant": "constants", "demand_mask": "demand"}


@dataclass(frozen=True)
class Layout:
    """How files have values: `order` is a permutation of N, C, H, W that begins with N, outermost first, and `folds`
    how many elements a word holds, by value name; of values that are not named, `fold`."""

    order: str = "NHWC"
    fold: int = 1
    folds: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph, order: str, fold: int | Mapping[str, int]) -> Layout:
        """Of options; see `write_vectors`.

        Raises DataError for an order that is none, a value that the graph lacks, a fold below 1, or a word beyond
        65,536 bits.
        """
        if sorted(order) != sorted("nchw") or order[0] != "n":
            raise DataError(
                f"order {order!r} is unknown; give n, then c, h and w in any order (nhwc: a pixel's channels innermost)"
            )
        folds = {"": fold} if isinstance(fold, int) else dict(fold)
        usual = folds.pop("", 1)
        inputs = {value.name for value in graph.inputs}
        check_names(graph, [name for name in folds if name not in inputs])
        for name, elements in [("", usual), *folds.items()]:
            if elements < 1:
                what = f"fold {elements} of value {name!r}" if name else f"fold {elements}"
                raise DataError(f"{what} is no number of elements a word; give 1 or more")
        layout = cls(order.upper(), usual, folds)
        for tensor in value_tensors(graph, list(graph.values.values()), 1, layout):
            if tensor.fold > 1 and tensor.word_bits > MAX_WORD_BITS:
                raise DataError(
                    f"value {tensor.node!r}: {tensor.fold} elements of {tensor.code.bits} bits are a word of "
                    f"{tensor.word_bits:,} bits, more than {MAX_WORD_BITS:,}; fold less"
                )
        return layout

    def of_region(self, graph: Graph) -> dict[str, int]:
        """The folds as an option for a graph that has some of the values."""
        return {name: elements for name, elements in self.folds.items() if name in graph.values} | {"": self.fold}

    def elements(self, value: str) -> int:
        """Elements a word of a value."""
        return self.folds.get(value, self.fold)


@dataclass(frozen=True)
class Tensor:
    """One tensor of the set.

    A *run* is one pass along the innermost axis of the files. `fold` elements stand in a word, element 0 in the least
    significant bits; when `fold` does not divide the run, the last word of each run is partial and its unused lanes
    are 0.

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
    fold: int = 1

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def fold_axis(self) -> str:
        """The innermost axis, along which elements share a word."""
        return self.order[-1]

    @property
    def run(self) -> int:
        """Elements of a run."""
        return self.shape[self.axes.index(self.fold_axis)]

    @property
    def words_per_run(self) -> int:
        return -(-self.run // self.fold)

    @property
    def words(self) -> int:
        """Words in a file."""
        return self.elements // self.run * self.words_per_run

    @property
    def frame_words(self) -> int | None:
        """Words of one image; None for a constant."""
        return self.words // self.shape[0] if self.axes[0] == "N" else None

    @property
    def word_bits(self) -> int:
        return self.fold * self.code.bits

    @property
    def word_bytes(self) -> int:
        return -(-self.word_bits // 8)

    @property
    def file_shape(self) -> Shape:
        """Shape along `order`, one entry an element."""
        return tuple(self.shape[self.axes.index(axis)] for axis in self.order)

    @property
    def path(self) -> str:
        """Of its files inside the set, without suffix."""
        attribute = f".{self.attribute}" if self.attribute else ""
        return f"{_FOLDERS.get(self.role, 'values')}/{file_stem(self.node)}{attribute}"

    def flat(self, values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Values with the axes `axes` (or some images of them) as a vector in the order of files."""
        return values.transpose([self.axes.index(axis) for axis in self.order]).reshape(-1)

    def shaped(self, vector: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """The inverse of `flat`, for any number of images: a vector in the order of files with the axes `axes`."""
        extents = self.file_shape if self.axes[0] != "N" else (-1, *self.file_shape[1:])
        return vector.reshape(extents).transpose([self.order.index(axis) for axis in self.axes])


@dataclass(frozen=True)
class Constant:
    """A constant of a node with its values."""

    tensor: Tensor
    values: IntArray
    generated: CellularWeights | None


def selected(graph: Graph, nodes: Collection[str] | None) -> list[Value]:
    """The values of the set in graph order: all inputs and outputs of the graph, and the nodes asked for (None: all).

    Raises DataError for a name that no node has, or for none at all.
    """
    if nodes is not None and not nodes:
        raise DataError("no nodes are asked for; name some, or leave the choice out for all")
    check_names(graph, nodes or ())
    results = {out.value for out in graph.outputs}
    wanted = (n.output for n in graph.nodes if nodes is None or n.name in nodes or n.name in results)
    return [*graph.inputs, *wanted]


def value_tensors(graph: Graph, values: Sequence[Value], images: int, layout: Layout) -> list[Tensor]:
    """The tensors of values, in their order."""
    selects = {node.inputs[0] for node in graph.nodes if node.op.kind == "mux"}
    return [_value_tensor(graph, value, images, layout, value.name in selects) for value in values]


def mask_tensors(graph: Graph, values: Sequence[Value], images: int) -> list[Tensor]:
    """The demand masks (N, C) of those values that nodes make, one word an image."""
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
            fold=node.output.shape[0],
        )
        for node in nodes
    ]


def constants(graph: Graph, values: Sequence[Value], layout: Layout) -> list[Constant]:
    """The constants of those values that nodes make, in their order; generated weights as they come out.

    Weights lie O KH KW I where a pixel's channels are innermost, else O I KH KW, and as many of them share a word as
    elements of the layer's input do; of other constants each element has a word. The index of a gather lies as the
    value that it makes.
    """
    nodes = [graph.node_by_name[value.name] for value in values if value.name in graph.node_by_name]
    return [constant for node in nodes for constant in _constants(node, layout)]


def _value_tensor(graph: Graph, value: Value, images: int, layout: Layout, selects: bool) -> Tensor:
    axes = tuple("NCHW"[: 1 + len(value.shape)])
    node = graph.node_by_name.get(value.name)
    code = Code.of_type(value.type)
    role = "output" if node else "input"
    accumulator = getattr(node.op, "accumulator", None) if node else None
    if isinstance(accumulator, Accumulator):
        role, code = "accumulator", Code("twos_complement", accumulator.bits)
    if node and selects:
        role = "mux_select"
    return Tensor(
        node=value.name,
        attribute="",
        role=role,
        source=node.source if node else (),
        axes=axes,
        shape=(images, *value.shape),
        order=tuple(axis for axis in layout.order if axis in axes),
        code=code,
        lo=value.type.lo,
        hi=value.type.hi,
        fold=layout.elements(value.name),
    )


def _constants(node: Node, layout: Layout) -> list[Constant]:
    found = []
    for attribute in (entry.name for entry in fields(node.op)):
        stored = getattr(node.op, attribute)
        if not isinstance(stored, IntTensor | CellularWeights):
            continue
        axes = _CONSTANT_AXES.get((node.op.kind, attribute), ("C",))[: len(stored.shape)]
        code = Code.of_encoding(stored.encoding)
        tensor = Tensor(
            node=node.name,
            attribute=attribute,
            role={"weight": "weight", "thresholds": "threshold"}.get(attribute, "constant"),
            source=node.source,
            axes=axes,
            shape=stored.shape,
            order=_constant_order(axes, layout.order),
            code=code,
            lo=code.lo,
            hi=code.hi,
            fold=layout.elements(node.inputs[0]) if attribute == "weight" else 1,
        )
        found.append(Constant(tensor, stored.values, stored if isinstance(stored, CellularWeights) else None))
    return found


def _constant_order(axes: tuple[str, ...], order: str) -> tuple[str, ...]:
    """The axes of a constant, outermost first, in files whose values lie in `order`."""
    if "H" in axes:
        return tuple(axis for axis in order if axis in axes)
    if order[-1] == "C" and "O" in axes:
        return tuple(axis for axis in ("O", "KH", "KW", "I") if axis in axes)
    return axes

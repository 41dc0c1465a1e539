"""The tensors of a set: which there are, and how each lies in files, by the graph and the options."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import prod
from typing import Any

from intinfer.accumulator import Accumulator
from intinfer.errors import DataError
from intinfer.graph import Graph, Node, Value
from intinfer.ops.base import Selecting
from intinfer.tensor import CellularWeights, IntTensor
from intinfer.types import IntArray

from .codes import Code
from .formats import FORMATS
from .layout import WordOptions
from .regions import check_choice, check_names
from .tensors import Tensor

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
_TILED = {"weights": ("conv2d", "dense"), "thresholds": ("threshold", "requant", "affine")}
"""By option, the ops with constants that it gives a tile."""


@dataclass(frozen=True)
class Layout:
    """How files have values: `order` is a permutation of N, C, H, W that begins with N, outermost first, `folds` how
    many elements a word holds, by value name; of values that are not named, `fold`; `words` all else of words."""

    order: str = "NHWC"
    fold: int = 1
    folds: Mapping[str, int] = field(default_factory=dict)
    words: WordOptions = field(default_factory=WordOptions)

    @classmethod
    def of(cls, graph: Graph, order: str, fold: int | Mapping[str, int], words: WordOptions | None = None) -> Layout:
        """The layout that options ask for.

        Args:
            order: of the axes, outermost first: "n" and then "c", "h" and "w" in any order. "nhwc" has a pixel's
                channels innermost.
            fold: elements a word, along the innermost axis: of all values, or by value name, with "" for all others.
                Weights are folded like their layer's input.
            words: weights and thresholds in tiles, element 0 in either end, elements in slots; None for neither.

        Raises DataError for an order that is none, a value or node that the graph lacks, a node without the constants
        that a tile is given for, a fold below 1, or a word beyond 65,536 bits.
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
        layout = cls(order.upper(), usual, folds, words or WordOptions())
        layout._check(graph)
        return layout

    def of_region(self, graph: Graph) -> dict[str, Any]:
        """The options `order`, `fold` and `words` for a graph that has some of the values."""
        folds = {name: elements for name, elements in self.folds.items() if name in graph.values} | {"": self.fold}
        return {"order": self.order.lower(), "fold": folds, "words": self.words.of_region(graph.node_by_name)}

    def document(self) -> dict[str, Any]:
        """As a manifest has it, names sorted."""
        folds = dict(sorted(self.folds.items()))
        return {"order": self.order.lower(), "fold": self.fold, "folds": folds, "words": self.words.document()}

    def elements(self, value: str) -> int:
        """Elements a word of a value."""
        return self.folds.get(value, self.fold)

    def _check(self, graph: Graph) -> None:
        """The tiles are of nodes that have such constants, and no word is too wide."""
        for what, tiles in (("weights", self.words.weights), ("thresholds", self.words.thresholds)):
            names = [name for name in tiles if name]
            check_names(graph, names)
            for name in names:
                kind = graph.node_by_name[name].op.kind
                if kind not in _TILED[what]:
                    kinds = " or ".join(_TILED[what])
                    raise DataError(f"a tile of {what} is given for node {name!r}, which is {kind}, not {kinds}")
        values = list(graph.values.values())
        stored = [constant.tensor for constant in constants(graph, values, self)]
        for tensor in [*value_tensors(graph, values, 1, self), *stored]:
            if tensor.lanes * tensor.pe > 1 and tensor.word_bits > MAX_WORD_BITS:
                what = f"constant {tensor.name!r}" if tensor.attribute else f"value {tensor.node!r}"
                raise DataError(
                    f"{what}: {tensor.lanes} elements of {tensor.slot_bits} bits are a word of "
                    f"{tensor.word_bits:,} bits, more than {MAX_WORD_BITS:,}; "
                    + ("give smaller tiles" if tensor.tiled else "fold less")
                )


@dataclass(frozen=True)
class Constant:
    """A constant of a node with its values."""

    tensor: Tensor
    values: IntArray
    generated: CellularWeights | None

    @classmethod
    def of(cls, tensor: Tensor, stored: IntTensor | CellularWeights) -> Constant:
        """The constant that an attribute of an op holds."""
        return cls(tensor, stored.values, stored if isinstance(stored, CellularWeights) else None)


def selected(graph: Graph, nodes: Collection[str] | None) -> list[Value]:
    """The values of the set in graph order: all inputs and outputs of the graph, and the nodes asked for (None: all).

    Raises DataError for a name that no node has, or for none at all.
    """
    check_choice(graph, nodes)
    results = {out.value for out in graph.outputs}
    wanted = (n.output for n in graph.nodes if nodes is None or n.name in nodes or n.name in results)
    return [*graph.inputs, *wanted]


def value_tensors(graph: Graph, values: Sequence[Value], images: int, layout: Layout) -> list[Tensor]:
    """The tensors of values, in their order."""
    selects = {node.inputs[0] for node in graph.nodes if isinstance(node.op, Selecting)}
    return [_value_tensor(graph, value, images, layout, value.name in selects) for value in values]


def constants(graph: Graph, values: Sequence[Value], layout: Layout) -> list[Constant]:
    """The constants of those values that nodes make, in their order; generated weights as they come out.

    Weights lie O KH KW I where a pixel's channels are innermost, else O I KH KW. Without a tile, as many of them share
    a word as elements of the layer's input do, and of other constants each element has a word. The tiles of a layer
    with groups stay inside these; of a depthwise layer, whose groups have one output channel each, they go over the
    channels. Constants that all channels share are one row, which is not padded. Entries of a table and the index of
    a gather, which lies as the value that it makes, are in no tiles.
    """
    nodes = [graph.node_by_name[value.name] for value in values if value.name in graph.node_by_name]
    return [constant for node in nodes for constant in _constants(node, layout)]


@dataclass(frozen=True)
class Contents:
    """What a set holds.

    Attributes:
        frames: tensors of all images: values, then demand masks, each in graph order.
        constants: of nodes, in graph order.
    """

    frames: list[Tensor]
    constants: list[Constant]

    @classmethod
    def of(cls, graph: Graph, nodes: Collection[str] | None, images: int, layout: Layout) -> Contents:
        """What a set of the nodes asked for holds; errors as `selected`."""
        values = selected(graph, nodes)
        made = [graph.node_by_name[value.name] for value in values if value.name in graph.node_by_name]
        frames = [*value_tensors(graph, values, images, layout), *(_mask_tensor(node, images) for node in made)]
        return cls(frames, constants(graph, values, layout))

    def sizes(self, formats: Sequence[str]) -> dict[str, int]:
        """Bytes that the tensors take in each of some formats."""
        tensors = [*self.frames, *(constant.tensor for constant in self.constants)]
        return {name: sum(FORMATS[name].size(tensor) for tensor in tensors) for name in formats}


def _mask_tensor(node: Node, images: int) -> Tensor:
    """The demand masks (N, C) of a node, one word an image."""
    channels = node.output.shape[0]
    return Tensor(
        node=node.name,
        attribute="",
        role="demand_mask",
        source=node.source,
        axes=("N", "C"),
        shape=(images, channels),
        order=("N", "C"),
        code=Code("unsigned", 1),
        lo=0,
        hi=1,
        fold=channels,
    )


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
        slot=layout.words.slot,
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
            slot=layout.words.slot,
            **_tile(node, attribute, axes, layout),
        )
        found.append(Constant.of(tensor, stored))
    return found


def _tile(node: Node, attribute: str, axes: tuple[str, ...], layout: Layout) -> dict[str, Any]:
    """What the words of a constant hold, as fields of its tensor."""
    shape, weights = getattr(node.op, attribute).shape, node.op.kind in _TILED["weights"]
    tiles = layout.words.weights if weights else layout.words.thresholds
    tile = tiles.get(node.name, tiles.get(""))
    if tile is None or not (weights or node.op.kind in _TILED["thresholds"]):
        return {"fold": layout.elements(node.inputs[0])} if weights else {}
    groups = getattr(node.op, "groups", 1)
    return {
        "fold": tile.simd or prod(shape[1:]),
        "pe": tile.pe if weights or shape[0] > 1 else 1,
        "per_pe": tile.per_pe,
        "run_axes": len(axes) - 1,
        "groups": 1 if groups == shape[0] else groups,
    }


def _constant_order(axes: tuple[str, ...], order: str) -> tuple[str, ...]:
    """The axes of a constant, outermost first, in files whose values lie in `order`."""
    if "H" in axes:
        return tuple(axis for axis in order if axis in axes)
    if order[-1] == "C" and "O" in axes:
        return tuple(axis for axis in ("O", "KH", "KW", "I") if axis in axes)
    return axes

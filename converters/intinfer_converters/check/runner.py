"""What `check` needs of a source: its tensors on given pixels, where each is found in the float net, which one shows
which node of the graph, and whether the two belong together at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy.typing as npt

from intinfer.errors import DataError
from intinfer.graph import Graph
from intinfer.ops import Op
from intinfer.types import IntArray

from ..calibrate import run_float
from ..evaluator import FloatArray, apply_chain, split
from ..floatnet import FloatNet, FloatNode, Pixels, Quantise
from ..lowered import Lowered
from ..sources import listed
from ..symbolic import Layout, Reading, Tap

Tensors = Mapping[str, npt.NDArray[Any]]
"""Source tensor -> its values, batch axis first, in the source's own type."""


class Runner(Protocol):
    """A source and its own framework.

    One that knows more of a batch norm than the folded chain of its `Pointwise` node has `norms`: float node -> `Norm`.
    """

    @property
    def reading(self) -> Reading:
        """The float net that the source was read as, and the tap of each of its tensors."""
        ...

    def run(self, pixels: IntArray) -> Tensors:
        """Every tensor of the source that `reading.tensors` names, as its framework computes it.

        Args:
            pixels: (N, *shape of the float net's input), integers in its range.

        Raises:
            IntinferError: the framework fails, or takes no such input.
        """
        ...


def feed(reading: Reading, name: str, pixels: IntArray) -> npt.NDArray[Any]:
    """The source's input tensor `name` for a batch of pixels: (N, size), in the dtype of the net's chains, or the
    pixels themselves where no op stands before it.

    Raises:
        DataError: the tensor is not computed from the pixels alone.
    """
    tap = reading.tensors.get(name)
    if tap is None or reading.net.nodes[0].name != tap.node:
        raise DataError(f"input {name!r} of the source is not read from the pixels; give the source it was made from")
    values: npt.NDArray[Any] = pixels.astype(reading.net.dtype) if tap.chain else pixels
    flat = apply_chain(tap.chain, values.reshape(*pixels.shape[:2], -1)).reshape(len(pixels), -1)
    result: npt.NDArray[Any] = flat[:, tap.index]
    result[:, tap.index < 0] = float(tap.fill)
    return result


class FloatRunner:
    """A calibrated float net as its own source: it exists in no framework, so it runs in NumPy floats.

    Every node of the net is a tensor of its own, called alike.

    Args:
        net: with quantised weights.
    """

    def __init__(self, net: FloatNet) -> None:
        self.reading = own_reading(net)

    def run(self, pixels: IntArray) -> dict[str, FloatArray]:
        """Every node's value, and the outputs, in floats with sums in an order of BLAS' choosing.

        Raises:
            DataError: weights without values, values that are not finite.
        """
        net = self.reading.net
        values = run_float(net, pixels, taps=[node.name for node in net.nodes])
        return {**values, **{name: values[node] for name, node in net.outputs.items()}}


def own_reading(net: FloatNet) -> Reading:
    """The reading of a source whose tensors are the net's nodes."""
    return Reading(net, {node.name: Tap(node.name, Layout.whole(node.shape), ()) for node in net.nodes})


@dataclass(frozen=True, eq=False)
class Pair:
    """A graph node and what shows it: `tensor` of the source is `tap.chain` behind the float node `node`, whose real
    values are `meaning` of the graph node's integers."""

    node: FloatNode
    meaning: Lowered
    tensor: str
    tap: Tap


def shown(reading: Reading) -> dict[str, tuple[str, Tap]]:
    """For each float node the source tensor that shows most of its elements behind the fewest ops, without a jump."""
    best: dict[str, tuple[tuple[int, int], str, Tap]] = {}
    for tensor, tap in reading.tensors.items():
        if split(tap.chain)[1]:
            continue
        rank = (-tap.layout.distinct, len(tap.chain))
        if tap.node not in best or rank < best[tap.node][0]:
            best[tap.node] = (rank, tensor, tap)
    return {node: (tensor, tap) for node, (_, tensor, tap) in best.items()}


def pair_nodes(ours: Graph, reading: Reading, meanings: Mapping[str, Lowered]) -> dict[str, Pair]:
    """Graph node -> the float node of the same integers that a source tensor shows.

    Of several the first quantiser, else the one with the fewest pending ops.
    """
    tensors = shown(reading)
    nodes = set(ours.node_by_name)
    pairs: dict[str, Pair] = {}
    for node in reading.net.nodes:
        meaning = meanings[node.name]
        name = meaning.z.name
        shown_as_it_is = name in nodes and node.name in tensors and not split(meaning.tail)[1]
        if not shown_as_it_is or isinstance(node.op, Pixels):
            continue
        tensor, tap = tensors[node.name]
        known = pairs.get(name)
        if known is None or (len(known.meaning.tail) > len(meaning.tail) and not isinstance(known.node.op, Quantise)):
            pairs[name] = Pair(node, meaning, tensor, tap)
    return pairs


def need_same_nodes(graph: Graph, ours: Graph) -> None:
    """Raise DataError unless `graph` has the nodes, shapes, inputs and outputs of a conversion of the source."""
    theirs, mine = graph.values, ours.values
    problems = [
        *(f"{name!r} is not in the source" for name in theirs if name not in mine),
        *(f"{name!r} of the source is not in the model" for name in mine if name not in theirs),
        *(
            f"{name!r} has shape {theirs[name].shape}, the source {mine[name].shape}"
            for name in theirs
            if name in mine and theirs[name].shape != mine[name].shape
        ),
    ]
    if {value.name for value in graph.inputs} != {value.name for value in ours.inputs}:
        problems.append("the inputs differ")
    if [(out.name, out.value) for out in graph.outputs] != [(out.name, out.value) for out in ours.outputs]:
        problems.append("the outputs differ")
    if problems:
        raise DataError(
            f"the model was not made from this source: node {listed(problems)}; give the checkpoint, and --net, that "
            "it was converted from"
        )


def same_op(a: Op, b: Op) -> bool:
    """Whether two ops compute the same: of one kind, with equal attributes."""
    return type(a) is type(b) and all(getattr(a, each.name) == getattr(b, each.name) for each in fields(a))

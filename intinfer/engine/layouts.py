"""Which values are stored as planes, how, and by what they are turned into plain arrays and back.

Each kernel on planes says what it wishes of its input, its encoding and the margins around it. A wish goes backward
through what keeps codes (views, bitshift, mux, max pool), and forward the kernels are chosen: one on planes where its
inputs are, or may be brought there by a copy, the plain one elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..graph import Graph, Node, Value
from ..kernels.planes import INT32, Encoding, Geometry, map_shape, narrowest
from ..kernels.rows import PlanesKernel
from ..kernels.table import KERNELS
from ..ops.geometry import Pads
from ..types import IntType


def planes_kernel(graph: Graph, node: Node, fused: Node | None) -> type[PlanesKernel] | None:
    """The kernel on planes that takes such a node, wherever its inputs are; None where there is none."""
    inputs = graph.operands(node)
    for kernel in KERNELS[node.op.kind]:
        if issubclass(kernel, PlanesKernel) and kernel.refuses(node, inputs, fused) is None:
            return kernel
    return None


class Wishes:
    """What the kernels of a graph wish: one geometry and one value in the margins for all maps of a size, and an
    encoding for each value.

    Args:
        order: the nodes that have kernels of their own.
        fused: by name, the node that is computed with another.
    """

    def __init__(self, graph: Graph, order: Sequence[Node], fused: Mapping[str, Node]) -> None:
        self._values = graph.values
        self._margins: dict[tuple[int, int], Pads] = {}
        fills: dict[tuple[int, int], Counter[int]] = {}
        self._encodings: dict[str, Counter[Encoding]] = {}
        for node in reversed(order):
            kernel = planes_kernel(graph, node, fused.get(node.name))
            if kernel is None:
                continue
            inputs = graph.operands(node)
            maps = inputs[kernel.map_inputs]
            size = map_shape(maps[0].shape)[1:]
            pads, values = kernel.padding(node, inputs)
            before = self._margins.get(size, (0, 0, 0, 0))
            self._margins[size] = tuple(map(max, before, pads))  # type: ignore[assignment]
            fills.setdefault(size, Counter()).update(values if len(values) == 1 else ())
            wish = kernel.wish(node, inputs)
            wanted = Counter([wish] if wish is not None else [])
            if kernel.keeps_codes:
                wanted = self._encodings.get((fused.get(node.name) or node).name, Counter())
            for value in maps:
                self._encodings.setdefault(value.name, Counter()).update(wanted)
        self._fills = {size: counter.most_common(1)[0][0] for size, counter in fills.items() if counter}

    def geometry(self, value: Value) -> Geometry:
        """Of all maps of this size."""
        _, height, width = map_shape(value.shape)
        return Geometry(height, width, self._margins.get((height, width), (0, 0, 0, 0)))

    def margin(self, value: Value, encoding: Encoding) -> int:
        """What stands in the margins of maps of this size, where the encoding has it."""
        fill = self._fills.get(map_shape(value.shape)[1:], 0)
        return fill if encoding.holds(IntType(fill, fill)) else encoding.base

    def encoding(self, value: Value) -> Encoding | None:
        """How the value is stored; None for one that leaves 32 bits."""
        if not INT32.contains(value.type):
            return None
        wishes = (wish for wish, _ in self._encodings.get(value.name, Counter()).most_common())
        return next((wish for wish in wishes if wish.holds(value.type)), narrowest(value.type))

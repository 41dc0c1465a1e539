"""Addition of maps of bytes, with what stands behind it: each output channel is a sum of one channel an input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..graph import Node, Value
from ..types import IntArray, IntType
from .base import Array
from .blend import like
from .dot import SHAPES, DotKernel
from .dot import refuses as dot_refuses
from .planes import Layout, Packing
from .rows import Arrangement

CHANNELS = 4
"""Of a tile, and of a plane: a block reads the few planes in which its channels are."""


class AddDot(DotKernel, op="add"):
    """Multipliers of 8 bits."""

    name: ClassVar[str] = "add_dot"
    packs = True

    @classmethod
    def refuses(cls, node: Node, inputs: Sequence[Value], fused: Node | None) -> str | None:
        op: Any = node.op
        if max(map(abs, op.multipliers)) > 127:
            return f"multipliers {op.multipliers} leave 8 bits"
        return dot_refuses(node.output.type, fused)

    @classmethod
    def misplaced(cls, node: Node, inputs: Sequence[Value], maps: Sequence[Layout]) -> str | None:
        if any(x.encoding.packing is not Packing.BYTES for x in maps):
            return "its inputs are not bytes"
        return None

    @classmethod
    def arrange(cls, node: Node, maps: Sequence[Layout], output: Value, per_plane: int) -> Arrangement:
        """The order of one of the inputs, where planes of the output have as many channels; else in order. The last
        block writes all planes of its tile."""
        found = like(maps, output, per_plane)
        return found._replace(total=-(-found.total * per_plane // CHANNELS) * CHANNELS // per_plane)

    def bind(self, maps: Sequence[Layout], numbers: Sequence[int], output: Any) -> None:
        op: Any = self._node.op
        per_plane = output.encoding.packing.channels
        distinct = output.distinct
        order = np.full(len(distinct) * per_plane, -1)
        order[np.searchsorted(distinct, output.planes) * per_plane + output.lanes] = np.arange(len(output.planes))
        weight = np.broadcast_to(np.array(op.multipliers, dtype=np.int64), (len(output.planes), len(maps)))
        shape = next(shape for shape in SHAPES if shape[0] == CHANNELS)
        self._fill(maps, output, order, shape, (1, 1), weight)

    def _types(self) -> Sequence[IntType]:
        return [value.type for value in self._inputs]

    def _bias(self, maps: Sequence[Layout], weight: IntArray) -> IntArray:
        return np.asarray(weight @ np.array([x.encoding.base for x in maps], dtype=np.int64))

    def _steps(self, maps: Sequence[Layout], outputs: IntArray, weight: IntArray) -> tuple[IntArray, Array]:
        offsets, words = [], []
        for x, factors in zip(maps, weight.T, strict=True):
            for plane in np.unique(x.planes[outputs]).tolist():
                inside = np.zeros((CHANNELS, 4), dtype=np.int8)
                here = np.flatnonzero(x.planes[outputs] == plane)
                inside[here, x.lanes[outputs[here]]] = factors[here]
                offsets.append(int(x.starts[plane]) + 4 * x.geometry.origin)
                words.append(inside)
        return np.array(offsets, dtype=np.int64), np.stack(words).reshape(len(words), -1).view(np.int32)

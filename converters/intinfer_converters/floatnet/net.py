"""The net itself, and its builder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy.typing as npt

from intinfer.errors import GraphError
from intinfer.graph import ImageInput, Shape

from .base import FloatNode, FloatOp


@dataclass(frozen=True, eq=False)
class FloatNet:
    """Nodes in topological order, and the outputs: output name -> node name."""

    nodes: tuple[FloatNode, ...]
    outputs: dict[str, str]
    dtype: npt.DTypeLike
    image: ImageInput | None


class FloatNetBuilder:
    """Collects float nodes; shapes are inferred as they are added."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self.dtype = dtype
        self._nodes: dict[str, FloatNode] = {}

    def add(self, name: str, op: FloatOp, *inputs: str, source: tuple[str, ...] = ()) -> str:
        """Append a node and return its name. Raises GraphError naming the node when shapes do not fit."""
        if name in self._nodes:
            raise GraphError(f"node name {name!r} is used twice")
        try:
            shape = op.shape(*(self._nodes[i].shape for i in inputs))
        except GraphError as error:
            raise GraphError(f"{name}: {error}") from None
        self._nodes[name] = FloatNode(name, op, inputs, source or (name,), shape)
        return name

    def shape(self, name: str) -> Shape:
        return self._nodes[name].shape

    def finish(self, outputs: dict[str, str], image: ImageInput | None) -> FloatNet:
        return FloatNet(tuple(self._nodes.values()), outputs, self.dtype, image)

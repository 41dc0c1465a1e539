"""Fully connected layer: the convolution kernels on a 1x1 map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ..graph import Node, Value
from ..ops import Conv2d
from ..tensor import IntTensor
from ..types import IntArray
from .base import Array, Kernel
from .conv2d_dot import Conv2dDot
from .conv2d_planes import Conv2dPlanes
from .conv2d_portable import Conv2dPortable


def as_conv2d(node: Node, inputs: Sequence[Value]) -> tuple[Node, tuple[Value, ...]]:
    """A dense node as the 1x1 convolution that has its products in the same order."""
    op: Any = node.op
    weight = IntTensor(op.weight.values[:, :, None, None], op.weight.encoding)
    conv = Conv2d(weight, (1, 1), (0, 0, 0, 0), (0,), (1, 1), 1, op.accumulator)
    x = inputs[0]
    output = Value(node.name, (*node.output.shape, 1, 1), node.output.type)
    return replace(node, op=conv, output=output), (Value(x.name, (*x.shape, 1, 1), x.type),)


class _Dense(Kernel):
    method: ClassVar[type[Kernel]]

    @classmethod
    def refuses(cls, node: Node, inputs: Sequence[Value], fused: Node | None) -> str | None:
        conv, maps = as_conv2d(node, inputs)
        return cls.method.refuses(conv, maps, fused)

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        conv, maps = as_conv2d(node, inputs)
        self.conv = self.method(conv, maps, fused)

    def scratch(self) -> tuple[Array, ...]:
        return self.conv.scratch()

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        self.conv.run([inputs[0][:, None, None]], out[:, None, None], channels, scratch)


class DenseDot(Conv2dDot, op="dense"):
    """Narrow inputs and weights, accumulators that are proven to fit 32 bits."""

    name: ClassVar[str] = "dense_dot"

    @classmethod
    def convolution(cls, node: Node, inputs: Sequence[Value]) -> tuple[Node, Value]:
        conv, (x,) = as_conv2d(node, inputs)
        return conv, x


class DensePlanes(_Dense, op="dense"):
    """Accumulators that are proven to fit."""

    name: ClassVar[str] = "dense_planes"
    method = Conv2dPlanes


class DensePortable(_Dense, op="dense"):
    """Every accumulator rule."""

    name: ClassVar[str] = "dense_portable"
    method = Conv2dPortable

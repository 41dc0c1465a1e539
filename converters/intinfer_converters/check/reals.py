"""Exact real values, with error bounds, of the float nodes that stand between integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from intinfer.errors import DataError
from intinfer.ops.geometry import Window
from intinfer.types import IntArray

from ..floatnet import (
    Concatenate,
    FlattenMap,
    FloatNet,
    FloatNode,
    GlobalAverage,
    MaximumPool,
    Pointwise,
    SelectChannels,
)
from . import bounds
from .bounds import Real

_KNOWN = (Concatenate, FlattenMap, GlobalAverage, MaximumPool, Pointwise, SelectChannels)


class Reals:
    """Evaluates float nodes from the nearest integers before them.

    Args:
        net: the float net.
        layers: the source's modules by path, for batch norm's own parameters.
        integral: float nodes that are integers: where the evaluation starts.

    Raises:
        DataError: a node that is no integer and has no error analysis here.
    """

    def __init__(self, net: FloatNet, layers: Mapping[str, nn.Module], integral: set[str]) -> None:
        self.nodes = {node.name: node for node in net.nodes}
        self.layers = layers
        self.integral = integral
        unknown = [node for node in net.nodes if node.name not in integral and not isinstance(node.op, _KNOWN)]
        if unknown:
            node = unknown[0]
            raise DataError(
                f"{node.name} ({type(node.op).__name__}): works on values that are no integers, whose float error is "
                "not analysed; put a quantiser before it"
            )

    def evaluate(self, name: str, integers: Mapping[str, IntArray]) -> Real:
        """Node `name` for a batch; `integers` holds the source's own integers by float node."""
        if name in self.integral:
            return Real.exactly(integers[name])
        node = self.nodes[name]
        return self._apply(node, [self.evaluate(before, integers) for before in node.inputs])

    def _apply(self, node: FloatNode, inputs: list[Real]) -> Real:
        op: Any = node.op
        x = inputs[0]
        if isinstance(op, Pointwise):
            channel = channel_index(x.value.ndim, x.value.shape[1])
            layer = self.layers.get(node.name)
            if isinstance(layer, nn.BatchNorm2d):
                return bounds.batch_norm(x, layer, channel)
            return bounds.chain(x, op.chain, channel)
        if isinstance(op, GlobalAverage):
            return bounds.mean(x, (2, 3))
        if isinstance(op, Concatenate):
            return Real(np.concatenate([i.value for i in inputs], 1), np.concatenate([i.error for i in inputs], 1))
        if isinstance(op, SelectChannels):
            return x.at(slice(None), list(op.indices))
        if isinstance(op, FlattenMap):
            return Real(x.value.reshape(len(x.value), -1), x.error.reshape(len(x.error), -1))
        return _max_pool(x, op)


def channel_index(ndim: int, channels: int) -> IntArray:
    """0..C-1, shaped to broadcast over (N, C, ...)."""
    return np.arange(channels, dtype=np.int64).reshape(1, -1, *[1] * (ndim - 2))


def _max_pool(x: Real, op: MaximumPool) -> Real:
    """The maximum of a window moves by at most the largest error in it."""
    window = Window(op.kernel, op.stride, (0, 0, 0, 0), op.dilation)
    top, left, bottom, right = op.pads
    frame = ((0, 0), (0, 0), (top, bottom), (left, right))
    value, error = (np.pad(a, frame, constant_values=c) for a, c in ((x.value, -np.inf), (x.error, 0.0)))
    strided: Any = window.view
    return Real(strided(value).max(axis=(4, 5)), strided(error).max(axis=(4, 5)))

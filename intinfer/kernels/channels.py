"""Ops that move channels or elements: concat, channel_select, flatten, gather; and argmax over channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..graph import Node, Value
from ..types import IntArray
from .base import Array, UnfusedKernel, planes
from .compiled import compiled
from .rows import View


@compiled()
def copy_channels(x, source, target, out):
    """out[target[k]] = x[source[k]]."""
    for k in range(source.size):
        a, b = source[k], target[k]
        for p in range(x.shape[1]):
            out[b, p] = x[a, p]


class ConcatView(View, op="concat"):
    name: ClassVar[str] = "concat_view"

    @classmethod
    def channels(cls, node: Node, inputs: Sequence[Value]) -> IntArray:
        return np.arange(node.output.shape[0])


class ConcatCopy(UnfusedKernel, op="concat"):
    name: ClassVar[str] = "concat_copy"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        self.starts = np.cumsum([0, *(x.shape[0] for x in inputs)])

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        for x, start, stop in zip(inputs, self.starts, self.starts[1:], strict=False):
            mine = channels[np.searchsorted(channels, start) : np.searchsorted(channels, stop)]
            copy_channels(planes(x), mine - start, mine, planes(out))


class ChannelSelectView(View, op="channel_select"):
    name: ClassVar[str] = "channel_select_view"

    @classmethod
    def channels(cls, node: Node, inputs: Sequence[Value]) -> IntArray:
        op: Any = node.op
        return np.asarray(op.indices.values)


class ChannelSelectCopy(UnfusedKernel, op="channel_select"):
    name: ClassVar[str] = "channel_select_copy"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        self.indices = op.indices.values

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        copy_channels(planes(inputs[0]), self.indices[channels], channels, planes(out))


class FlattenCopy(UnfusedKernel, op="flatten"):
    name: ClassVar[str] = "flatten_copy"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        pass

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        copy_channels(inputs[0].reshape(-1, 1), channels, channels, out.reshape(-1, 1))


@compiled()
def gather_channels(x, index, channels, fill, out):
    """out[c, p] = x[index[c, p]], or `fill` where the index is -1."""
    for c in channels:
        for p in range(out.shape[1]):
            place = index[c, p]
            out[c, p] = x[place] if place >= 0 else fill


class GatherCopy(UnfusedKernel, op="gather"):
    name: ClassVar[str] = "gather_copy"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        self.index = op.index.values.reshape(node.output.shape[0], -1)
        self.fill = op.fill

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        gather_channels(inputs[0].reshape(-1), self.index, channels, self.fill, planes(out))


class ArgMaxScan(UnfusedKernel, op="argmax"):
    name: ClassVar[str] = "argmax_scan"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        pass

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        first_largest(planes(inputs[0]), planes(out)[0])


@compiled()
def first_largest(x, out):
    for p in range(x.shape[1]):
        best = 0
        for c in range(1, x.shape[0]):
            if x[c, p] > x[best, p]:
                best = c
        out[p] = best

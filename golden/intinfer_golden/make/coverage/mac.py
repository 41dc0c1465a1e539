"""What convolution and dense have in common: a dense layer is a 1x1 convolution of a 1x1 map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from intinfer.accumulator import Accumulator, TapOrder
from intinfer.graph import Graph, Node
from intinfer.ops import Conv2d, Dense
from intinfer.ops.geometry import Window
from intinfer.ops.mac import Accumulating
from intinfer.types import IntArray, IntType

from .group import Bools, Values


@dataclass(frozen=True)
class Mac:
    """A convolution, or a dense layer seen as a 1x1 convolution of a 1x1 map."""

    node: Node
    x: str
    shape: tuple[int, int, int]
    type: IntType
    weight: IntArray
    """(O, I/groups, KH, KW)"""
    groups: int
    window: Window
    pad_value: IntArray
    """(C,)"""
    accumulator: Accumulator

    @classmethod
    def of(cls, graph: Graph, node: Node) -> Mac:
        op, x = node.op, graph.values[node.inputs[0]]
        if isinstance(op, Dense):
            weight = op.weight.values[:, :, None, None]
            pads = np.zeros(x.shape[0], dtype=np.int64)
            shape = (x.shape[0], 1, 1)
            return cls(node, x.name, shape, x.type, weight, 1, Window((1, 1), (1, 1), (0,) * 4), pads, op.accumulator)
        assert isinstance(op, Conv2d)
        pads = np.broadcast_to(np.array(op.pad_value, dtype=np.int64), x.shape[:1])
        shape = (x.shape[0], x.shape[1], x.shape[2])
        return cls(node, x.name, shape, x.type, op.weight.values, op.groups, op.window, pads, op.accumulator)

    @cached_property
    def inside(self) -> Bools:
        """Which places of each window are pixels and not border, (OH, OW, KH, KW)."""
        return addresses(self.window, *self.shape[1:]) >= 0

    @property
    def grouped(self) -> IntArray:
        """The weights by group, (groups, O/groups, I/groups, KH, KW)."""
        return self.weight.reshape(self.groups, -1, *self.weight.shape[1:])

    def map(self, values: Values) -> IntArray:
        """(N, C, H, W)."""
        x = values[self.x]
        return x.reshape(len(x), *self.shape)

    def padded(self, values: Values) -> IntArray:
        return self.window.pad(self.map(values), self.pad_value)

    def exact(self, values: Values) -> IntArray:
        """Sums before the overflow rule."""
        assert isinstance(self.node.op, Accumulating)
        return self.node.op.accumulating(Accumulator.prove(62)).reference(values[self.x])


def addresses(window: Window, height: int, width: int) -> IntArray:
    """Which pixel of a map each place of each window reads, row by row; -1 in the border. (OH, OW, KH, KW)"""
    pixels = np.arange(height * width, dtype=np.int64).reshape(1, 1, height, width)
    return np.asarray(window.view(window.pad(pixels, -1))[0, 0])


def fold_order(mac: Mac) -> tuple[IntArray, list[slice]]:
    """The taps of a channel, flat over (I/groups, KH, KW), in the order of addition, and the folds over them."""
    taps = np.arange(mac.weight[0].size).reshape(mac.weight.shape[1:])
    if mac.accumulator.order is TapOrder.KKC:
        taps = taps.transpose(1, 2, 0)
    fold = mac.accumulator.fold or 1
    return taps.reshape(-1), [slice(start, start + fold) for start in range(0, taps.size, fold)]


def columns(mac: Mac, values: Values) -> IntArray:
    """(N, groups, pixels, taps): the padded inputs under each window, taps flat over (I/groups, KH, KW)."""
    view = mac.window.view(mac.padded(values))
    images, channels, height, width = view.shape[:4]
    grouped = view.reshape(images, mac.groups, channels // mac.groups, height, width, *view.shape[4:])
    return grouped.transpose(0, 1, 3, 4, 2, 5, 6).reshape(images, mac.groups, height * width, -1)


def border_patterns(mac: Mac) -> list[Bools]:
    """Which taps of a window read the border, (I/groups, KH, KW) flat: every pattern that occurs."""
    patterns = np.unique(~mac.inside.reshape(mac.inside.shape[0] * mac.inside.shape[1], -1), axis=0)
    return [np.tile(pattern, mac.weight.shape[1]) for pattern in patterns]

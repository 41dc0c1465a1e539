"""A convolution or dense layer opened up: what its windows read, and their weighted sums with anything changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from intinfer.accumulator import Accumulator, Overflow, TapOrder
from intinfer.graph import Graph, Node, Shape
from intinfer.ops import Conv2d, Dense
from intinfer.ops.geometry import Window
from intinfer.ops.mac import weighted_sums
from intinfer.types import IntArray, IntType, Mask

TAPS = 2**23
"""Taps that are held at a time."""
EXACT = Accumulator.prove(62)


@dataclass(frozen=True, eq=False)
class Mac:
    """A convolution, or a dense layer seen as a 1x1 convolution of a 1x1 map.

    Attributes:
        x, shape, type: the input's name, its shape as a map (C, H, W), and its type.
        weight: (O, C/groups, KH, KW).
        pad_value: (C,).
    """

    node: Node
    op: Conv2d | Dense
    x: str
    shape: Shape
    type: IntType
    weight: IntArray
    groups: int
    window: Window
    pad_value: IntArray
    accumulator: Accumulator

    @classmethod
    def of(cls, graph: Graph, node: Node) -> Mac:
        """The view of a node of a graph, which is a convolution or a dense layer."""
        op, x = node.op, graph.values[node.inputs[0]]
        assert isinstance(op, Conv2d | Dense)
        window = op.window if isinstance(op, Conv2d) else Window((1, 1), (1, 1), (0,) * 4)
        groups, pads = (op.groups, op.pad_value) if isinstance(op, Conv2d) else (1, (0,))
        weight = op.weight.values.reshape(*op.weight.shape[:2], *window.kernel)
        shape = (*x.shape, 1, 1)[:3]
        pad_value = np.broadcast_to(np.array(pads, dtype=np.int64), shape[:1])
        return cls(node, op, x.name, shape, x.type, weight, groups, window, pad_value, op.accumulator)

    @property
    def dense(self) -> bool:
        """Whether it is a dense layer, whose input and result have no rows and columns."""
        return isinstance(self.op, Dense)

    @property
    def outputs(self) -> Shape:
        """(O, OH, OW), of a dense layer (O, 1, 1)."""
        return (*self.node.output.shape, 1, 1)[:3]

    @property
    def bounds(self) -> tuple[int, int]:
        """The lowest and highest weight of the code."""
        return self.op.weight.encoding.lo, self.op.weight.encoding.hi

    @cached_property
    def rule(self) -> Accumulator:
        """What the accumulator does in a design, where nothing traps: a rule that never changes a sum is `EXACT`."""
        return EXACT if self.accumulator.overflow in (Overflow.PROVE, Overflow.TRAP) else self.accumulator

    @property
    def grouped(self) -> IntArray:
        """The weights by group, (groups, O/groups, C/groups, KH, KW)."""
        return self.weight.reshape(self.groups, -1, *self.weight.shape[1:])

    # ------------------------------------------------------------------------------------------- what windows read

    @cached_property
    def inside(self) -> Mask:
        """Which places of each window are pixels and not border, (OH, OW, KH, KW)."""
        return addresses(self.window, *self.shape[1:]) >= 0

    def map(self, values: Mapping[str, IntArray]) -> IntArray:
        """The input among some values, (N, C, H, W)."""
        x = values[self.x]
        return x.reshape(len(x), *self.shape)

    def padded(self, values: Mapping[str, IntArray]) -> IntArray:
        """The input among some values with its border, (N, C, PH, PW)."""
        return self.window.pad(self.map(values), self.pad_value)

    def taps(self, x: IntArray) -> IntArray:
        """(N, C, OH, OW, KH, KW): what each weight of each output is multiplied with."""
        return self.window.view(self.window.pad(x[:, :, None, None] if self.dense else x, self.pad_value))

    def columns(self, taps: IntArray, order: TapOrder | None = None) -> IntArray:
        """(N, groups, pixels, C/groups * KH * KW): what each sum adds up, in the weights' order or another."""
        images, channels, height, width = taps.shape[:4]
        grouped = taps.reshape(images, self.groups, channels // self.groups, *taps.shape[2:])
        axes = (0, 1, 3, 4, 5, 6, 2) if order is TapOrder.KKC else (0, 1, 3, 4, 2, 5, 6)
        return grouped.transpose(axes).reshape(images, self.groups, height * width, -1)

    def border_patterns(self) -> list[Mask]:
        """Which taps of a window read the border, (C/groups, KH, KW) flat: every pattern that occurs."""
        patterns = np.unique(~self.inside.reshape(-1, self.weight[0, 0].size), axis=0)
        return [np.tile(pattern, self.weight.shape[1]) for pattern in patterns]

    def folds(self) -> tuple[IntArray, list[slice]]:
        """The taps of a channel, flat over (C/groups, KH, KW), in the order of addition, and the folds over them."""
        taps = np.arange(self.weight[0].size).reshape(self.weight.shape[1:])
        if self.accumulator.order is TapOrder.KKC:
            taps = taps.transpose(1, 2, 0)
        fold = self.accumulator.fold or 1
        return taps.reshape(-1), [slice(start, start + fold) for start in range(0, taps.size, fold)]

    # ------------------------------------------------------------------------------------------------------- sums

    def exact(self, values: Mapping[str, IntArray]) -> IntArray:
        """Sums before the overflow rule, of the node's shape."""
        return self.op.accumulating(EXACT).reference(values[self.x])

    def sums(self, taps: IntArray, weight: IntArray | None = None, rule: Accumulator | None = None) -> IntArray:
        """What the node gives for these taps; with other weights or another accumulator where they are given."""
        weight, rule = self.weight if weight is None else weight, rule or self.rule
        weights = weight.reshape(self.groups, -1, *weight.shape[1:])
        if rule.order is TapOrder.KKC:
            weights = weights.transpose(0, 1, 3, 4, 2)
        sums = weighted_sums(self.columns(taps, rule.order), weights.reshape(*weights.shape[:2], -1), rule)
        return sums[:, :, 0] if self.dense else sums.reshape(len(taps), len(weight), *taps.shape[2:4])

    def run(self, x: IntArray, weight: IntArray | None = None, rule: Accumulator | None = None) -> IntArray:
        """The node with other weights or another accumulator; some frames at a time, as their taps take memory."""
        step = max(1, TAPS // max(1, self.taps(x[:1]).size))
        return np.concatenate([self.sums(self.taps(x[i : i + step]), weight, rule) for i in range(0, len(x), step)])

    def finish(self, total: IntArray) -> IntArray:
        """The rule at the end of exact sums."""
        if self.rule is EXACT:
            return total
        if self.rule.overflow is Overflow.WRAP:
            return self.rule.wrap_sum(total)
        return np.clip(total, self.rule.type.lo, self.rule.type.hi)

    # ---------------------------------------------------------------------------------------------- one of its sums

    def one_output(self, channel: int) -> Mac:
        """Output `channel` alone, of the input channels of its group."""
        part = self.group_of(channel)
        return replace(self, weight=self.weight[channel : channel + 1], groups=1, pad_value=self.pad_value[part])

    def group_of(self, channel: int) -> slice:
        """The input channels that an output reads."""
        size = self.weight.shape[1]
        group = channel // (len(self.weight) // self.groups)
        return slice(group * size, (group + 1) * size)

    def place(self, channel: int, tap: int) -> str:
        """A weight of an output channel by its indices in the tensor: "weight[5,3,1,2]"."""
        at = [channel, *map(int, np.unravel_index(tap, self.weight.shape[1:]))]
        return f"weight[{','.join(map(str, at[:2] if self.dense else at))}]"


def addresses(window: Window, height: int, width: int) -> IntArray:
    """Which pixel of a map each place of each window reads, row by row; -1 in the border. (OH, OW, KH, KW)"""
    pixels = np.arange(height * width, dtype=np.int64).reshape(1, 1, height, width)
    return np.asarray(window.view(window.pad(pixels, -1))[0, 0])

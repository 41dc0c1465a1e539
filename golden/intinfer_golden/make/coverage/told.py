"""Channels told apart by their results: one bit a frame says little, and two channels may give the same in all frames.

Where a channel gives one number a frame, of few, noise tells thousands of pairs of channels apart only by luck. These
frames do it by the channels' numbers: in one frame a channel gives its high result where a digit of its number, base 2,
is 1, and its low one elsewhere; in another frame it is the other way. So of any two channels each gives a high result
while the other gives a low one: neither can stand for the other, nor both together for one of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from intinfer.graph import Graph, Node
from intinfer.ops.base import Elementwise, Monotone
from intinfer.types import IntArray

from .group import Axis, Bools, Covergroup, Values

FEW = 16
"""Results of a channel above which noise tells all channels apart."""

LISTED = 4096
"""Numbers of a type that are all looked at."""

Make = Callable[[IntArray, np.random.Generator], dict[str, IntArray]]
"""Inputs with which each channel gives its low result, where a digit (C,) is 0, or its high one."""


class ToldApart(Covergroup):
    """Bins: each channel gives its low or its high result by a digit of its number, or the other way.

    Attributes:
        digits: (bins, C) of 0 and 1.
        make: inputs for a row of digits.
    """

    def __init__(self, node: Node, channels: int, see: Callable[[Values, IntArray], Bools], make: Make) -> None:
        count = (channels - 1).bit_length()
        rows = np.arange(channels) >> np.arange(count)[:, None] & 1
        self.digits, self.make = np.stack([rows, 1 - rows], axis=1).reshape(-1, channels), make
        axes = (Axis("digit", count), Axis("way", ("high where it is 1", "high where it is 0")))
        sentence = "each channel gives its high or its low result by a digit of its number: none stands for another"
        super().__init__(node.name, "channels told apart", sentence, axes, lambda values: see(values, self.digits))


def results(node: Node, low: IntArray, high: IntArray, make: Make) -> list[Covergroup]:
    """The group of a node that gives one number a channel, low and high ones (C,); none where nothing can be told."""
    if len(low) == 1 or (low == high).all():
        return []

    def see(values: Values, digits: IntArray) -> Bools:
        found = values[node.name].reshape(len(values[node.name]), 1, -1)
        return np.asarray((found == np.where(digits == 1, high, low)).all(axis=2).any(axis=0))

    return [ToldApart(node, len(low), see, make)]


def covergroups(graph: Graph, node: Node) -> list[Covergroup]:
    """The group of an elementwise node that reads an input of the graph and gives one of few numbers a channel."""
    x, type_ = graph.operands(node)[0], node.output.type
    single = len(node.inputs) == 1 and x.name in {value.name for value in graph.inputs}
    few = node.output.size == node.output.shape[0] and type_.hi - type_.lo < FEW
    if not single or not few or not isinstance(node.op, Elementwise):
        return []
    if x.type.hi - x.type.lo < LISTED:
        numbers = np.arange(x.type.lo, x.type.hi + 1)
    elif isinstance(node.op, Monotone):
        numbers = np.array([x.type.lo, x.type.hi])
    else:
        return []
    made = node.op.reference(np.repeat(numbers[:, None], x.size, axis=1).reshape(-1, *x.shape)).reshape(
        len(numbers), -1
    )
    ends = np.stack([numbers[made.argmin(axis=0)], numbers[made.argmax(axis=0)]])

    def make(digits: IntArray, _: np.random.Generator) -> dict[str, IntArray]:
        return {x.name: np.where(digits == 1, ends[1], ends[0]).reshape(x.shape)}

    return results(node, made.min(axis=0), made.max(axis=0), make)

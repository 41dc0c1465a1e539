"""Gather: out.flat[i] = in.flat[index[i]], or a constant where the index is -1.

Any order of elements: padding with a constant, crops, strided slices, nearest-neighbour resizes, depth to space and
space to depth, transposes, reshapes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..tensor import IntTensor
from ..types import IntArray, IntType, Mask, Range
from .base import Example, Free, Nonlinear


@dataclass(frozen=True, eq=False)
class Gather(Nonlinear, Free):
    """Elements of the input in another order and shape; the batch axis is outside.

    Attributes:
        index: of the output's shape, (C, H, W) or (C,): places in the input, flat in C order, or -1 for `fill`.
        fill: the constant.

    Result:
        the shape of `index`, the range of the input, which takes in `fill` where an index is -1.
    """

    kind = "gather"
    since = 1
    index: IntTensor
    fill: int = 0

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse an index that is no shape of a value, and places that the input does not have."""
        (x,) = inputs
        shape = self.index.shape
        if len(shape) not in (1, 3) or min(shape) < 1:
            raise GraphError(f"index has shape {shape}; it must be (C, H, W) or (C,), each at least 1")
        low, high = int(self.index.values.min()), int(self.index.values.max())
        if low < -1 or high >= x.size:
            raise GraphError(f"index has entries {low}..{high}; {x.name!r} has 0..{x.size - 1}, and -1 is fill")
        constant = IntType(self.fill, self.fill)
        return shape, x.type.union(constant) if low < 0 else x.type

    def reference(self, *inputs: IntArray) -> IntArray:
        """Take each element from its place, or the constant."""
        (x,) = inputs
        flat = x.reshape(len(x), math.prod(x.shape[1:]))
        index = self.index.values
        return np.where(index < 0, self.fill, flat[:, np.maximum(index, 0)])

    def channel_range(self, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
        """The channels that a channel reads, and the constant where it does."""
        (x,) = inputs
        lo, hi = (end.reshape(-1, *(1 for _ in x.shape[1:])) for end in ranges[0])
        ends = np.stack([np.broadcast_to(end, x.shape) for end in (lo, hi)])
        low, high = self.reference(ends).reshape(2, self.index.shape[0], -1)
        return low.min(axis=1), high.max(axis=1)

    def demand(self, inputs: Sequence[Value], out: Mask, select: Mask | None = None) -> tuple[Mask, ...]:
        """Ask for the channels in which live elements have their place."""
        (x,) = inputs
        places = self.index.values.reshape(out.size, -1)[out]
        demand = np.zeros(x.shape[0], dtype=bool)
        demand[places[places >= 0] // (x.size // x.shape[0])] = True
        return (demand,)

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(IntTensor([[[-1, 0, 1], [-1, 20, 21]]]), 0), (((2, 4, 5), IntType(0, 7)),)

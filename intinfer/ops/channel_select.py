"""Channels by index: out[i] = in[indices[i]]. Shuffle, slice, split and index-select are this one op."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..tensor import IntTensor
from ..types import IntArray, IntType, Mask
from .base import Example, Free
from .linear import Box, PixelwiseLinear, Pulled


@dataclass(frozen=True, eq=False)
class ChannelSelect(PixelwiseLinear, Free):
    """Pick, repeat or reorder channels.

    Attributes:
        indices: (C_out,), each in 0..C_in - 1.

    Result:
        as many channels as indices, the range of the input.
    """

    kind = "channel_select"
    since = 1
    indices: IntTensor

    @classmethod
    def shuffle(cls, channels: int, groups: int) -> ChannelSelect:
        """Channel shuffle: out[j*g + i] = in[i*(C/g) + j] (ShuffleNet; reshape (g, C/g), transpose, flatten)."""
        if groups < 1 or channels % groups:
            raise GraphError(f"{channels} channels cannot be shuffled in {groups} groups: groups must divide them")
        return cls(IntTensor(np.arange(channels).reshape(groups, -1).T.reshape(-1)))

    @classmethod
    def slice(cls, start: int, stop: int) -> ChannelSelect:
        """Channels start .. stop - 1."""
        return cls(IntTensor(np.arange(start, stop)))

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse an empty or nested list of indices, and indices of no channel."""
        (x,) = inputs
        if len(self.indices.shape) != 1 or not self.indices.shape[0]:
            raise GraphError(f"indices have shape {self.indices.shape}, (C,) with C >= 1 is needed")
        lo, hi = int(self.indices.values.min()), int(self.indices.values.max())
        if lo < 0 or hi >= x.shape[0]:
            raise GraphError(f"indices {lo}..{hi} leave the {x.shape[0]} channels of {x.name!r}")
        return (self.indices.shape[0], *x.shape[1:]), x.type

    def reference(self, *inputs: IntArray) -> IntArray:
        """Pick the channels."""
        (x,) = inputs
        return x[:, self.indices.values]

    def pull_back(self, inputs: Sequence[Value], box: Box) -> Pulled:
        """Add the coefficients of each channel up at the one that it is."""
        rows, _, height, width = box.coefficients.shape
        target = np.zeros((rows, inputs[0].shape[0], height, width), dtype=np.int64)
        indices = self.indices.values
        if len(np.unique(indices)) == len(indices):
            target[:, indices] = box.coefficients
        else:
            for channel, source in enumerate(indices.tolist()):
                target[:, source] += box.coefficients[:, channel]
        return 0, [box.on(target)]

    def demand(self, inputs: Sequence[Value], out: Mask, select: Mask | None = None) -> tuple[Mask, ...]:
        """Ask for the channels that live ones are."""
        demand = np.zeros(inputs[0].shape[0], dtype=bool)
        demand[self.indices.values[out]] = True
        return (demand,)

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(IntTensor([1, 0, 1])), (((2, 4, 5), IntType(0, 7)),)

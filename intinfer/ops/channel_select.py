"""Channels by index: out[i] = in[indices[i]]. Shuffle, slice, split and index-select are this one op."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..tensor import IntTensor
from ..types import IntArray, IntType
from .base import Op


@dataclass(frozen=True, eq=False)
class ChannelSelect(Op):
    """Pick, repeat or reorder channels.

    Attributes:
        indices: (C_out,), each in 0..C_in - 1.
    """

    kind: ClassVar[str] = "channel_select"
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
        (x,) = inputs
        if len(self.indices.shape) != 1 or not self.indices.shape[0]:
            raise GraphError(f"indices have shape {self.indices.shape}, (C,) with C >= 1 is needed")
        lo, hi = int(self.indices.values.min()), int(self.indices.values.max())
        if lo < 0 or hi >= x.shape[0]:
            raise GraphError(f"indices {lo}..{hi} leave the {x.shape[0]} channels of {x.name!r}")
        return (self.indices.shape[0], *x.shape[1:]), x.type

    def reference(self, *inputs: IntArray) -> IntArray:
        (x,) = inputs
        return x[:, self.indices.values]

"""Layers that only move channels, and the mean of a map."""

from __future__ import annotations

import torch
from torch import Tensor

from intinfer.graph import Shape
from intinfer.types import IntType

from .base import Layer

__all__ = ["ChannelConcat", "ChannelShuffle", "ChannelSlice", "GlobalMean"]


class ChannelConcat(Layer):
    """The channels of several maps, one map behind the other."""

    kind = "concat"

    def forward(self, *maps: Tensor) -> Tensor:
        """(N, C1, H, W), (N, C2, H, W), ... -> (N, C1 + C2 + ..., H, W)."""
        return torch.cat(maps, 1)


class GlobalMean(Layer):
    """The mean of every channel's whole map."""

    kind = "sum_pool"

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C)."""
        return x.mean((2, 3))

    def integers(self, shape: Shape, *inputs: IntType) -> IntType:
        """The sum of the map: what the mean is divided from goes into the scale."""
        count = shape[1] * shape[2]
        return IntType(count * inputs[0].lo, count * inputs[0].hi)


class ChannelShuffle(Layer):
    """out[j * groups + i] = in[i * (channels / groups) + j] (ShuffleNet): reshape to groups, transpose, flatten.

    `groups` divides `channels`.
    """

    kind = "channel_select"

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        if groups < 1 or channels % groups:
            raise ValueError(f"{groups} groups do not divide {channels} channels")
        self.channels = channels
        self.groups = groups

    @property
    def indices(self) -> tuple[int, ...]:
        """indices[o] is the input channel of output channel o."""
        return tuple(
            i * (self.channels // self.groups) + j
            for j in range(self.channels // self.groups)
            for i in range(self.groups)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        count, channels, height, width = x.shape
        grouped = x.reshape(count, self.groups, channels // self.groups, height, width)
        return grouped.transpose(1, 2).reshape(count, channels, height, width)

    def extra_repr(self) -> str:
        return f"{self.channels}, groups={self.groups}"


class ChannelSlice(Layer):
    """The channels start .. stop - 1."""

    kind = "channel_select"

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start = start
        self.stop = stop

    @property
    def indices(self) -> tuple[int, ...]:
        """indices[o] is the input channel of output channel o."""
        return tuple(range(self.start, self.stop))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, stop - start, H, W)."""
        return x[:, self.start : self.stop]

    def extra_repr(self) -> str:
        return f"{self.start}, {self.stop}"

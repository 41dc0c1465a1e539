"""Layers that only move channels; leaves of a torch.fx trace."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ChannelShuffle", "ChannelSlice"]


class ChannelShuffle(nn.Module):
    """out[j * groups + i] = in[i * (channels / groups) + j] (ShuffleNet): reshape to groups, transpose, flatten.

    `groups` divides `channels`.
    """

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


class ChannelSlice(nn.Module):
    """The channels start .. stop - 1."""

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

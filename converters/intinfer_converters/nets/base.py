"""What every layer and network here says of itself: the integer op a layer becomes, the integers it may give; and the
layers without weights that move, scale and average channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from intinfer.graph import Shape
from intinfer.types import IntType


class TensorModule(nn.Module):
    """A module that gives one tensor."""

    __call__: Callable[..., Tensor]


class Layer(TensorModule):
    """A layer whose inputs and result are integers held in floats.

    Attributes:
        kind: the op of the integer graph that it becomes, "" for one that only waits for a quantiser.
    """

    kind: ClassVar[str] = ""

    def integers(self, shape: Shape, *inputs: IntType) -> IntType:
        """The integers it may give when nothing is known of its weights but their code.

        Args:
            shape: of its first input, (C, H, W) or (C,).
            inputs: what each input may hold, in the order of `forward`.

        Returns:
            The union of its inputs, for layers that only choose or move elements.
        """
        return reduce(IntType.union, inputs)


class Net(TensorModule):
    """A network of images whose stages are the modules s1, s2, ...

    Attributes:
        arguments: as its name in `nets` takes them.
    """

    def __init__(self, arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the raw pixels."""
        return 3, self.arguments.height, self.arguments.width

    def staged(self, x: Tensor) -> Tensor:
        """`x` behind all stages, one after the other."""
        for number in range(1, len(self.arguments.stages) + 1):
            x = self.get_submodule(f"s{number}")(x)
        return x


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
        """What the printed module shows: channels and groups."""
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
        """What the printed module shows: the first channel, and the one behind the last."""
        return f"{self.start}, {self.stop}"


class LogitScale(Layer):
    """logits = factor * sums: one positive factor for all classes, so it stays outside the integer network.

    The convolutions here use bare -1, 0, +1 and levels 0..N, where a network in reals has weights s * q and activations
    a / N. Without a batch norm behind them nothing absorbs that, so the factor is the product of the BTQ steps of
    `convolutions` (those that are quantised) over N. The buffer `factor` holds it: written by every training forward
    pass, read in evaluation and by the converter. It cannot change the argmax.
    """

    factor: Tensor

    def __init__(self, convolutions: Sequence[Any], bits: int) -> None:
        super().__init__()
        self.convolutions = tuple(convolutions)  # a tuple: they are registered where they belong, not here
        self.top = (1 << bits) - 1
        self.register_buffer("factor", torch.full((), 1 / self.top))

    def forward(self, x: Tensor) -> Tensor:
        """(N, classes) raw sums -> (N, classes) float32 logits."""
        if self.training:
            factor = torch.full_like(self.factor, 1 / self.top)
            for convolution in self.convolutions:
                if convolution.quantised:
                    factor = factor * convolution.step
            self.factor.copy_(factor)
        return x.float() * self.factor

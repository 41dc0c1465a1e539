"""Sliding windows: four explicit pads, stride, dilation. Nothing is implied ("same" has no meaning here)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import GraphError
from ..types import IntArray
from .base import Op

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]
"""(top, left, bottom, right)"""


@dataclass(frozen=True, slots=True)
class Window:
    """A kernel sliding over a padded map. Raises GraphError on a non-positive extent or a negative pad."""

    kernel: Pair
    stride: Pair
    pads: Pads
    dilation: Pair = (1, 1)

    def __post_init__(self) -> None:
        for what, pair in (("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)):
            if len(pair) != 2 or min(pair) < 1:
                raise GraphError(f"{what} {pair} must be two numbers of at least 1")
        if len(self.pads) != 4 or min(self.pads) < 0:
            raise GraphError(f"pads {self.pads} must be (top, left, bottom, right), each at least 0")

    @property
    def reach(self) -> Pair:
        """Extent of the dilated kernel."""
        return (self.dilation[0] * (self.kernel[0] - 1) + 1, self.dilation[1] * (self.kernel[1] - 1) + 1)

    @property
    def padded(self) -> bool:
        """Whether there is a border."""
        return any(self.pads)

    def output(self, height: int, width: int) -> Pair:
        """Output extent: floor((in + pads - reach) / stride) + 1."""
        top, left, bottom, right = self.pads
        spare = (height + top + bottom - self.reach[0], width + left + right - self.reach[1])
        if min(spare) < 0:
            raise GraphError(
                f"a kernel reaching {self.reach[0]}x{self.reach[1]} does not fit the padded map "
                f"{height + top + bottom}x{width + left + right}"
            )
        return spare[0] // self.stride[0] + 1, spare[1] // self.stride[1] + 1

    def pad(self, x: IntArray, value: npt.NDArray[np.int64] | int) -> IntArray:
        """(N, C, H, W) with a border of `value`, a scalar or one a channel."""
        if not self.padded:
            return x
        top, left, bottom, right = self.pads
        images, channels, height, width = x.shape
        out = np.empty((images, channels, height + top + bottom, width + left + right), dtype=np.int64)
        out[...] = np.asarray(value, dtype=np.int64).reshape(1, -1, 1, 1)
        out[:, :, top : top + height, left : left + width] = x
        return out

    def view(self, padded: IntArray) -> IntArray:
        """Read-only view (N, C, OH, OW, KH, KW) of the windows of an already padded map."""
        view = np.lib.stride_tricks.sliding_window_view(padded, self.reach, axis=(2, 3))
        windows: IntArray = view[:, :, :: self.stride[0], :: self.stride[1], :: self.dilation[0], :: self.dilation[1]]
        return windows


class Windowed(Op):
    """An op whose only input is a map that a window slides over, with an explicit border."""

    @property
    @abstractmethod
    def window(self) -> Window:
        """Kernel, stride, pads and dilation. Raises GraphError when they are no window."""

    @abstractmethod
    def rule_steps(self, height: int, width: int) -> int:
        """Say how many steps the type rule takes on a map that large, 0 when they do not grow with it. A model file may
        ask for so many in all (spec/model_file.md, section Limits)."""

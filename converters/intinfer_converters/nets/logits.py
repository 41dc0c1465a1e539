"""The positive factor between integer sums and the logits that training sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .base import Layer

__all__ = ["LogitScale"]


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

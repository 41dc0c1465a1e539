"""Flatten (C, H, W) to (C*H*W,), channel outermost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..graph import Shape, Value
from ..types import IntArray, IntType, Mask
from .base import Example, Free
from .linear import Box, Pulled, WholeLinear


@dataclass(frozen=True, eq=False)
class Flatten(WholeLinear, Free):
    """C order: out[(c*H + y)*W + x] = in[c, y, x].

    Result:
        (C * H * W,), the range of the input.
    """

    kind = "flatten"
    since = 1

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Take any input."""
        (x,) = inputs
        return (x.size,), x.type

    def reference(self, *inputs: IntArray) -> IntArray:
        """Reshape to a vector."""
        (x,) = inputs
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))

    def pull_back(self, inputs: Sequence[Value], box: Box) -> Pulled:
        """Reshape the coefficients as the input is."""
        shape = (*inputs[0].shape, 1, 1)[:3]
        return 0, [Box(0, 0, box.coefficients.reshape(-1, *shape))]

    def demand(self, inputs: Sequence[Value], out: Mask, select: Mask | None = None) -> tuple[Mask, ...]:
        """Ask for a channel when any of its elements is live."""
        live = np.asarray(out.reshape(inputs[0].shape[0], -1).any(axis=1))
        return (live,)

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(), (((2, 4, 5), IntType(0, 7)),)

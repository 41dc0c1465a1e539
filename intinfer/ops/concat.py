"""Concatenation along channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..types import IntArray, IntType, Mask
from .base import Example, Free
from .linear import Box, PixelwiseLinear, Pulled


@dataclass(frozen=True, eq=False)
class Concat(PixelwiseLinear, Free):
    """Channels of the first input, then of the second, and so on; equal H and W.

    Result:
        the sum of the channels, the smallest range that holds those of all inputs.
    """

    kind = "concat"
    since = 1
    arity = None

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse maps that differ beyond channels."""
        if len({x.shape[1:] for x in inputs}) != 1:
            raise GraphError("inputs differ beyond channels: " + ", ".join(f"{x.name!r} {x.shape}" for x in inputs))
        type_ = inputs[0].type
        for x in inputs[1:]:
            type_ = type_.union(x.type)
        return (sum(x.shape[0] for x in inputs), *inputs[0].shape[1:]), type_

    def reference(self, *inputs: IntArray) -> IntArray:
        """Join along channels."""
        return np.concatenate(inputs, axis=1)

    def pull_back(self, inputs: Sequence[Value], box: Box) -> Pulled:
        """Split the coefficients where the inputs join."""
        return 0, [box.on(part) for part in np.split(box.coefficients, self._ends(inputs), axis=1)]

    def demand(self, inputs: Sequence[Value], out: Mask, select: Mask | None = None) -> tuple[Mask, ...]:
        """Split the mask where the inputs join."""
        return tuple(np.split(out, self._ends(inputs)))

    @staticmethod
    def _ends(inputs: Sequence[Value]) -> IntArray:
        """Say where the channels of each input but the last end."""
        return np.cumsum([x.shape[0] for x in inputs])[:-1]

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(), (((2, 4, 5), IntType(0, 7)), ((3, 4, 5), IntType(-1, 1)))

"""Fully connected layer: acc[o] = sum over c of w[o, c] * a[c]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..accumulator import Accumulator, TapOrder
from ..errors import GraphError
from ..graph import Shape, Value
from ..matmul import integer_matmul
from ..tensor import IntTensor
from ..types import IntArray, IntType
from .base import Example, ReadsAll
from .linear import Box, Pulled, WholeLinear
from .mac import Accumulating, Taps, largest, sum_range, weighted_sums


@dataclass(frozen=True, eq=False)
class Dense(WholeLinear, ReadsAll, Accumulating):
    """Matrix times vector.

    Attributes:
        weight: (O, C).
        accumulator: width and overflow rule; for a vector the orders CKK and KKC are the same.

    Result:
        (O,); the range as for conv2d.
    """

    kind = "dense"
    since = 1
    weight: IntTensor
    accumulator: Accumulator

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse maps, weights that do not fit, and what the accumulator refuses."""
        (x,) = inputs
        if len(x.shape) != 1:
            raise GraphError(f"needs a (C,) input, {x.name!r} has shape {x.shape}; flatten it first")
        if len(self.weight.shape) != 2 or 0 in self.weight.shape or self.weight.shape[1] != x.shape[0]:
            raise GraphError(f"weight has shape {self.weight.shape}, (O, {x.shape[0]}) is needed")
        return (self.weight.shape[0],), self.accumulator.infer(sum_range(self.weight.values, x.type))

    def reference(self, *inputs: IntArray) -> IntArray:
        """Sum the products under the accumulator's rule."""
        (x,) = inputs
        sums = weighted_sums(x[:, None, None, :], self.weight.values[None], self.accumulator)
        return sums[:, :, 0]

    def taps(self, x: Value, order: TapOrder | None, y: int, column: int) -> Iterator[Taps]:
        """List the products of the sums, all in one group."""
        channels = np.arange(x.shape[0])
        zero = np.zeros_like(channels)
        yield Taps(slice(None), self.weight.values, np.stack([channels, zero, zero], axis=1), zero)

    def pull_back(self, inputs: Sequence[Value], box: Box) -> Pulled:
        """Multiply the coefficients by the weights."""
        columns, matrix = box.coefficients[:, :, 0, 0], self.weight.values
        product = integer_matmul(columns, matrix, largest(columns) * largest(matrix) * columns.shape[1])
        return 0, [box.on(product[:, :, None, None])]

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(IntTensor([[1, -2, 3]]), Accumulator.wrap(5)), (((3,), IntType(0, 7)),)

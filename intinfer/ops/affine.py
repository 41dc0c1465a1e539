"""Integer affine per channel: out = M[c] * z + B[c].

With B = 0 it is the `scale` that brings channels of different step sizes to one; at a network's output it is
the batch norm that stands there (MOGNET: A_c * Z_c + B_c).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import GraphError
from ..graph import Shape, Value
from ..tensor import IntTensor
from ..types import LIMIT, IntArray, IntType
from .base import Elementwise, Example, Free, need_per_channel, per_channel
from .linear import Box, PixelwiseLinear, Pulled


@dataclass(frozen=True, eq=False)
class Affine(PixelwiseLinear, Elementwise, Free):
    """Per-channel multiply and add, exact.

    Attributes:
        multiplier, offset: (C,).

    Result:
        the shape of the input, from the least to the greatest M[c] * z + B[c] over channels and ends of the input.
    """

    kind = "affine"
    since = 1
    multiplier: IntTensor
    offset: IntTensor

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse constants that are not one a channel, and products that may leave ±2^62."""
        (x,) = inputs
        need_per_channel(self.multiplier, x, "multiplier")
        need_per_channel(self.offset, x, "offset")
        pairs = zip(self.multiplier.values.tolist(), self.offset.values.tolist(), strict=True)
        ends = [(m * x.type.lo + b, m * x.type.hi + b, abs(m) * max(abs(x.type.lo), abs(x.type.hi))) for m, b in pairs]
        if max(product for _, _, product in ends) > LIMIT:
            raise GraphError("M * z may leave ±2^62: use fewer bits of M")
        return x.shape, IntType(min(min(e[:2]) for e in ends), max(max(e[:2]) for e in ends))

    def reference(self, *inputs: IntArray) -> IntArray:
        """Multiply and add, channel by channel."""
        (z,) = inputs
        return z * per_channel(self.multiplier.values, z.ndim) + per_channel(self.offset.values, z.ndim)

    def pull_back(self, inputs: Sequence[Value], box: Box) -> Pulled:
        """Scale the coefficients by M, and add up what B contributes."""
        constant = box.coefficients.sum(axis=(2, 3)) @ self.offset.values
        return constant, [box.on(box.coefficients * self.multiplier.values[:, None, None])]

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(IntTensor([2, -3]), IntTensor([0, 5])), (((2, 4, 5), IntType(0, 7)),)

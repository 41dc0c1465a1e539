"""Fixed-point requantisation: out = clip(round((z * M[c] + B[c]) / 2^S[c]), lo, hi), rounding mode explicit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..rounding import RoundMode, shift_right
from ..tensor import IntTensor
from ..types import LIMIT, IntArray, IntType
from .base import Elementwise, Example, Free, Monotone, per_channel


@dataclass(frozen=True, eq=False)
class Requant(Monotone, Elementwise, Free):
    """Multiply, add, shift, clip: the fixed-point alternative to thresholds.

    Attributes:
        multiplier, offset, shift: M, B, S, each (C,) or (1,); S in 0..62; the widths are their encodings.
        rounding: of the shift.
        lo, hi: the clip.

    Result:
        the shape of the input, lo..hi.
    """

    kind = "requant"
    since = 1
    multiplier: IntTensor
    offset: IntTensor
    shift: IntTensor
    rounding: RoundMode
    lo: int
    hi: int

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse constants that are neither one nor one a channel, shifts outside 0..62, and products that may leave
        ±2^62."""
        (x,) = inputs
        for what, tensor in (("multiplier", self.multiplier), ("offset", self.offset), ("shift", self.shift)):
            if tensor.shape not in ((1,), (x.shape[0],)):
                raise GraphError(f"{what} has shape {tensor.shape}, ({x.shape[0]},) or (1,) is needed")
        if self.shift.values.min() < 0 or self.shift.values.max() > 62:
            raise GraphError("shifts must lie in 0..62")
        pairs = np.broadcast(self.multiplier.values, self.offset.values)
        widest = max(max(abs(x.type.lo * int(m) + int(b)), abs(x.type.hi * int(m) + int(b))) for m, b in pairs)
        if widest > LIMIT:
            raise GraphError(f"z * M + B may reach {widest}, beyond 2^62: use fewer bits of M")
        return x.shape, IntType(self.lo, self.hi)

    def reference(self, *inputs: IntArray) -> IntArray:
        """Multiply, add, shift with the stated rounding, clip."""
        (z,) = inputs
        product = z * per_channel(self.multiplier.values, z.ndim) + per_channel(self.offset.values, z.ndim)
        rounded = shift_right(product, per_channel(self.shift.values, z.ndim), self.rounding)
        return np.clip(rounded, self.lo, self.hi)

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        op = cls(IntTensor([77]), IntTensor([4, -9]), IntTensor([6]), RoundMode.HALF_UP, 0, 3)
        return op, (((2, 4, 5), IntType(0, 7)),)

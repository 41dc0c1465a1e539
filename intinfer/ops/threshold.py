"""Thresholds: batch norm + QReLU, and every other quantiser, as integer compares.

out = base + step * #{j : z >= T[c, j]}   for an ascending channel (gamma > 0)
out = base + step * #{j : z <= T[c, j]}   for a descending channel (gamma < 0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..tensor import IntTensor
from ..types import IntArray, IntType
from .base import Op, per_channel


@dataclass(frozen=True, eq=False)
class Threshold(Op):
    """Counts crossed thresholds, per channel.

    Attributes:
        thresholds: (C, N) or (1, N) for all channels alike, in the order they are crossed: non-decreasing in an
            ascending channel, inside [lo, hi + 1] of the input's type; non-increasing in a descending one, inside
            [lo - 1, hi]. hi + 1 (descending: lo - 1) is never crossed, lo (hi) always: a constant channel is
            written with these.
        descending: (C,) or (1,) of 0 and 1; 1 compares with <=.
        base, step: the code of count 0 and the distance of codes (bipolar: -1, 2); step at least 1.
    """

    kind: ClassVar[str] = "threshold"
    thresholds: IntTensor
    descending: IntTensor
    base: int
    step: int

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        (x,) = inputs
        shape = self.thresholds.shape
        if len(shape) != 2 or shape[0] not in (1, x.shape[0]) or shape[1] < 1:
            raise GraphError(f"thresholds have shape {shape}, ({x.shape[0]}, N) or (1, N) with N >= 1 is needed")
        if self.descending.shape != shape[:1] or not set(np.unique(self.descending.values)) <= {0, 1}:
            raise GraphError(f"descending must be {shape[0]} times 0 or 1")
        if self.step < 1:
            raise GraphError(f"step {self.step} must be at least 1; a falling code is a descending channel")
        for channel, (row, down) in enumerate(zip(self.thresholds.values, self.descending.values, strict=True)):
            lo, hi = (x.type.lo - 1, x.type.hi) if down else (x.type.lo, x.type.hi + 1)
            if row.min() < lo or row.max() > hi:
                raise GraphError(
                    f"channel {channel}: thresholds {int(row.min())}..{int(row.max())} leave {lo}..{hi}; clip them"
                )
            if (row[1:] > row[:-1] if down else row[1:] < row[:-1]).any():  # a difference may leave int64
                raise GraphError(f"channel {channel}: thresholds are not in the order in which they are crossed")
        return x.shape, IntType(self.base, self.base + self.step * shape[1])

    def reference(self, *inputs: IntArray) -> IntArray:
        (z,) = inputs
        sign = 1 - 2 * self.descending.values  # z <= T is -z >= -T
        signed = z * per_channel(sign, z.ndim)
        count = np.zeros(z.shape, dtype=np.int64)
        for column in self.thresholds.values.T:
            count += signed >= per_channel(column * sign, z.ndim)
        return self.base + self.step * count

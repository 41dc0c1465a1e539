"""Thresholds: batch norm + QReLU, and every other quantiser, as integer compares.

out = base + step * #{j : z >= T[c, j]}   for an ascending channel (gamma > 0)
out = base + step * #{j : z <= T[c, j]}   for a descending channel (gamma < 0)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..errors import GraphError
from ..graph import Shape, Value
from ..tensor import IntTensor
from ..types import IntArray, IntType
from .base import Elementwise, Example, Free, Monotone, Op, per_channel

COMPARED = 32
"""Up to so many thresholds are compared one by one; a search among more of them is sooner done."""


def clip_thresholds(thresholds: npt.ArrayLike, descending: npt.ArrayLike, type_: IntType) -> IntArray:
    """Thresholds (C, N) moved into the range that a `Threshold` on values of `type_` takes, which changes no result.

    An ascending threshold below lo is crossed by every value, as lo is; one above hi by none, as hi + 1. A descending
    one above hi is crossed by every value, as hi is; one below lo by none, as lo - 1.

    Args:
        descending: (C,) of 0 and 1.

    Raises GraphError when thresholds are no integers, or shapes do not fit.
    """
    rows, down = np.asarray(thresholds), np.asarray(descending)
    if rows.ndim != 2 or down.shape != rows.shape[:1]:
        raise GraphError(f"thresholds have shape {rows.shape} and descending {down.shape}; (C, N) and (C,) are needed")
    if rows.dtype.kind not in "iu":
        raise GraphError(f"thresholds are integers, got dtype {rows.dtype}")
    ends = [(type_.lo - 1, type_.hi) if flag else (type_.lo, type_.hi + 1) for flag in down]
    clipped = [[min(max(int(z), lo), hi) for z in row] for row, (lo, hi) in zip(rows, ends, strict=True)]
    return np.array(clipped, dtype=np.int64).reshape(rows.shape)


@dataclass(frozen=True, eq=False)
class Threshold(Monotone, Elementwise, Free):
    """Counts crossed thresholds, per channel.

    Attributes:
        thresholds: (C, N) or (1, N) for all channels alike, in the order they are crossed: non-decreasing in an
            ascending channel, inside [lo, hi + 1] of the input's type; non-increasing in a descending one, inside
            [lo - 1, hi]. hi + 1 (descending: lo - 1) is never crossed, lo (hi) always: a constant channel is
            written with these.
        descending: (C,) or (1,) of 0 and 1; 1 compares with <=.
        base, step: the code of count 0 and the distance of codes (bipolar: -1, 2); step at least 1.

    Result:
        the shape of the input, base .. base + step * N.
    """

    kind = "threshold"
    since = 1
    thresholds: IntTensor
    descending: IntTensor
    base: int
    step: int

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse shapes that do not fit, a step below 1, and thresholds out of order or outside the range that can tell
        values apart."""
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
                order = "falling, as descending channels cross them" if down else "rising"
                raise GraphError(f"channel {channel}: thresholds must be {order}")
        return x.shape, IntType(self.base, self.base + self.step * shape[1])

    def reference(self, *inputs: IntArray) -> IntArray:
        """Count the thresholds crossed, for up to COMPARED of them one by one."""
        (z,) = inputs
        sign = 1 - 2 * self.descending.values  # z <= T is -z >= -T
        signed = z * per_channel(sign, z.ndim)
        rising = self.thresholds.values * sign[:, None]
        count = np.zeros(z.shape, dtype=np.int64)
        if rising.shape[1] <= COMPARED:
            for column in rising.T:
                count += signed >= per_channel(column, z.ndim)
        else:  # the same by halving, as they rise
            for channel in range(z.shape[1]):
                row = rising[channel % len(rising)]
                count[:, channel] = np.searchsorted(row, signed[:, channel], side="right")
        return self.base + self.step * count

    def adapted(self, x: Value, before: IntType) -> Op:
        """Clip thresholds to the new range; they stay the comparisons that they are: one above it becomes
        hi + 1, which no value crosses, one below it lo, which every value does (descending: hi and lo - 1)."""
        values = clip_thresholds(self.thresholds.values, self.descending.values, x.type)
        return self if np.array_equal(values, self.thresholds.values) else replace(self, thresholds=IntTensor(values))

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls(IntTensor([[1, 3, 6], [5, 4, 0]]), IntTensor([0, 1]), 0, 1), (((2, 4, 5), IntType(0, 7)),)

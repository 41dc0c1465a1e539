"""Kinds that jump: roundings, the sign, comparisons, and the count of thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from intinfer.types import IntArray

from ..float_error import Floats
from .base import Constant, FloatArray, Interval, Primitive, Rising


class Rounding(Rising, Primitive):
    """To an integer."""

    jumps = True

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        return self._rounded_to(np.ceil(low), np.floor(high))

    def _rounded_to(self, least: Floats, most: Floats) -> Interval:
        """The reals that round to the integers least..most."""
        return least - 0.5, most + 0.5

    def positive(self, known: bool) -> bool:
        return known


class Rint(Rounding):
    """To the nearest integer, ties to even."""

    kind = "rint"

    def _value(self, x: FloatArray) -> Any:
        return np.rint(x)


class Floor(Rounding):
    """Down."""

    kind = "floor"

    def _value(self, x: FloatArray) -> Any:
        return np.floor(x)

    def _rounded_to(self, least: Floats, most: Floats) -> Interval:
        return least, most + 1


class Ceil(Rounding):
    """Up."""

    kind = "ceil"

    def _value(self, x: FloatArray) -> Any:
        return np.ceil(x)

    def _rounded_to(self, least: Floats, most: Floats) -> Interval:
        return least - 1, most


class Trunc(Rounding):
    """Towards zero."""

    kind = "trunc"

    def _value(self, x: FloatArray) -> Any:
        return np.trunc(x)

    def _rounded_to(self, least: Floats, most: Floats) -> Interval:
        return np.where(least > 0, least, least - 1), np.where(most < 0, most, most + 1)


class AwayFromZero(Rounding):
    """Away from zero."""

    kind = "up"

    def _value(self, x: FloatArray) -> Any:
        return np.copysign(np.ceil(np.abs(x)), x)

    def _rounded_to(self, least: Floats, most: Floats) -> Interval:
        return np.where(least > 0, least - 1, least), np.where(most < 0, most + 1, most)


class HalfAway(Rounding):
    """To the nearest integer, ties away from zero."""

    kind = "half_away"

    def _value(self, x: FloatArray) -> Any:
        """Not floor(|x| + 0.5): that sum rounds up what is just below a half."""
        size = np.abs(x)
        below = np.floor(size)
        return np.copysign(below + (size - below >= 0.5), x)


class HalfDown(Rounding):
    """To the nearest integer, ties towards zero."""

    kind = "half_down"

    def _value(self, x: FloatArray) -> Any:
        size = np.abs(x)
        below = np.floor(size)
        return np.copysign(below + (size - below > 0.5), x)


class HalfUp(Rounding):
    """To the nearest integer, ties towards +infinity."""

    kind = "half_up"

    def _value(self, x: FloatArray) -> Any:
        """x - floor(x) is exact, or x lies in (-1/2, 0) and it rounds to no less than a half."""
        below = np.floor(x)
        return below + (x - below >= 0.5)


class Sign(Rising, Primitive):
    """-1, 0, 1."""

    kind = "sign"
    jumps = True

    def _value(self, x: FloatArray) -> Any:
        return np.sign(x)

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        return np.where(low <= -1, -np.inf, 0.0), np.where(high >= 1, np.inf, 0.0)

    def positive(self, known: bool) -> bool:
        return known


class Comparison(Constant):
    """[x op operand] as 0 / 1."""

    jumps = infinite = True

    def positive(self, known: bool) -> bool:
        return True


class _Above(Rising, Comparison):
    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        constant = self.of(channel)
        return np.where(low <= 0, -np.inf, constant), np.where(high >= 1, np.inf, constant)


class _Below(Comparison):
    def direction(self) -> IntArray:
        return np.full(1, -1, dtype=np.int64)

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        constant = self.of(channel)
        return np.where(high >= 1, -np.inf, constant), np.where(low <= 0, np.inf, constant)


class Greater(_Above):
    """x > operand."""

    kind = "greater"

    def _value(self, x: FloatArray) -> Any:
        return x > self.column


class GreaterEqual(_Above):
    """x >= operand."""

    kind = "greater_equal"

    def _value(self, x: FloatArray) -> Any:
        return x >= self.column


class Less(_Below):
    """x < operand."""

    kind = "less"

    def _value(self, x: FloatArray) -> Any:
        return x < self.column


class LessEqual(_Below):
    """x <= operand."""

    kind = "less_equal"

    def _value(self, x: FloatArray) -> Any:
        return x <= self.column


class Count(Rising, Constant):
    """How many thresholds T have x >= T, operand (C, n) or (1, n)."""

    kind = "count"
    jumps = infinite = True

    def _value(self, x: FloatArray) -> Any:
        total = np.zeros(np.broadcast_shapes(x.shape, (len(self.column), 1)), dtype=np.int64)
        for thresholds in self.column.T:
            total += x >= thresholds[:, None]
        return total

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """At least k thresholds are reached from the k-th on."""
        rows = np.sort(self.exact, axis=1)
        row = channel if len(rows) > 1 else np.zeros_like(channel)
        padded = np.pad(rows, ((0, 0), (1, 1)), constant_values=((0, 0), (-np.inf, np.inf)))
        least, most = (np.clip(n, 0, rows.shape[1] + 1).astype(np.int64) for n in (np.ceil(low), np.floor(high) + 1))
        return padded[row, least], padded[row, most]

    def positive(self, known: bool) -> bool:
        return True

    @classmethod
    def joined(cls, operands: Sequence[FloatArray], counts: Sequence[int]) -> Primitive | None:
        return None

"""Kinds that jump: roundings, the sign, comparisons, and the count of thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from intinfer.types import IntArray

from ..float_error import Floats
from .base import FloatArray, Interval, Primitive


class Rounding(Primitive):
    """A rounding of x to an integer.

    Attributes:
        spread: how far below and above an integer the reals lie that it rounds to it.
    """

    jumps = True
    spread: ClassVar[tuple[float, float]] = (0.5, 0.5)

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """What rounds into low..high: `spread` around its outermost integers."""
        return np.ceil(low) - self.spread[0], np.floor(high) + self.spread[1]


class Rint(Rounding):
    """Rounding to the nearest integer, ties to even."""

    kind, formula = "rint", np.rint


class Floor(Rounding):
    """Rounding down."""

    kind, formula, spread = "floor", np.floor, (0, 1)


class Ceil(Rounding):
    """Rounding up."""

    kind, formula, spread = "ceil", np.ceil, (1, 0)


class Trunc(Rounding):
    """Rounding towards zero."""

    kind, formula = "trunc", np.trunc

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """What is cut off to low..high: everything around 0 where it holds 0."""
        least, most = np.ceil(low), np.floor(high)
        return np.where(least > 0, least, least - 1), np.where(most < 0, most, most + 1)


class AwayFromZero(Rounding):
    """Rounding away from zero."""

    kind = "up"
    formula = staticmethod(lambda x: np.copysign(np.ceil(np.abs(x)), x))

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """What is rounded up in magnitude to low..high."""
        least, most = np.ceil(low), np.floor(high)
        return np.where(least > 0, least - 1, least), np.where(most < 0, most + 1, most)


def _nearest(x: FloatArray, up: Any) -> FloatArray:
    """|x| to the nearest integer with the sign of x; `up` says whether a fraction goes up.

    Not floor(|x| + 0.5): that sum rounds up what is just below a half.
    """
    size = np.abs(x)
    below = np.floor(size)
    return np.asarray(np.copysign(below + up(size - below, 0.5), x))


class HalfAway(Rounding):
    """Rounding to the nearest integer, ties away from zero."""

    kind = "half_away"
    formula = staticmethod(lambda x: _nearest(x, np.greater_equal))


class HalfDown(Rounding):
    """Rounding to the nearest integer, ties towards zero."""

    kind = "half_down"
    formula = staticmethod(lambda x: _nearest(x, np.greater))


class HalfUp(Rounding):
    """Rounding to the nearest integer, ties towards +infinity.

    x - floor(x) is exact, or x lies in (-1/2, 0) and it rounds to no less than a half.
    """

    kind = "half_up"
    formula = staticmethod(lambda x: np.floor(x) + (x - np.floor(x) >= 0.5))


class Sign(Primitive):
    """The sign of x: -1, 0 or 1."""

    kind, formula, jumps = "sign", np.sign, True

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """The negative reals, 0 or the positive ones, as far as low..high holds their signs."""
        return np.where(low <= -1, -np.inf, 0.0), np.where(high >= 1, np.inf, 0.0)

    def reach(self, low: float, high: float, dtype: np.dtype[Any]) -> tuple[float, float]:
        """-1 to 1, whatever comes in."""
        return -1.0, 1.0


class Comparison(Primitive):
    """[x op operand] as 0 / 1."""

    jumps = infinite = True

    def positive(self, known: bool) -> bool:
        """It is 0 or 1."""
        return True

    def reach(self, low: float, high: float, dtype: np.dtype[Any]) -> tuple[float, float]:
        """0 to 1, whatever comes in."""
        return 0.0, 1.0


class _Above(Comparison):
    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """The reals on the sides of the operand that give low..high."""
        constant = self.of(channel)
        return np.where(low <= 0, -np.inf, constant), np.where(high >= 1, np.inf, constant)


class _Below(Comparison):
    def direction(self) -> IntArray:
        """-1 in every channel."""
        return np.full(1, -1, dtype=np.int64)

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """The reals on the sides of the operand that give low..high."""
        constant = self.of(channel)
        return np.where(high >= 1, -np.inf, constant), np.where(low <= 0, np.inf, constant)


class Greater(_Above):
    """The comparison [x > operand]."""

    kind, formula = "greater", np.greater


class GreaterEqual(_Above):
    """The comparison [x >= operand]."""

    kind, formula = "greater_equal", np.greater_equal


class Less(_Below):
    """The comparison [x < operand]."""

    kind, formula = "less", np.less


class LessEqual(_Below):
    """The comparison [x <= operand]."""

    kind, formula = "less_equal", np.less_equal


def _count(x: FloatArray, thresholds: FloatArray) -> IntArray:
    total = np.zeros(np.broadcast_shapes(x.shape, (len(thresholds), 1)), dtype=np.int64)
    for column in thresholds.T:
        total += x >= column[:, None]
    return total


class Count(Primitive):
    """How many thresholds T have x >= T, operand (C, n) or (1, n)."""

    kind, formula = "count", staticmethod(_count)
    jumps = infinite = True

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """At least k thresholds are reached from the k-th on."""
        rows = np.sort(self.exact, axis=1)
        row = channel if len(rows) > 1 else np.zeros_like(channel)
        padded = np.pad(rows, ((0, 0), (1, 1)), constant_values=((0, 0), (-np.inf, np.inf)))
        least, most = (np.clip(n, 0, rows.shape[1] + 1).astype(np.int64) for n in (np.ceil(low), np.floor(high) + 1))
        return padded[row, least], padded[row, most]

    def positive(self, known: bool) -> bool:
        """It is a count."""
        return True

    def reach(self, low: float, high: float, dtype: np.dtype[Any]) -> tuple[float, float]:
        """0 to the number of thresholds, whatever comes in."""
        return 0.0, float(self.exact.shape[-1])

    @classmethod
    def joined(cls, operands: Sequence[FloatArray], counts: Sequence[int]) -> Primitive | None:
        """None: different thresholds do not go together."""
        return None

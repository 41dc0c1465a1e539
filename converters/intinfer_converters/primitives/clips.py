"""Continuous kinds that bend: clip and leaky ReLU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from intinfer.types import IntArray

from ..float_error import Floats, Format, Real
from .base import Constant, FloatArray, Interval, Primitive, Rising

if TYPE_CHECKING:
    from ..lowered import Lowered, Lowering


class Clip(Rising, Constant):
    """min(max(x, lo), hi), operand (2,): lo, hi; infinite where there is no limit, so that (0, inf) is ReLU."""

    kind = "clip"
    infinite = True

    def _value(self, x: FloatArray) -> Any:
        assert self.operand is not None
        return np.minimum(np.maximum(x, self.operand[0]), self.operand[1])

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        least, most = self.exact
        empty = (low > most) | (high < least)
        low, high = np.where(low <= least, -np.inf, low), np.where(high >= most, np.inf, high)
        return np.where(empty, np.inf, low), np.where(empty, -np.inf, high)

    def error(self, x: Real, channel: IntArray, format_: Format) -> Real:
        ends = self.exact[np.isfinite(self.exact)]
        on_grid = bool(x.grid) and bool((np.rint(ends / x.grid) * x.grid == ends).all())
        return Real(np.clip(x.value, *self.exact), x.error, x.grid if on_grid else 0.0)

    def integers(self, state: Lowering, x: Lowered) -> Lowered | None:
        """A clip at integers of z, such as ReLU where real 0 is one, becomes a `clamp`."""
        assert self.operand is not None
        return state.clamped(x, self.operand)

    def positive(self, known: bool) -> bool:
        return bool(self.exact[0] >= 0)

    def fault(self) -> str | None:
        low, high = self.exact
        return super().fault() or (f"it clips to {low:g}..{high:g}, which is empty" if low > high else None)

    @property
    def channels(self) -> int:
        return 1

    @classmethod
    def joined(cls, operands: Sequence[FloatArray], counts: Sequence[int]) -> Primitive | None:
        return None


class Leaky(Rising, Constant):
    """x >= 0 ? x : x * operand, at least 0."""

    kind = "leaky"

    def _value(self, x: FloatArray) -> Any:
        return np.where(x >= 0, x, x * self.column)

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        slope = self.of(channel)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(low >= 0, low, low / slope), np.where(high >= 0, high, high / slope)

    def error(self, x: Real, channel: IntArray, format_: Format) -> Real:
        slope = np.where(x.value >= 0, 1.0, self.of(channel))
        value = x.value * slope
        error = x.error * np.maximum(1.0, slope)  # it may cross 0
        return Real(value, error + format_.gamma(1) * (np.abs(value) + error) + format_.smallest)

    def positive(self, known: bool) -> bool:
        return known

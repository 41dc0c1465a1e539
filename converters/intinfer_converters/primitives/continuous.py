"""Continuous kinds: affine ones (add, subtract, multiply and divide by constants), clip and leaky ReLU."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from intinfer.types import IntArray

from ..float_error import FloatFormat, Floats, Real, Terms, lowest_bit
from .base import FloatArray, Interval, Primitive

Fractions = tuple[Fraction, ...]


class Affine(Primitive):
    """x -> factor * x + shift, exactly a real affine before its one rounding."""

    @abstractmethod
    def factor_and_shift(self) -> tuple[Fractions, Fractions]:
        """One entry, or one a channel."""

    @abstractmethod
    def extend(self, terms: Terms, channel: IntArray) -> None:
        """Take it into a run of affine ops that is bounded as one."""

    @property
    def fractions(self) -> Fractions:
        """The operand as exact rationals."""
        assert self.operand is not None
        return tuple(Fraction(float(c)) for c in self.operand)


class _Shift(Affine):
    sign: ClassVar[int]

    @property
    def idle(self) -> bool:
        """Whether it adds 0 in every channel."""
        return not self.exact.any()

    @property
    def keeps_integers(self) -> bool:
        """Whether it adds integers."""
        return self.whole

    def factor_and_shift(self) -> tuple[Fractions, Fractions]:
        """Factor 1, and the operand with its sign."""
        return (Fraction(1),), tuple(self.sign * c for c in self.fractions)

    def extend(self, terms: Terms, channel: IntArray) -> None:
        """Add the operand to the run."""
        terms.shift(self.sign * self.of(channel), lowest_bit(self.exact))

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """The interval moved back."""
        shift = -self.sign * self.of(channel)
        return low + shift, high + shift

    def positive(self, known: bool) -> bool:
        """Whether nothing negative is added to what is not negative."""
        return known and bool((self.sign * self.exact >= 0).all())


class Add(_Shift):
    """The kind x + operand."""

    kind, formula, sign = "add", np.add, 1


class Sub(_Shift):
    """The kind x - operand."""

    kind, formula, sign = "sub", np.subtract, -1


class _Scale(Affine):
    undone: ClassVar[Any]

    @property
    def idle(self) -> bool:
        """Whether it multiplies with 1 in every channel."""
        return bool((self.exact == 1).all())

    def direction(self) -> IntArray:
        """The sign of the operand."""
        return np.sign(self.exact).astype(np.int64)

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """The interval scaled back; all reals where the factor is 0."""
        constant = self.of(channel)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = self.undone(low, constant), self.undone(high, constant)
        flat = constant == 0
        first, second = np.where(constant < 0, ends[1], ends[0]), np.where(constant < 0, ends[0], ends[1])
        return np.where(flat, -np.inf, first), np.where(flat, np.inf, second)

    def positive(self, known: bool) -> bool:
        """Whether what is not negative is scaled by nothing negative."""
        return known and bool((self.exact >= 0).all())


class Mul(_Scale):
    """The kind x * operand."""

    kind, formula, undone = "mul", np.multiply, np.divide

    @property
    def keeps_integers(self) -> bool:
        """Whether it multiplies with integers."""
        return self.whole

    def factor_and_shift(self) -> tuple[Fractions, Fractions]:
        """The operand, and no shift."""
        return self.fractions, (Fraction(0),)

    def extend(self, terms: Terms, channel: IntArray) -> None:
        """Multiply the run with the operand."""
        terms.scale(self.of(channel), lowest_bit(self.exact))


class Div(_Scale):
    """The kind x / operand."""

    kind, formula, undone = "div", np.divide, np.multiply

    def factor_and_shift(self) -> tuple[Fractions, Fractions]:
        """The operand's exact inverse, and no shift."""
        return tuple(1 / c for c in self.fractions), (Fraction(0),)

    def extend(self, terms: Terms, channel: IntArray) -> None:
        """Multiply the run with the inverse, which lies on a grid for powers of two."""
        with np.errstate(divide="ignore"):
            factors = 1 / self.exact
        powers_of_two = bool((np.abs(np.frexp(self.exact)[0]) == 0.5).all())
        terms.scale(factors if factors.size == 1 else factors[channel], lowest_bit(factors) if powers_of_two else 0.0)

    def fault(self) -> str | None:
        """What is wrong with its operand; a division by 0 is."""
        return super().fault() or (None if self.exact.all() else "it divides by 0; repair the checkpoint")


class Clip(Primitive):
    """min(max(x, lo), hi), operand (2,): lo, hi; infinite where there is no limit, so that (0, inf) is ReLU."""

    kind = "clip"
    infinite = True

    formula = staticmethod(lambda x, ends: np.minimum(np.maximum(x, ends[0]), ends[1]))

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """The interval without its ends where they are the limits, and empty where it lies outside of them."""
        least, most = self.exact
        empty = (low > most) | (high < least)
        low, high = np.where(low <= least, -np.inf, low), np.where(high >= most, np.inf, high)
        return np.where(empty, np.inf, low), np.where(empty, -np.inf, high)

    def error(self, x: Real, channel: IntArray, format_: FloatFormat) -> Real:
        """A clip adds no error."""
        ends = self.exact[np.isfinite(self.exact)]
        on_grid = bool(x.grid) and bool((np.rint(ends / x.grid) * x.grid == ends).all())
        return Real(np.clip(x.value, *self.exact), x.error, x.grid if on_grid else 0.0)

    def positive(self, known: bool) -> bool:
        """Whether the lower limit is not negative."""
        return bool(self.exact[0] >= 0)

    @property
    def idle(self) -> bool:
        """Whether both limits are infinite."""
        return bool(np.isinf(self.exact).all())

    @property
    def keeps_integers(self) -> bool:
        """Whether its limits are integers, where they are finite."""
        return self.whole

    def fault(self) -> str | None:
        """What is wrong with its limits; an empty range is."""
        low, high = self.exact
        return super().fault() or (f"it clips to {low:g}..{high:g}, which is empty" if low > high else None)

    @property
    def channels(self) -> int:
        """One: the limits are those of all channels."""
        return 1

    @classmethod
    def joined(cls, operands: Sequence[FloatArray], counts: Sequence[int]) -> Primitive | None:
        """None: different limits do not go together."""
        return None


class Leaky(Primitive):
    """x >= 0 ? x : x * operand, at least 0."""

    kind = "leaky"

    formula = staticmethod(lambda x, slope: np.where(x >= 0, x, x * slope))

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        """The interval with its negative part scaled back."""
        slope = self.of(channel)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(low >= 0, low, low / slope), np.where(high >= 0, high, high / slope)

    def error(self, x: Real, channel: IntArray, format_: FloatFormat) -> Real:
        """The error of the input and of one product, with the larger slope of the two sides."""
        slope = np.where(x.value >= 0, 1.0, self.of(channel))
        value = x.value * slope
        error = x.error * np.maximum(1.0, slope)  # it may cross 0
        return Real(value, error + format_.gamma(1) * (np.abs(value) + error) + format_.smallest)

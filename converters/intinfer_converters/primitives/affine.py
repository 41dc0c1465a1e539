"""Affine kinds: add, subtract, multiply and divide by constants."""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from intinfer.types import IntArray

from ..float_error import Floats, Terms, lowest_bit
from .base import Constant, FloatArray, Interval, Rising

if TYPE_CHECKING:
    from ..lowered import Lowered, Lowering

Fractions = tuple[Fraction, ...]


class Affine(Constant):
    """x -> factor * x + shift, exactly a real affine before its one rounding."""

    @abstractmethod
    def factor_and_shift(self) -> tuple[Fractions, Fractions]:
        """One entry, or one a channel."""

    @abstractmethod
    def extend(self, terms: Terms, channel: IntArray) -> None:
        """Take it into a run of affine ops that is bounded as one."""

    def integers(self, state: Lowering, x: Lowered) -> Lowered | None:
        """The affine goes into scale and offset."""
        return x.times(*self.factor_and_shift())

    @property
    def fractions(self) -> Fractions:
        assert self.operand is not None
        return tuple(Fraction(float(c)) for c in self.operand)


class _Shift(Rising, Affine):
    sign: ClassVar[int]

    def factor_and_shift(self) -> tuple[Fractions, Fractions]:
        return (Fraction(1),), tuple(self.sign * c for c in self.fractions)

    def extend(self, terms: Terms, channel: IntArray) -> None:
        terms.shift(self.sign * self.of(channel), lowest_bit(self.exact))

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        shift = -self.sign * self.of(channel)
        return low + shift, high + shift

    def positive(self, known: bool) -> bool:
        return known and bool((self.sign * self.exact >= 0).all())


class Add(_Shift):
    """x + operand."""

    kind, sign = "add", 1

    def _value(self, x: FloatArray) -> Any:
        return x + self.column


class Sub(_Shift):
    """x - operand."""

    kind, sign = "sub", -1

    def _value(self, x: FloatArray) -> Any:
        return x - self.column


class _Scale(Affine):
    def direction(self) -> IntArray:
        return np.sign(self.column[:, 0]).astype(np.int64)

    def before(self, low: Floats, high: Floats, channel: IntArray) -> Interval:
        constant = self.of(channel)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = self._undone(low, constant), self._undone(high, constant)
        flat = constant == 0
        first, second = np.where(constant < 0, ends[1], ends[0]), np.where(constant < 0, ends[0], ends[1])
        return np.where(flat, -np.inf, first), np.where(flat, np.inf, second)

    @abstractmethod
    def _undone(self, results: Floats, constant: Floats) -> Floats: ...

    def positive(self, known: bool) -> bool:
        return known and bool((self.exact >= 0).all())


class Mul(_Scale):
    """x * operand."""

    kind = "mul"

    def _value(self, x: FloatArray) -> Any:
        return x * self.column

    def _undone(self, results: Floats, constant: Floats) -> Floats:
        return results / constant

    def factor_and_shift(self) -> tuple[Fractions, Fractions]:
        return self.fractions, (Fraction(0),)

    def extend(self, terms: Terms, channel: IntArray) -> None:
        terms.scale(self.of(channel), lowest_bit(self.exact))


class Div(_Scale):
    """x / operand."""

    kind = "div"

    def _value(self, x: FloatArray) -> Any:
        return x / self.column

    def _undone(self, results: Floats, constant: Floats) -> Floats:
        return results * constant

    def factor_and_shift(self) -> tuple[Fractions, Fractions]:
        return tuple(1 / c for c in self.fractions), (Fraction(0),)

    def extend(self, terms: Terms, channel: IntArray) -> None:
        with np.errstate(divide="ignore"):
            factors = 1 / self.exact
        powers_of_two = bool((np.abs(np.frexp(self.exact)[0]) == 0.5).all())
        terms.scale(factors if factors.size == 1 else factors[channel], lowest_bit(factors) if powers_of_two else 0.0)

    def fault(self) -> str | None:
        zero = self.operand is not None and not self.operand.all()
        return super().fault() or ("it divides by 0; repair the checkpoint" if zero else None)

"""How far a float evaluation of the source may be from the exact value, derived and never tuned.

With u the unit roundoff of the source's type (2^-24 for float32), an operation that does not underflow gives
fl(a op b) = (a op b)(1 + d), |d| <= u. A value that passes through at most n roundings carries a factor
prod (1 + d_i)^(+-1), which differs from 1 by at most gamma(n) = n u / (1 - n u) (Higham, Accuracy and Stability of
Numerical Algorithms, lemma 3.1).

Sums. Of n products w*a added in any order or tree, with or without fused multiply-add, each product meets at most n
roundings (its own, and n - 1 additions), one more where a bias is added, one more where the source's weight is the
rounded q * scale; an error e of a goes in as |w|*e. When all numbers are multiples of one power of two g and the sum of
magnitudes is below g / u, every partial sum is a number that the type holds: the computed sum is exact.

Batch norm, y = (x - mean) * g / sqrt(var + eps) + beta. Frameworks compute it as it stands, or fold it to
x * a + b with a = g / sqrt(var + eps), b = beta - mean * a, with or without fused multiply-add (which only leaves
roundings out). Written as a sum of the three terms x*a, mean*a and beta, in either form each term meets at most eight
roundings: eps to float32, var + eps, the root, the quotient, times g, times x or mean, minus, and plus (a rounding
inside the root counts in full). So |computed - exact| <= gamma(8) * (|x|*A + |mean|*A + |beta|), A = |a|. An operation
that underflows may in addition lose all it has, at most 2^-126 even when subnormals are flushed; only the factors that
are multiplied afterwards can enlarge this: x, mean, g and 1.

A run of k >= 2 affine operations in a chain may be such a folded batch norm: it is bounded as the sum of its terms in
the same way, 2k + 4 roundings each (a constant of the chain may itself hold three roundings, which another evaluation
makes differently). Any other operation in a chain is one rounding. An error e of the input goes in as e times the
slope. The exact value is computed here in float64, whose own error is the same formula with u = 2^-53 and is added to
the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.ops import Tgap
from intinfer.types import IntArray

Floats = npt.NDArray[np.float64]

BATCH_NORM_ROUNDINGS = 8


@dataclass(frozen=True)
class FloatFormat:
    """A floating-point type: unit roundoff, smallest normal number."""

    unit: float
    smallest: float

    @classmethod
    def of(cls, dtype: npt.DTypeLike) -> FloatFormat:
        """The format of a NumPy float type."""
        info = np.finfo(np.dtype(dtype))
        return cls(2.0 ** -(info.nmant + 1), float(info.smallest_normal))

    @property
    def exact_below(self) -> float:
        """Every integer of a magnitude up to this is a number of the type."""
        return 1 / self.unit

    def gamma(self, roundings: int) -> float:
        """n u / (1 - n u), plus the same of float64 for our own evaluation."""
        return sum(roundings * u / (1 - roundings * u) for u in (self.unit, 2.0**-53))


FLOAT32 = FloatFormat.of(np.float32)


@dataclass(frozen=True, eq=False)
class Real:
    """Exact real values (in float64), and how far a float evaluation of them may be off.

    `grid` is a power of two of which all values are multiples, when the float evaluation is known to be exact; else 0.
    """

    value: Floats
    error: Floats
    grid: float = 0.0

    @classmethod
    def exactly(cls, values: IntArray | Floats, grid: float = 1.0) -> Real:
        """What the source has without error: by default integers."""
        value = values.astype(np.float64)
        return cls(value, np.zeros_like(value), grid)

    @property
    def size(self) -> Floats:
        """The largest magnitudes that a float evaluation may have."""
        return np.asarray(np.abs(self.value) + self.error)

    def at(self, *index: Any) -> Real:
        """The elements at a place, as NumPy indexes them."""
        return Real(self.value[index], self.error[index], self.grid)


def settled_sum(value: Floats, error: Floats, size: Floats, grid: float, format_: FloatFormat) -> Real:
    """A result whose terms are multiples of `grid` (0: they are not) with magnitudes that sum up to `size`.

    Without error where that proves it exact; on the grid still, when it does everywhere.
    """
    if not grid:
        return Real(value, error)
    exact = size < grid * format_.exact_below
    return Real(value, np.where(exact, 0.0, error), grid if exact.all() else 0.0)


def select_margin(op: Tgap, x: IntArray) -> tuple[Floats, Floats]:
    """For each channel |2 * sum - N*h*w|, and the bound of a float32 sum compared with a rounded N*h*w.

    The bound is -1, which explains nothing, where the float32 comparison is exact.
    """
    pixels = x.shape[2] * x.shape[3]
    total = 2.0 * x.sum(axis=(2, 3)).astype(np.float64)
    limit = float(op.top * pixels)
    exact = (total < FLOAT32.exact_below) & (limit < FLOAT32.exact_below)
    return np.abs(total - limit), np.where(exact, -1.0, FLOAT32.gamma(pixels) * (total + limit))


@dataclass(frozen=True, eq=False)
class Norm:
    """Batch norm's own parameters, (C,) float64."""

    mean: Floats
    variance: Floats
    factor: Floats
    shift: Floats
    epsilon: float


def batch_norm(x: Real, norm: Norm, channel: IntArray) -> Real:
    """Batch norm in any float32 form; `channel` indexes its parameters and broadcasts with x."""
    mean, factor, beta = norm.mean[channel], norm.factor[channel], norm.shift[channel]
    slope = factor / np.sqrt(norm.variance[channel] + norm.epsilon)
    value = (x.value - mean) * slope + beta
    size = (x.size + np.abs(mean)) * np.abs(slope) + np.abs(beta)
    lost = FLOAT32.smallest * (x.size + np.abs(mean) + np.abs(factor) + 1)
    roundings = FLOAT32.gamma(BATCH_NORM_ROUNDINGS) * size + BATCH_NORM_ROUNDINGS * lost
    return Real(value, x.error * np.abs(slope) + roundings)


class Terms:
    """A run of affine operations as the sum of its terms: the value, its error so far, and what bounds the roundings.

    Args:
        x: what the run starts from.
    """

    def __init__(self, x: Real) -> None:
        self.value, self.error, self.size, self.grid = x.value, x.error, x.size, x.grid
        self._lost: Floats = np.ones(1) + self.size
        self._enlarged: Floats = np.ones(1)

    def shift(self, constant: Floats, grid: float) -> None:
        """Add a constant, a multiple of `grid`."""
        self.value = self.value + constant
        self.size, self._lost = self.size + np.abs(constant), self._lost + np.abs(constant)
        self.grid = min(self.grid, grid)

    def scale(self, slope: Floats, grid: float) -> None:
        """Multiply with a factor, a multiple of `grid`, or not known to be one of any where that is 0."""
        self.grid = self.grid * grid
        self.value, self.error, self.size = self.value * slope, self.error * np.abs(slope), self.size * np.abs(slope)
        self._lost, self._enlarged = self._lost + np.abs(slope), self._enlarged * np.maximum(1.0, np.abs(slope))

    def bounded(self, count: int, format_: FloatFormat) -> Real:
        """The result of `count` operations."""
        if count == 1:
            size = np.abs(self.value) + self.error
            total = self.error + format_.gamma(1) * size + format_.smallest
            return settled_sum(self.value, total, size, self.grid, format_)
        roundings = 2 * count + 4
        lost = roundings * format_.smallest * self._lost * self._enlarged
        total = self.error + format_.gamma(roundings) * self.size + lost
        return settled_sum(self.value, total, self.size, self.grid, format_)


def dyadic(numbers: Sequence[Fraction]) -> bool:
    """Whether all are integers over a power of two."""
    return all(number.denominator & (number.denominator - 1) == 0 for number in numbers)


def column(numbers: Sequence[Fraction] | Sequence[float], axes: int) -> Floats:
    """Numbers, one or one a channel, in float64, to broadcast over (N, C, ...) of so many axes."""
    return np.array([float(number) for number in numbers]).reshape(1, -1, *[1] * (axes - 2))


def channel_index(x: Floats) -> IntArray:
    """0..C-1, shaped to broadcast over x (N, C, ...)."""
    return np.arange(x.shape[1], dtype=np.int64).reshape(1, -1, *[1] * (x.ndim - 2))


def lowest_bit(numbers: Floats) -> float:
    """The largest power of two of which all numbers are multiples (infinity when all are 0)."""
    finite = numbers[np.isfinite(numbers) & (numbers != 0)]
    if finite.size < np.isfinite(numbers).sum() and not finite.size:
        return np.inf
    if not finite.size:
        return 0.0
    mantissa, exponent = np.frexp(finite)
    digits = np.abs(np.ldexp(mantissa, 53)).astype(np.int64)
    lowest = np.ldexp((digits & -digits).astype(np.float64), exponent - 53)
    return float(lowest.min())


def mean(x: Real, axes: tuple[int, ...], format_: FloatFormat = FLOAT32) -> Real:
    """Mean over axes: a sum of n terms in any order, and one division (or a multiplication by a rounded 1/n)."""
    count = int(np.prod([x.value.shape[axis] for axis in axes]))
    error = x.error.mean(axis=axes) + format_.gamma(count + 1) * x.size.mean(axis=axes) + format_.smallest
    return Real(x.value.mean(axis=axes), error)


def total(x: Real, axes: tuple[int, ...], format_: FloatFormat = FLOAT32) -> Real:
    """Sum over axes: n terms in any order."""
    count = int(np.prod([x.value.shape[axis] for axis in axes]))
    size = x.size.sum(axis=axes)
    return settled_sum(
        x.value.sum(axis=axes), x.error.sum(axis=axes) + format_.gamma(count) * size, size, x.grid, format_
    )


def added(terms: Sequence[Real], signs: tuple[int, ...], format_: FloatFormat = FLOAT32) -> Real:
    """+-x1 +-x2 ..., in any order."""
    value, error, size = (np.zeros(1) for _ in range(3))
    for term, sign in zip(terms, signs, strict=True):
        value, error, size = value + sign * term.value, error + term.error, size + term.size
    grid = min(term.grid for term in terms)
    return settled_sum(value, error + format_.gamma(len(terms) - 1) * size, size, grid, format_)

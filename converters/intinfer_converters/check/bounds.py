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

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.ops import Tgap
from intinfer.types import IntArray

from ..evaluator import AFFINE, Chain, Primitive

Floats = npt.NDArray[np.float64]

BATCH_NORM_ROUNDINGS = 8


@dataclass(frozen=True)
class Format:
    """A floating-point type: unit roundoff, smallest normal number."""

    unit: float
    smallest: float

    @classmethod
    def of(cls, dtype: npt.DTypeLike) -> Format:
        info = np.finfo(np.dtype(dtype))
        return cls(2.0 ** -(info.nmant + 1), float(info.smallest_normal))

    @property
    def exact_below(self) -> float:
        """Every integer of a magnitude up to this is a number of the type."""
        return 1 / self.unit

    def gamma(self, roundings: int) -> float:
        """n u / (1 - n u), plus the same of float64 for our own evaluation."""
        return sum(roundings * u / (1 - roundings * u) for u in (self.unit, 2.0**-53))


FLOAT32 = Format.of(np.float32)


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
        largest: Floats = np.abs(self.value) + self.error
        return largest

    def at(self, *index: Any) -> Real:
        return Real(self.value[index], self.error[index], self.grid)


def settled(value: Floats, error: Floats, size: Floats, grid: float, format_: Format) -> Real:
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


def chain(x: Real, primitives: Chain, channel: IntArray, format_: Format = FLOAT32) -> Real:
    """Continuous primitives: affine ones, clip, leaky. `channel` indexes operands and broadcasts with x."""
    for affine, group in groupby(primitives, lambda primitive: primitive.kind in AFFINE):
        run = list(group)
        if affine:
            x = _affine(x, run, channel, format_)
            continue
        for primitive in run:
            assert primitive.operand is not None
            operand = primitive.operand.astype(np.float64)
            if primitive.kind == "clip":
                x = Real(np.clip(x.value, *operand), x.error, x.grid if _on_grid(operand, x.grid) else 0.0)
                continue
            slope = np.where(x.value >= 0, 1.0, operand if operand.size == 1 else operand[channel])
            value = x.value * slope
            error = x.error * np.maximum(1.0, slope)  # it may cross 0
            x = Real(value, error + format_.gamma(1) * (np.abs(value) + error) + format_.smallest)
    return x


def _on_grid(operand: Floats, grid: float) -> bool:
    finite = operand[np.isfinite(operand)]
    return bool(grid) and bool((np.rint(finite / grid) * grid == finite).all())


def _affine(x: Real, run: list[Primitive], channel: IntArray, format_: Format) -> Real:
    roundings = 1 if len(run) == 1 else 2 * len(run) + 4
    value, error, size, grid = x.value, x.error, x.size, x.grid
    lost, enlarged = np.ones(1) + size, np.ones(1)
    for primitive in run:
        assert primitive.operand is not None
        operand = primitive.operand.astype(np.float64)
        if primitive.kind in ("add", "sub"):
            constant = operand if operand.size == 1 else operand[channel]
            value = value + constant if primitive.kind == "add" else value - constant
            size, lost = size + np.abs(constant), lost + np.abs(constant)
            grid = min(grid, lowest_bit(operand))
            continue
        with np.errstate(divide="ignore"):
            factors = operand if primitive.kind == "mul" else 1 / operand
        power_of_two = primitive.kind == "mul" or bool((np.abs(np.frexp(operand)[0]) == 0.5).all())
        grid = grid * lowest_bit(factors) if power_of_two else 0.0
        slope = factors if factors.size == 1 else factors[channel]
        value, error, size = value * slope, error * np.abs(slope), size * np.abs(slope)
        lost, enlarged = lost + np.abs(slope), enlarged * np.maximum(1.0, np.abs(slope))
    if len(run) == 1:
        lost, enlarged = np.ones(1), np.ones(1)
        size = np.abs(value) + error
    total = error + format_.gamma(roundings) * size + roundings * format_.smallest * lost * enlarged
    return settled(value, total, size, grid, format_)


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


def mean(x: Real, axes: tuple[int, ...], format_: Format = FLOAT32) -> Real:
    """Mean over axes: a sum of n terms in any order, and one division (or a multiplication by a rounded 1/n)."""
    count = int(np.prod([x.value.shape[axis] for axis in axes]))
    error = x.error.mean(axis=axes) + format_.gamma(count + 1) * x.size.mean(axis=axes) + format_.smallest
    return Real(x.value.mean(axis=axes), error)


def total(x: Real, axes: tuple[int, ...], format_: Format = FLOAT32) -> Real:
    """Sum over axes: n terms in any order."""
    count = int(np.prod([x.value.shape[axis] for axis in axes]))
    size = x.size.sum(axis=axes)
    return settled(x.value.sum(axis=axes), x.error.sum(axis=axes) + format_.gamma(count) * size, size, x.grid, format_)


def added(terms: list[Real], signs: tuple[int, ...], format_: Format = FLOAT32) -> Real:
    """+-x1 +-x2 ..., in any order."""
    value, error, size = (np.zeros(1) for _ in range(3))
    for term, sign in zip(terms, signs, strict=True):
        value, error, size = value + sign * term.value, error + term.error, size + term.size
    grid = min(term.grid for term in terms)
    return settled(value, error + format_.gamma(len(terms) - 1) * size, size, grid, format_)


# ---------------------------------------------------------------------------------------------- quantisers

_INTEGERS = ("rint", "half_away", "half_down", "half_up", "floor", "ceil", "trunc", "up")
STEPS = (*_INTEGERS, "greater", "greater_equal", "less", "less_equal", "sign", "count")
"""Primitives that jump."""


def split(primitives: Chain) -> tuple[Chain, Chain]:
    """The continuous primitives before the first jump, and the rest."""
    for index, primitive in enumerate(primitives):
        if primitive.kind in STEPS:
            return primitives[:index], primitives[index:]
    return primitives, ()


def interval(primitives: Chain, results: Floats, channel: IntArray) -> tuple[Floats, Floats]:
    """The closed interval of reals that a chain takes to each of `results` (M,), channels `channel` (M,).

    It includes both ends, whichever side of a jump they fall on; an impossible result gives an empty one.
    """
    low, high = results.astype(np.float64), results.astype(np.float64)
    for primitive in reversed(primitives):
        low, high = _before(primitive, low, high, channel)
    return low, high


def _before(primitive: Primitive, low: Floats, high: Floats, channel: IntArray) -> tuple[Floats, Floats]:
    kind = primitive.kind
    if kind in _INTEGERS:
        return _before_rounding(kind, np.ceil(low), np.floor(high))
    if kind == "sign":
        return np.where(low <= -1, -np.inf, 0.0), np.where(high >= 1, np.inf, 0.0)
    assert primitive.operand is not None
    operand = primitive.operand.astype(np.float64)
    if kind == "count":
        return _before_count(np.sort(operand, axis=1), np.ceil(low), np.floor(high), channel)
    if kind == "clip":
        empty = (low > operand[1]) | (high < operand[0])
        low, high = np.where(low <= operand[0], -np.inf, low), np.where(high >= operand[1], np.inf, high)
        return np.where(empty, np.inf, low), np.where(empty, -np.inf, high)
    constant = operand if operand.size == 1 else operand[channel]
    if kind in ("greater", "greater_equal"):
        return np.where(low <= 0, -np.inf, constant), np.where(high >= 1, np.inf, constant)
    if kind in ("less", "less_equal"):
        return np.where(high >= 1, -np.inf, constant), np.where(low <= 0, np.inf, constant)
    if kind in ("add", "sub"):
        shift = constant if kind == "sub" else -constant
        return low + shift, high + shift
    if kind == "leaky":
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(low >= 0, low, low / constant), np.where(high >= 0, high, high / constant)
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = (low / constant, high / constant) if kind == "mul" else (low * constant, high * constant)
    flat = constant == 0
    first, second = np.where(constant < 0, ends[1], ends[0]), np.where(constant < 0, ends[0], ends[1])
    return np.where(flat, -np.inf, first), np.where(flat, np.inf, second)


def _before_rounding(kind: str, least: Floats, most: Floats) -> tuple[Floats, Floats]:
    """From the integers least..most to the reals that round to them."""
    if kind == "floor":
        return least, most + 1
    if kind == "ceil":
        return least - 1, most
    if kind == "trunc":
        return np.where(least > 0, least, least - 1), np.where(most < 0, most, most + 1)
    if kind == "up":
        return np.where(least > 0, least - 1, least), np.where(most < 0, most + 1, most)
    return least - 0.5, most + 0.5


def _before_count(rows: Floats, least: Floats, most: Floats, channel: IntArray) -> tuple[Floats, Floats]:
    """Thresholds (C, n) or (1, n), ascending: at least k of them are reached from the k-th on."""
    row = channel if len(rows) > 1 else np.zeros_like(channel)
    padded = np.pad(rows, ((0, 0), (1, 1)), constant_values=((0, 0), (-np.inf, np.inf)))
    width = rows.shape[1]
    low = padded[row, np.clip(least, 0, width + 1).astype(np.int64)]
    return low, padded[row, np.clip(most + 1, 0, width + 1).astype(np.int64)]

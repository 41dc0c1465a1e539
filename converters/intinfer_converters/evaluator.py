"""Our own evaluator of a source's float arithmetic: what a float op chain means, independent of any framework.

A chain starts from the exact rational scale * z + offset, rounds it once to the source's dtype, and applies the
pending ops in source order, each rounded once, no fused multiply-add. NumPy's elementwise float32 / float64 add,
subtract, multiply, divide, sqrt, rint and floor are IEEE 754 correctly rounded on every machine, which is what
makes this definition portable; framework kernels are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.types import IntArray

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Primitive:
    """One monotone float op of the source, rounded once.

    kind and operand (of the source's dtype, finite unless said):
        add sub mul div     x op operand, (C,) or (1,)
        clip                operand (2,): lo, hi; infinite where there is no limit, so that (0, inf) is ReLU
        rint floor ceil trunc   to an integer: nearest, ties to even; down; up; towards zero
        half_away half_down half_up   to the nearest integer, ties away from zero, towards zero, towards +inf
        up                  to an integer, away from zero
        sign                -1, 0, 1
        greater greater_equal less less_equal   [x op operand] as 0 / 1, (C,) or (1,)
        leaky               x >= 0 ? x : x * operand, operand (C,) or (1,), at least 0
        count               how many thresholds T have x >= T, operand (C, n) or (1, n)
    """

    kind: str
    operand: FloatArray | None = None

    def apply(self, x: FloatArray) -> FloatArray:
        """x: (C, M) of the source's dtype -> the same shape and dtype, rounded once."""
        column = self.operand
        if column is not None and column.ndim < 2:
            column = column.reshape(-1, 1)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # infinities are looked at by the caller
            return np.asarray(_APPLY[self.kind](x, column), dtype=x.dtype)

    def direction(self) -> IntArray:
        """(C,) or (1,): +1 non-decreasing, -1 non-increasing, 0 constant."""
        if self.kind in ("mul", "div"):
            assert self.operand is not None
            return np.sign(self.operand).astype(np.int64)
        return np.full(1, -1 if self.kind in ("less", "less_equal") else 1, dtype=np.int64)

    def select(self, indices: IntArray) -> Primitive:
        """The primitive of the channels `indices`."""
        if self.kind == "clip" or self.operand is None or len(self.operand) == 1:
            return self
        return Primitive(self.kind, self.operand[indices])

    def same(self, other: Primitive) -> bool:
        """Whether both are one function."""
        if self.kind != other.kind or self.operand is None or other.operand is None:
            return self.kind == other.kind and self.operand is other.operand
        return bool(np.array_equal(self.operand, other.operand))

    @property
    def channels(self) -> int:
        """How many channels the operand has, 1 when it is the same for all."""
        return 1 if self.kind == "clip" or self.operand is None else len(self.operand)


def _half_away(x: FloatArray) -> FloatArray:
    """Not floor(|x| + 0.5): that sum rounds up what is just below a half."""
    size = np.abs(x)
    below = np.floor(size)
    nearest: FloatArray = np.copysign(below + (size - below >= 0.5), x)
    return nearest


def _half_down(x: FloatArray) -> FloatArray:
    size = np.abs(x)
    below = np.floor(size)
    nearest: FloatArray = np.copysign(below + (size - below > 0.5), x)
    return nearest


def _half_up(x: FloatArray) -> FloatArray:
    """x - floor(x) is exact, or x lies in (-1/2, 0) and it rounds to no less than a half."""
    below = np.floor(x)
    nearest: FloatArray = below + (x - below >= 0.5)
    return nearest


def _count(x: FloatArray, thresholds: FloatArray) -> IntArray:
    total = np.zeros(np.broadcast_shapes(x.shape, (len(thresholds), 1)), dtype=np.int64)
    for column in thresholds.T:
        total += x >= column[:, None]
    return total


_APPLY: dict[str, Any] = {
    "add": lambda x, c: x + c,
    "sub": lambda x, c: x - c,
    "mul": lambda x, c: x * c,
    "div": lambda x, c: x / c,
    "clip": lambda x, c: np.minimum(np.maximum(x, c[0]), c[1]),
    "rint": lambda x, _: np.rint(x),
    "floor": lambda x, _: np.floor(x),
    "ceil": lambda x, _: np.ceil(x),
    "trunc": lambda x, _: np.trunc(x),
    "half_away": lambda x, _: _half_away(x),
    "half_down": lambda x, _: _half_down(x),
    "half_up": lambda x, _: _half_up(x),
    "up": lambda x, _: np.copysign(np.ceil(np.abs(x)), x),
    "sign": lambda x, _: np.sign(x),
    "greater": lambda x, c: x > c,
    "greater_equal": lambda x, c: x >= c,
    "less": lambda x, c: x < c,
    "less_equal": lambda x, c: x <= c,
    "leaky": lambda x, c: np.where(x >= 0, x, x * c),
    "count": _count,
}
AFFINE = ("add", "sub", "mul", "div")
MARGIN = 50
"""Bits of a float64 result that four roundings leave right."""
SMALLEST = Fraction(1, 2**900)
"""Far from float64's underflow, whatever integer is multiplied with it."""
Chain = tuple[Primitive, ...]


def chain_direction(chain: Chain, scale: Sequence[Fraction], channels: int) -> IntArray:
    """(C,) +1, -1 or 0: how the chain's result moves with z."""
    signs = np.array([(s > 0) - (s < 0) for s in scale], dtype=np.int64)
    total = np.ones(channels, dtype=np.int64) * signs
    for primitive in chain:
        total = total * primitive.direction()
    return total


def evaluate(
    chain: Chain, z: IntArray, scale: Sequence[Fraction], offset: Sequence[Fraction], dtype: npt.DTypeLike
) -> FloatArray:
    """The chain's value at z: (C, M) int64 -> (C, M) of `dtype`."""
    x = to_float(z, scale, offset, dtype)
    for primitive in chain:
        x = primitive.apply(x)
    return x


def to_float(z: IntArray, scale: Sequence[Fraction], offset: Sequence[Fraction], dtype: npt.DTypeLike) -> FloatArray:
    """scale * z + offset, rounded once to `dtype`, half to even; scale and offset one in all or one a row.

    In float64 with an error bound first: where both ends of the bound round to one number, that is it. Exact rationals
    decide the rest.
    """
    if all(s == 1 for s in scale) and not any(offset):
        return z.astype(dtype)  # an int64 converts with one rounding
    doubtful: npt.NDArray[np.bool_] = np.ones(z.shape, dtype=bool)
    result: FloatArray = np.zeros(z.shape, dtype=dtype)
    moderate = all(not n or SMALLEST < abs(n) < 1 / SMALLEST for n in (*scale, *offset))
    if moderate and np.finfo(result.dtype).nmant < MARGIN:
        factor, shift = (np.array([float(n) for n in numbers]).reshape(-1, 1) for numbers in (scale, offset))
        product = z * factor
        middle = product + shift
        error = (np.abs(product) + np.abs(shift)) * 2.0**-MARGIN  # four roundings, of 2^-53 each
        if _is_exact(z, scale, offset):
            error[...] = 0.0
        with np.errstate(over="ignore", under="ignore"):
            result, other = ((middle + e).astype(dtype) for e in (-error, error))
        doubtful = result != other
    for c, m in np.argwhere(doubtful):
        result[c, m] = round_to_float(_at(scale, c) * int(z[c, m]) + _at(offset, c), dtype)
    return result


def _is_exact(z: IntArray, scale: Sequence[Fraction], offset: Sequence[Fraction]) -> bool:
    """Whether float64 holds every scale * z + offset: they are multiples of one power of two, up to 2^53 of them."""
    grid = max(number.denominator for number in (*scale, *offset))
    largest = max(-int(z.min(initial=0)), int(z.max(initial=0)), 1) * max(map(abs, scale)) + max(map(abs, offset))
    return (
        all(grid % n.denominator == 0 for n in (*scale, *offset)) and grid & (grid - 1) == 0 and largest * grid <= 2**53
    )


def _at(numbers: Sequence[Fraction], channel: int) -> Fraction:
    return numbers[channel] if len(numbers) > 1 else numbers[0]


def round_to_float(exact: Fraction, dtype: npt.DTypeLike) -> float:
    """The `dtype` number nearest to `exact`, ties to even, as a Python float (which holds every one of them).

    As IEEE 754 has it, what rounds beyond the largest finite number is an infinity.
    """
    info = np.finfo(np.dtype(dtype))
    if exact == 0:
        return 0.0
    exponent = exact.numerator.bit_length() - exact.denominator.bit_length()
    if abs(exact) < Fraction(2) ** exponent:
        exponent -= 1  # now 2^exponent <= |exact| < 2^(exponent + 1)
    unit = Fraction(2) ** (max(exponent, int(info.minexp)) - info.nmant)
    rounded = round(exact / unit) * unit  # Fraction's round is exact, half to even
    if abs(rounded) > Fraction(float(info.max)):
        return math.inf if exact > 0 else -math.inf
    return float(rounded)


def factor_and_shift(primitive: Primitive) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """A primitive of `AFFINE` as x -> factor * x + shift, exactly; one entry or one a channel."""
    assert primitive.operand is not None
    constants = tuple(Fraction(float(c)) for c in primitive.operand)
    if primitive.kind == "mul":
        return constants, (Fraction(0),)
    if primitive.kind == "div":
        return tuple(1 / c for c in constants), (Fraction(0),)
    return (Fraction(1),), constants if primitive.kind == "add" else tuple(-c for c in constants)


def affine_of(chain: Chain, channels: int) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]] | None:
    """The chain as an exact real x -> scale[c] * x + offset[c], or None when it is not an affine."""
    scale, offset = [Fraction(1)] * channels, [Fraction(0)] * channels
    for primitive in chain:
        if primitive.kind not in AFFINE:
            return None
        factors, shifts = (n * channels if len(n) == 1 else n for n in factor_and_shift(primitive))
        scale = [f * s for f, s in zip(factors, scale, strict=True)]
        offset = [f * o + b for f, o, b in zip(factors, offset, shifts, strict=True)]
    return tuple(scale), tuple(offset)

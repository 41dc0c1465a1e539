"""Single float32 roundings, emulated exactly: `Fraction` in, `Fraction` out, no machine float in between."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt


def round_float32(value: Fraction) -> Fraction:
    """The float32 nearest to `value`, ties to even, gradual underflow; OverflowError where that is infinite.

    >>> round_float32(Fraction(2**24 + 1)) == 2**24
    True
    """
    if not value:
        return value
    exponent = _floor_log2(abs(value))
    quantum = Fraction(2) ** max(exponent - 23, -149)
    rounded = round(value / quantum) * quantum
    if abs(rounded) >= 2**128:
        raise OverflowError(f"{float(value):g} is infinite in float32")
    return rounded


def _floor_log2(value: Fraction) -> int:
    estimate = value.numerator.bit_length() - value.denominator.bit_length()
    return estimate if value >= Fraction(2) ** estimate else estimate - 1


def sqrt_float32(value: Fraction) -> Fraction:
    """The float32 nearest to the real square root of a float32 `value` >= 0.

    The root is cut to a multiple of 2^-200 when it is one, else replaced by the middle of the two multiples
    around it: float32 values and their midpoints are multiples of 2^-150, so both round alike.
    """
    scaled = value * 4**200
    if scaled.denominator != 1:
        raise ValueError(f"{float(value):g} is not a float32 value")
    root = isqrt(scaled.numerator)
    exact = root * root == scaled.numerator
    return round_float32(Fraction(root if exact else 2 * root + 1, 2**200 if exact else 2**201))

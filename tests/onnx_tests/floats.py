"""IEEE 754 rounding in exact arithmetic: `Fraction` in, `Fraction` out, no machine float in between."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np

FORMATS = {"float16": (11, -14, 15), "float32": (24, -126, 127), "float64": (53, -1022, 1023)}
"""NumPy name -> bits of the significand, least and greatest exponent of a normal number."""


def nearest(value: Fraction, dtype: str = "float32") -> Fraction:
    """The number of this format nearest to `value`, ties to even. OverflowError where that is infinite.

    >>> nearest(Fraction(1, 10)) == Fraction(13421773, 2**27)
    True
    >>> nearest(Fraction(2**24 + 1)), nearest(Fraction(2**24 + 3))
    (Fraction(16777216, 1), Fraction(16777220, 1))
    """
    precision, least, greatest = FORMATS[dtype]
    if value == 0:
        return value
    top, bottom = abs(value.numerator), value.denominator
    exponent = top.bit_length() - bottom.bit_length()  # 2^(exponent - 1) < |value| < 2^(exponent + 1)
    if top << max(0, -exponent) < bottom << max(0, exponent):
        exponent -= 1
    place = max(exponent, least) - precision + 1  # of the last bit
    top, bottom = top << max(0, -place), bottom << max(0, place)
    count, rest = divmod(top, bottom)
    count += 2 * rest > bottom or (2 * rest == bottom and count % 2 == 1)
    if place + count.bit_length() - 1 > greatest:
        raise OverflowError(f"a number of {top.bit_length() - bottom.bit_length()} bits is infinite in {dtype}")
    result = Fraction(count << max(0, place), 1 << max(0, -place))
    return result if value > 0 else -result


def root(value: Fraction) -> Fraction:
    """The float32 nearest to the square root of a float32 `value` >= 0: a root is never half way between two.

    >>> root(Fraction(9, 4)), float(root(Fraction(2)))
    (Fraction(3, 2), 1.4142135381698608)
    """
    shift = 400
    below = Fraction(isqrt(value.numerator * value.denominator << shift), value.denominator << shift // 2)
    return nearest(below if below * below == value else below + Fraction(1, value.denominator << shift))


def exactly(array: np.ndarray) -> list[Fraction]:
    """The elements as exact numbers, in C order."""
    kind = np.asarray(array)
    if kind.dtype.kind in "iub":
        return [Fraction(int(value)) for value in kind.reshape(-1)]
    return [Fraction(float(value)) for value in kind.reshape(-1)]

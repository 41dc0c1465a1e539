"""Integer outputs as people read them: exact real values, and the order of the classes."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from ..graph import Output
from ..types import IntArray

DIGITS = 6


def real_values(output: Output, z: IntArray) -> list[Fraction]:
    """scale * z + offset of a vector (C,), exactly."""
    count = len(z)
    scales, offsets = (part * count if len(part) == 1 else part for part in (output.scale, output.offset))
    return [scale * int(value) + offset for scale, value, offset in zip(scales, z, offsets, strict=True)]


def digits(value: Fraction) -> str:
    """`value` rounded to 6 significant digits.

    >>> digits(Fraction(-1, 3)), digits(Fraction(2**70)), digits(Fraction(3))
    ('-0.333333', '1.18059e+21', '3')
    """
    with localcontext(prec=40):  # the printed digits of a quotient of 40 are those of the exact one, save at a tie
        return f"{Decimal(value.numerator) / Decimal(value.denominator):.{DIGITS}g}"


def ranking(output: Output, z: IntArray) -> list[int]:
    """Channels of a vector (C,) from the largest real value to the smallest; the lowest index wins ties."""
    if output.ordered:
        return [int(i) for i in np.argsort(-z, kind="stable")]
    reals = real_values(output, z)
    return sorted(range(len(reals)), key=lambda channel: -reals[channel])


def winners(output: Output, z: IntArray) -> IntArray:
    """The first channel of `ranking` for each row of (N, C)."""
    if output.ordered:
        best: IntArray = np.argmax(z, axis=1).astype(np.int64)
        return best
    return np.array([ranking(output, row)[0] for row in z], dtype=np.int64)

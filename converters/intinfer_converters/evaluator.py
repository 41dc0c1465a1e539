"""Our own evaluator of a source's float arithmetic: what a float op chain means, independent of any framework.

A chain starts from the exact rational scale * z + offset, rounds it once to the source's dtype, and applies the
pending ops in source order, each rounded once, no fused multiply-add. NumPy's elementwise float32 / float64 add,
subtract, multiply, divide, sqrt, rint and floor are IEEE 754 correctly rounded on every machine, which is what
makes this definition portable; framework kernels are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby

import numpy as np
import numpy.typing as npt

from intinfer.types import IntArray

from .float_error import FLOAT32, FloatFormat, Floats, Real, Terms
from .primitives import Affine, Primitive
from .primitives import FloatArray as FloatArray

MARGIN = 50
"""Bits of a float64 result that four roundings leave right."""
SMALLEST = Fraction(1, 2**900)
"""Far from float64's underflow, whatever integer is multiplied with it."""
Chain = tuple[Primitive, ...]


def chain_direction(chain: Chain, scale: Sequence[Fraction], channels: int) -> IntArray:
    """(C,) +1, -1 or 0: how the chain's result moves with z."""
    signs = np.resize(np.array([(s > 0) - (s < 0) for s in scale], dtype=np.int64), channels)
    return math.prod((primitive.direction() for primitive in chain), start=signs)


def apply_chain(chain: Chain, x: FloatArray) -> FloatArray:
    """The chain's value at x, (C, M) or (N, C, M) of the source's dtype, each op rounded once."""
    for primitive in chain:
        x = primitive.apply(x)
    return x


def evaluate(
    chain: Chain, z: IntArray, scale: Sequence[Fraction], offset: Sequence[Fraction], dtype: npt.DTypeLike
) -> FloatArray:
    """The chain's value at z: (C, M) int64 -> (C, M) of `dtype`."""
    return apply_chain(chain, to_float(z, scale, offset, dtype))


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
        exact = scale[c % len(scale)] * int(z[c, m]) + offset[c % len(offset)]
        result[c, m] = round_to_float(exact, dtype)
    return result


def _is_exact(z: IntArray, scale: Sequence[Fraction], offset: Sequence[Fraction]) -> bool:
    """Whether float64 holds every scale * z + offset: they are multiples of one power of two, up to 2^53 of them."""
    grid = max(number.denominator for number in (*scale, *offset))
    largest = max(-int(z.min(initial=0)), int(z.max(initial=0)), 1) * max(map(abs, scale)) + max(map(abs, offset))
    return (
        all(grid % n.denominator == 0 for n in (*scale, *offset)) and grid & (grid - 1) == 0 and largest * grid <= 2**53
    )


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


def affine_of(chain: Chain, channels: int) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]] | None:
    """The chain as an exact real x -> scale[c] * x + offset[c], or None when it is not an affine."""
    scale, offset = [Fraction(1)] * channels, [Fraction(0)] * channels
    for primitive in chain:
        if not isinstance(primitive, Affine):
            return None
        factors, shifts = (n * channels if len(n) == 1 else n for n in primitive.factor_and_shift())
        scale = [f * s for f, s in zip(factors, scale, strict=True)]
        offset = [f * o + b for f, o, b in zip(factors, offset, shifts, strict=True)]
    return tuple(scale), tuple(offset)


def chain_positive(chain: Chain, positive: bool) -> bool:
    """Whether the chain's result is shown to be never negative, `positive` saying whether its input is."""
    for primitive in chain:
        positive = primitive.positive(positive)
    return positive


def split(chain: Chain) -> tuple[Chain, Chain]:
    """The continuous primitives before the first jump, and the rest."""
    for index, primitive in enumerate(chain):
        if primitive.jumps:
            return chain[:index], chain[index:]
    return chain, ()


def chain_error(x: Real, chain: Chain, channel: IntArray, format_: FloatFormat = FLOAT32) -> Real:
    """Continuous primitives at `x`; `channel` indexes operands and broadcasts with x.

    A run of affine ones is bounded as one.
    """
    for affine, group in groupby(chain, lambda primitive: isinstance(primitive, Affine)):
        run = list(group)
        if affine:
            terms = Terms(x)
            for primitive in run:
                assert isinstance(primitive, Affine)
                primitive.extend(terms, channel)
            x = terms.bounded(len(run), format_)
        else:
            for primitive in run:
                x = primitive.error(x, channel, format_)
    return x


def chain_before(chain: Chain, results: Floats, channel: IntArray) -> tuple[Floats, Floats]:
    """The closed interval of reals that a chain takes to each of `results` (M,), channels `channel` (M,).

    It includes both ends, whichever side of a jump they fall on; an impossible result gives an empty one.
    """
    low, high = results.astype(np.float64), results.astype(np.float64)
    for primitive in reversed(chain):
        low, high = primitive.before(low, high, channel)
    return low, high

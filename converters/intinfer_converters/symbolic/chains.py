"""Pointwise ops one by one: what they do to the pending chain, its range, and whether it is a quantiser by now."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..primitives import Add, Clip, Comparison, FloatArray, Mul, Primitive, Rounding, Sign, Sub
from .base import Unsupported
from .tensor import Symbolic

ROUNDINGS = ("rint", "floor", "ceil", "trunc", "half_away", "half_down", "half_up", "up")
COMPARISONS = ("greater", "greater_equal", "less", "less_equal")


def exact_limit(dtype: np.dtype[Any]) -> int:
    """Integers up to here, and their sums and differences up to here, are exact in the float type `dtype`."""
    return int(2 ** (np.finfo(dtype).nmant + 1))


def operand_of(kind: str, operand: npt.ArrayLike | None, dtype: np.dtype[Any]) -> FloatArray | None:
    """The operand in the chain's dtype; Unsupported when it is not finite, or changes by the conversion."""
    if operand is None:
        return None
    given = np.asarray(operand)
    with np.errstate(over="ignore"):
        array: FloatArray = given.astype(dtype)
    if np.isnan(array).any() or (kind != "clip" and not np.isfinite(array).all()):
        odd = float(array[~np.isfinite(array)][0])
        raise Unsupported(f"its constant is {odd}: a network has no integer meaning with NaN or infinity")
    if given.dtype.kind in "iu" and not np.array_equal(array.astype(np.float64), given.astype(np.float64)):
        raise Unsupported(f"its constant {int(given.reshape(-1)[0])} is not exact in {dtype}")
    if kind == "div" and not array.all():
        raise Unsupported("it divides by 0")
    if kind == "clip" and array[0] > array[1]:
        raise Unsupported(f"it clips to {array[0]:g}..{array[1]:g}, an empty range")
    return array


def absorbed(x: Symbolic, primitive: Primitive, dtype: np.dtype[Any]) -> Symbolic | None:
    """`x`, whose chain ends in a rounding, with one op more that still gives integer levels; None when it would not.

    Adding and subtracting integers and clipping at integers stay in the quantiser; a factor only where there are two
    levels, so that [x >= 0] * 2 - 1 has the levels -1 and 1 and not 0 and 1 with an offset.
    """
    if isinstance(primitive, Rounding):
        return x
    if isinstance(primitive, Comparison | Sign):
        return appended(x, primitive, dtype)
    operand = primitive.operand
    if operand is None or not isinstance(primitive, Add | Sub | Mul | Clip) or not primitive.whole:
        return None
    limit = exact_limit(dtype)
    if np.abs(operand[np.isfinite(operand)]).max(initial=0) > limit or (x.bounded and max(map(abs, x.bounds)) > limit):
        return None
    low, high = x.bounds
    if isinstance(primitive, Clip) and x.step != 1 and (operand[0] > low or operand[1] < high):
        return None
    if isinstance(primitive, Mul) and not (x.bounded and high - low == x.step and operand[0]):
        return None
    factor = int(abs(operand[0])) if isinstance(primitive, Mul) else 1
    return appended(x, primitive, dtype).changed(step=x.step * factor)


def appended(x: Symbolic, primitive: Primitive, dtype: np.dtype[Any]) -> Symbolic:
    """`x` with the op at the end of its chain, whose float type is `dtype`."""
    bounds = primitive.reach(*x.bounds, dtype if x.is_float else np.dtype(np.float64))
    small = max(map(abs, bounds)) <= exact_limit(dtype)
    whole = primitive.jumps or (x.whole and primitive.keeps_integers and small)
    step = 1 if primitive.jumps else x.step
    integral = primitive.jumps or (x.integral and whole)
    chain = (*x.chain, primitive)
    return Symbolic(x.node, x.layout, x.dtype, x.fill, chain, x.sources, bounds, whole, integral, step)

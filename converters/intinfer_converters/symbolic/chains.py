"""Pointwise ops one by one: what they do to the pending chain, its range, and whether it is a quantiser by now."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..primitives import FloatArray, Primitive
from .tensor import EVERYTHING, Bounds, Symbolic, Unsupported

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
        raise Unsupported(f"its constant is {_first_odd(array)}: a network has no integer meaning with NaN or infinity")
    if given.dtype.kind in "iu" and not np.array_equal(array.astype(np.float64), given.astype(np.float64)):
        raise Unsupported(f"its constant {int(given.reshape(-1)[0])} is not exact in {dtype}")
    if kind == "div" and not array.all():
        raise Unsupported("it divides by 0")
    if kind == "clip" and array[0] > array[1]:
        raise Unsupported(f"it clips to {array[0]:g}..{array[1]:g}, an empty range")
    return array


def _first_odd(array: FloatArray) -> float:
    return float(array[~np.isfinite(array)].reshape(-1)[0])


def is_nothing(kind: str, operand: FloatArray | None) -> bool:
    """Whether the op changes no value, the sign of a zero left aside."""
    if operand is None:
        return False
    if kind in ("add", "sub"):
        return not operand.any()
    if kind in ("mul", "div"):
        return bool((operand == 1).all())
    return kind == "clip" and bool(np.isinf(operand).all())


def absorbed(x: Symbolic, primitive: Primitive, dtype: np.dtype[Any]) -> Symbolic | None:
    """`x`, whose chain ends in a rounding, with one op more that still gives integer levels; None when it would not.

    Adding and subtracting integers and clipping at integers stay in the quantiser; a factor only where there are two
    levels, so that [x >= 0] * 2 - 1 has the levels -1 and 1 and not 0 and 1 with an offset.
    """
    kind, operand = primitive.kind, primitive.operand
    if kind in ROUNDINGS:
        return x
    if kind in COMPARISONS or kind == "sign":
        return appended(x, primitive, dtype)
    if operand is None:
        return None
    finite = operand[np.isfinite(operand)]
    if kind not in ("add", "sub", "mul", "clip") or (finite != np.rint(finite)).any() or operand.size > 2:
        return None
    limit = exact_limit(dtype)
    if np.abs(finite).max(initial=0) > limit or (x.bounded and max(map(abs, x.bounds)) > limit):
        return None
    if kind != "clip" and operand.size > 1:
        return None
    if kind == "clip":
        low, high = x.bounds
        stays = x.step == 1 or (operand[0] <= low and operand[1] >= high)
        return appended(x, primitive, dtype) if stays else None
    if kind == "mul":
        low, high = x.bounds
        if not x.bounded or high - low != x.step or not operand[0]:
            return None
        return appended(x, primitive, dtype).changed(step=x.step * int(abs(operand[0])))
    return appended(x, primitive, dtype)


def appended(x: Symbolic, primitive: Primitive, dtype: np.dtype[Any]) -> Symbolic:
    """`x` with the op at the end of its chain, whose float type is `dtype`."""
    rounds = primitive.kind in (*ROUNDINGS, *COMPARISONS, "sign", "count")
    bounds = _bounds(x.bounds, primitive, dtype if x.is_float else np.dtype(np.float64))
    whole = rounds or (x.whole and _keeps_whole(primitive, bounds, exact_limit(dtype)))
    step = 1 if rounds else x.step
    integral = rounds or (x.integral and whole)
    chain = (*x.chain, primitive)
    return Symbolic(x.node, x.layout, x.dtype, x.fill, chain, x.sources, bounds, whole, integral, step)


def _keeps_whole(primitive: Primitive, bounds: Bounds, limit: int) -> bool:
    operand = primitive.operand
    if primitive.kind not in ("add", "sub", "mul", "clip") or operand is None:
        return False
    finite = operand[np.isfinite(operand)]
    return bool((finite == np.rint(finite)).all()) and max(map(abs, bounds)) <= limit


def _bounds(bounds: Bounds, primitive: Primitive, dtype: np.dtype[Any]) -> Bounds:
    """The range of what comes out: every primitive is monotone, so its ends say it."""
    if primitive.kind in COMPARISONS:
        return (0.0, 1.0)
    if primitive.kind == "sign":
        return (-1.0, 1.0)
    if primitive.kind == "count":
        assert primitive.operand is not None
        return (0.0, float(primitive.operand.shape[-1]))
    rows = primitive.operand.size if primitive.operand is not None and primitive.kind != "clip" else 1
    with np.errstate(over="ignore"):  # an end beyond the type is infinite: not bounded
        ends = np.broadcast_to(np.array(bounds, dtype=dtype), (rows, 2))
    results = primitive.apply(ends)
    if np.isnan(results).any():
        return EVERYTHING
    return (float(results.min()), float(results.max()))

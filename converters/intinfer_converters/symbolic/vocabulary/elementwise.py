"""Ops of one tensor, element by element: roundings, activations, casts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .. import Array, Symbolic, SymbolicNet, Unsupported
from ..pointwise import Some, float_pointwise, pointwise
from ..tensor import type_range
from .words import word


@word("tensor", "Round", "round")
def rint(net: SymbolicNet, x: Some) -> Some:
    """`x` rounded to the nearest integer, ties to even."""
    return pointwise(net, x, "rint")


@word("tensor", "Floor", "floor")
def floor(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """`x` rounded down to an integer."""
    return pointwise(net, x, "floor")


@word("tensor", "Ceil", "ceil")
def ceil(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """`x` rounded up to an integer."""
    return pointwise(net, x, "ceil")


@word("tensor", aten="trunc fix")
def trunc(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """`x` rounded to an integer towards 0."""
    return pointwise(net, x, "trunc")


@word("tensor", "Sign", "sign sgn")
def sign(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """The sign of each element: -1, 0 or 1."""
    return pointwise(net, x, "sign")


def clip(net: SymbolicNet, x: Some, low: float = -np.inf, high: float = np.inf) -> Some:
    """The clip min(max(x, low), high) to two numbers."""
    return pointwise(net, x, "clip", (low, high))


@word("tensor", "Relu", "relu")
def relu(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """The rectifier max(x, 0)."""
    return clip(net, x, 0)


def leaky_relu(net: SymbolicNet, x: Symbolic, slope: Array) -> Symbolic:
    """x where it is at least 0, else slope * x; one slope, or one a channel."""
    if not np.isfinite(slope).all() or (slope < 0).any():
        raise Unsupported(f"its slope {float(slope.min()):g} is negative or not finite: it is not monotone")
    return pointwise(net, x, "leaky", slope)


def threshold(net: SymbolicNet, x: Symbolic, limit: float, value: float) -> Symbolic:
    """x where it exceeds `limit`, else `value`."""
    if limit != value:
        raise Unsupported(
            f"it gives {value:g} up to {limit:g} and jumps there; only with both equal, a clip, is it supported"
        )
    return clip(net, x, limit)


def hard_sigmoid(net: SymbolicNet, x: Symbolic, alpha: Array, beta: Array) -> Symbolic:
    """max(0, min(1, alpha * x + beta)), as ONNX computes it."""
    return clip(net, pointwise(net, pointwise(net, x, "mul", alpha), "add", beta), 0, 1)


@word("tensor", aten="hardsigmoid")
def hard_sigmoid_by_sixths(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """max(0, min(6, x + 3)) / 6, as torch computes it."""
    return pointwise(net, clip(net, pointwise(net, x, "add", 3), 0, 6), "div", 6)


def cast(net: SymbolicNet, x: Symbolic, dtype: npt.DTypeLike) -> Symbolic:
    """Another type: float to integer truncates, integers to float are exact up to the chain's precision."""
    target = np.dtype(dtype)
    if target == x.dtype:
        return x
    if target.kind == "b":
        return _to_bool(net, x)
    if target.kind == "f":
        if x.is_float and not x.whole and target != net.dtype:
            raise Unsupported(f"casts {x.dtype} to {target}; the float ops of a network are all in {net.dtype}")
        return x.changed(dtype=target)
    if target.kind not in "iu":
        raise Unsupported(f"casts to {target}")
    if x.is_float and not x.whole:
        x = float_pointwise(net, x, "trunc", None)
    least, most = type_range(target)
    if x.bounded and not (least <= x.bounds[0] and x.bounds[1] <= most):
        raise Unsupported(f"casts {x.bounds[0]:g}..{x.bounds[1]:g} to {target}, which does not hold it; clip before")
    if not x.bounded and target.itemsize < 4:
        raise Unsupported(f"casts to {target} what is not known to fit it; clip before")
    return x.changed(dtype=target)


def _to_bool(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """Whether `x`, which is not negative, is not 0."""
    if x.is_bit:
        return x.changed(dtype=np.dtype(bool))
    if x.bounds[0] < 0:
        raise Unsupported("casts to bool what may be negative; compare with 0")
    return float_pointwise(net, x, "greater", np.zeros(1, dtype=net.dtype))

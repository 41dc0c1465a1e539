"""Activations and roundings: one pointwise op or a short chain."""

from __future__ import annotations

import numpy as np

from ..net import SymbolicNet
from ..pointwise import pointwise
from ..tensor import Symbolic, Unsupported
from .operands import Array


def rint(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """To the nearest integer, ties to even."""
    return pointwise(net, x, "rint")


def floor(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """To an integer, down."""
    return pointwise(net, x, "floor")


def ceil(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """To an integer, up."""
    return pointwise(net, x, "ceil")


def trunc(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """To an integer, towards 0."""
    return pointwise(net, x, "trunc")


def sign(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """-1, 0 or 1."""
    return pointwise(net, x, "sign")


def clip(net: SymbolicNet, x: Symbolic, low: float = -np.inf, high: float = np.inf) -> Symbolic:
    """min(max(x, low), high)."""
    return pointwise(net, x, "clip", (low, high))


def relu(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """max(x, 0)."""
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


def hard_sigmoid_by_sixths(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """max(0, min(6, x + 3)) / 6, as torch computes it."""
    return pointwise(net, clip(net, pointwise(net, x, "add", 3), 0, 6), "div", 6)

"""Quantisers, and back. Sources divide by their scales in ways of their own: here tensors come in already scaled."""

from __future__ import annotations

import numpy as np

from intinfer.types import IntArray

from .. import Array, Symbolic, SymbolicNet, Unsupported
from ..pointwise import Some, pointwise
from .elementwise import cast, clip, rint


def quantise(net: SymbolicNet, scaled: Some, zero: IntArray, ends: tuple[int, int]) -> Some:
    """clip(rint(scaled) + zero, ends): integers, still of the float type. One zero point, or one a channel."""
    low, high = ends
    levels = clip(net, rint(net, scaled), low - int(zero.max()), high - int(zero.min()))
    levels = pointwise(net, levels, "add", zero)
    if (zero == zero.reshape(-1)[0]).all():
        return levels
    # Integers already: the rounding says that these are the levels of a quantiser, one range for all channels.
    return rint(net, clip(net, levels, low, high))


def centred(net: SymbolicNet, x: Symbolic, zero: IntArray) -> Symbolic:
    """x - zero of a quantised integer tensor, as 32-bit integers."""
    if x.dtype.kind not in "iu":
        raise Unsupported(f"its input is {x.dtype}; a quantised integer tensor is due")
    if x.dtype.itemsize > 2 and not zero.any():
        return x
    return pointwise(net, cast(net, x, np.int32), "sub", zero)


def dequantise(net: SymbolicNet, x: Symbolic, scale: Array, zero: IntArray) -> Symbolic:
    """(x - zero) * scale in the network's float type."""
    return pointwise(net, cast(net, centred(net, x, zero), net.dtype), "mul", scale)


def fake_quantise(net: SymbolicNet, scaled: Symbolic, scale: Array, zero: IntArray, ends: tuple[int, int]) -> Symbolic:
    """(clip(rint(scaled) + zero, ends) - zero) * scale."""
    return pointwise(net, pointwise(net, quantise(net, scaled, zero, ends), "sub", zero), "mul", scale)


def bipolar(net: SymbolicNet, x: Some) -> Some:
    """1 where x is at least 0, else -1."""
    if not isinstance(x, Symbolic):
        return np.where(x >= 0, 1, -1).astype(x.dtype)
    bit = cast(net, pointwise(net, x, "greater_equal", 0), net.dtype)
    return pointwise(net, pointwise(net, bit, "mul", 2), "sub", 1)


def reached(net: SymbolicNet, x: Symbolic, thresholds: Array) -> Symbolic:
    """How many thresholds (C, n) or (1, n), ascending and along axis 1 of `x`, each element is at least."""
    x = cast(net, x, net.dtype)
    try:
        return pointwise(net, x, "count", thresholds)
    except Unsupported:  # its channels are no channels of the node that it lies in
        return pointwise(net, net.spread(x), "count", thresholds)

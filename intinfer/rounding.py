"""Exact integer rounding. No mode is ever a default: it is written in the graph."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from .types import IntArray


class RoundMode(StrEnum):
    """How z / 2^s becomes an integer. Ties are the values exactly half-way."""

    FLOOR = "floor"
    """Toward -infinity: -2.5 -> -3, 2.5 -> 2. A plain arithmetic shift."""
    HALF_UP = "half_up"
    """Nearest, ties toward +infinity: -2.5 -> -2, 2.5 -> 3. The RTL idiom: add half, shift."""
    HALF_EVEN = "half_even"
    """Nearest, ties to the even neighbour: -2.5 -> -2, 2.5 -> 2. IEEE 754, torch.round, numpy.rint."""
    HALF_AWAY = "half_away"
    """Nearest, ties away from zero: -2.5 -> -3, 2.5 -> 3. QONNX calls this HALF_UP."""


def shift_right(z: IntArray, shift: IntArray | int, mode: RoundMode) -> IntArray:
    """round(z / 2^shift) for int64 `z`, exact for every |z| <= 2^62.

    Args:
        z: any shape.
        shift: 0..62, a scalar or an array broadcastable to `z`.
        mode: the rounding rule.
    """
    mode = RoundMode(mode)  # "floor" as a plain string would pass for none of the modes below
    shift = np.asarray(shift, dtype=np.int64)
    quotient = z >> shift
    if mode is RoundMode.FLOOR:
        return quotient
    # z = quotient * 2^shift + remainder with 0 <= remainder < 2^shift; half = 2^(shift-1).
    remainder = z - (quotient << shift)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), np.int64(1))  # shift 0: remainder 0 < 1
    above = remainder > half
    tie = remainder == half
    if mode is RoundMode.HALF_UP:
        up = above | tie
    elif mode is RoundMode.HALF_EVEN:
        up = above | (tie & (quotient & 1 == 1))
    else:  # HALF_AWAY: the tie between q and q + 1 goes up unless the value is negative
        up = above | (tie & (z >= 0))
    rounded: IntArray = quotient + up
    return rounded

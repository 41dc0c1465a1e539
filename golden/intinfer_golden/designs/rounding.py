"""Every way in which designs round."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from intinfer.types import IntArray, Mask

ROUNDINGS: dict[str, Callable[[IntArray, IntArray, IntArray, IntArray], Mask]] = {
    "floor": lambda rest, half, floor, z: rest < 0,
    "ceil": lambda rest, half, floor, z: rest > 0,
    "toward zero": lambda rest, half, floor, z: (rest > 0) & (z < 0),
    "half_up": lambda rest, half, floor, z: rest >= half,
    "half down": lambda rest, half, floor, z: rest > half,
    "half_even": lambda rest, half, floor, z: (rest > half) | ((rest == half) & (floor & 1 == 1)),
    "half odd": lambda rest, half, floor, z: (rest > half) | ((rest == half) & (floor & 1 == 0)),
    "half_away": lambda rest, half, floor, z: (rest > half) | ((rest == half) & (z >= 0)),
    "half toward zero": lambda rest, half, floor, z: (rest > half) | ((rest == half) & (z < 0)),
}
"""Every way in which designs round: whether z, the quotient `floor` and a rest above it, rounds up."""


def shifted(kind: str, z: IntArray, shift: IntArray) -> IntArray:
    """z / 2^shift as an integer."""
    floor = z >> shift
    half = np.int64(1) << np.maximum(shift - 1, 0)  # without a shift there is no rest
    return floor + ROUNDINGS[kind](z - (floor << shift), half, floor, z)

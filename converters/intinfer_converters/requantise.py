"""Many thresholds to one multiply, add and shift, where that is proven to give the same level at every z.

255 thresholds a channel would outweigh ternary weights tenfold. With floor rounding, clip((z*M + B) >> S) equals the
count of thresholds T_1 <= T_2 <= ... exactly when, for every j,

    T_j * M + B       >= j * 2^S        (the level is reached at T_j, unless T_j lies beyond the range of z)
    (T_j - 1) * M + B <= j * 2^S - 1    (and not before, unless T_j - 1 lies below it)

because both sides are monotone. For a given S, eliminating B between each pair of these leaves an interval of
integers for M, and M an interval for B: the search is exact, and finding none for a shift proves there is none.
"""

from __future__ import annotations

import numpy as np

from intinfer.ops import Requant, Threshold
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor
from intinfer.types import LIMIT, IntArray, IntType

MAX_SHIFT = 40
"""j * 2^S stays far inside int64."""
MAX_RANGE = 2**32
MAX_COUNT = 2**10
"""Thresholds of a channel; the proof looks at every pair of them."""


def find_requant(op: Threshold, type_: IntType) -> Requant | None:
    """The `requant` node equal to `op` at every z of `type_`, with the smallest common shift; None if there is none.

    Only codes of step 1, of up to 2^10 thresholds, and ranges up to 32 bits are tried.
    """
    if op.step != 1 or op.thresholds.shape[1] > MAX_COUNT or type_.hi - type_.lo >= MAX_RANGE:
        return None
    rows = list(zip(op.thresholds.values, op.descending.values, strict=True))
    # A descending channel ascends in -z: its thresholds are -T, and M changes sign at the end.
    ascending = [(-row, IntType(-type_.hi, -type_.lo)) if down else (row, type_) for row, down in rows]

    def pairs_at(shift: int) -> list[tuple[int, int]] | None:
        pairs = []
        for limits, range_ in ascending:
            pair = _multiply_add(limits, range_, shift)
            if pair is None:
                return None
            pairs.append(pair)
        return pairs

    # What one shift can do, the next can with 2M and 2B: bisect for the smallest.
    low, high = 0, MAX_SHIFT + 1
    found = None
    while low < high:
        shift = (low + high) // 2
        pairs = pairs_at(shift)
        if pairs is None:
            low = shift + 1
        else:
            high, found = shift, pairs
    if found is None:
        return None
    multiplier = [-m if down else m for (m, _), (_, down) in zip(found, rows, strict=True)]
    return Requant(
        IntTensor(np.array(multiplier, dtype=np.int64)),
        IntTensor(np.array([b + (op.base << high) for _, b in found], dtype=np.int64)),
        IntTensor(np.array([high], dtype=np.int64)),
        RoundMode.FLOOR,
        op.base,
        op.base + op.thresholds.shape[1],
    )


def _multiply_add(limits: IntArray, type_: IntType, shift: int) -> tuple[int, int] | None:
    """M and B of one ascending channel for one shift, or None."""
    levels = np.arange(1, limits.size + 1, dtype=np.int64) << shift
    reached = limits <= type_.hi
    before = limits - 1 >= type_.lo
    at, at_level = limits[reached], levels[reached]
    below, below_level = limits[before] - 1, levels[before] - 1
    if not at.size:  # never crossed: the level is the lowest everywhere
        return 0, 0
    if not below.size:  # always crossed: the highest
        return 0, int(at_level[-1])
    # M * (below_j - at_i) <= below_level_j - at_level_i for every i, j
    distance = below[:, None] - at[None, :]
    room = below_level[:, None] - at_level[None, :]
    if (room[distance == 0] < 0).any():
        return None
    ceiling, floor = distance > 0, distance < 0
    most = int((room[ceiling] // distance[ceiling]).min()) if ceiling.any() else None
    least = int((-(room[floor] // -distance[floor])).max()) if floor.any() else None
    if most is None and least is None:
        multiplier = 0
    else:
        least = most if least is None else least
        most = least if most is None else most
        if least is None or most is None or least > most:
            return None
        multiplier = (least + most) // 2
    if abs(multiplier) * max(abs(type_.lo), abs(type_.hi)) > LIMIT // 2:
        return None
    lowest = int((at_level - at * multiplier).max())
    return multiplier, lowest

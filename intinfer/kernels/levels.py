"""What stands behind a convolution, as thresholds that rise: a threshold itself, and a requantisation.

A requantisation is a staircase as well: round((z * M + B) / 2^S) reaches v from the first z on whose product reaches a
bound p(v), (v << S) less what the rounding adds. That z is a division away, for all codes at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..ops import Requant, Threshold
from ..rounding import RoundMode
from ..types import LIMIT, IntArray, IntType, Mask
from .elementwise import per_channel
from .quantisers import MOST

MOST_LEVELS = 255
"""Thresholds a channel that are made of a requantisation."""


class Levels(NamedTuple):
    """code = base + step * how many limits are at most z, or -z where a channel is flipped.

    Attributes:
        limits: (C, N) of int64, rising in each row.
        flipped: (C,).
    """

    limits: IntArray
    flipped: Mask
    step: int
    base: int


def refuses(op: object, sums: IntType) -> str | None:
    """Say why an op behind sums of this range is not taken as thresholds, or None when it is."""
    if isinstance(op, Threshold):
        count = op.thresholds.shape[1]
        return f"{count} thresholds are more than {MOST}" if count > MOST else None
    if not isinstance(op, Requant):
        return f"it does not take {getattr(op, 'kind', op)} behind it"
    if op.hi - op.lo > MOST_LEVELS:
        return f"{op.hi - op.lo + 1} codes are more than {MOST_LEVELS + 1}"
    if np.abs(op.offset.values).max() > LIMIT // 2:
        return "its offset is too large"
    return None


def levels(op: object, channels: int) -> Levels:
    """The thresholds of an op that is not refused."""
    if isinstance(op, Threshold):
        flipped = np.broadcast_to(op.descending.values, (channels,)) == 1
        limits = np.broadcast_to(op.thresholds.values, (channels, op.thresholds.shape[1]))
        # z <= T is -z >= -T
        return Levels(np.where(flipped[:, None], -limits, limits), np.array(flipped), op.step, op.base)
    assert isinstance(op, Requant)
    multiplier, offset, shift = (per_channel(each.values, channels) for each in (op.multiplier, op.offset, op.shift))
    bounds = _bounds(np.arange(op.lo + 1, op.hi + 1, dtype=np.int64), shift[:, None], op.rounding) - offset[:, None]
    size = np.abs(multiplier)[:, None]
    # z * M >= p is z >= p / M, rounded up; with M < 0 it is -z >= p / -M. With M = 0 any z will do, or none.
    limits = np.where(size > 0, -(-bounds // np.maximum(size, 1)), np.where(bounds <= 0, -LIMIT, LIMIT))
    return Levels(limits, multiplier < 0, 1, op.lo)


def _bounds(values: IntArray, shift: IntArray, rounding: RoundMode) -> IntArray:
    """(C, N) the least product that is rounded to a value or more; what no product reaches or all do, beyond 2^62."""
    most = np.int64(LIMIT) >> shift
    scaled = np.where(values > most, most, np.maximum(values, -most)) << shift
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
    tie = scaled - half
    down: Any = 0
    if rounding is RoundMode.FLOOR:
        tie = scaled
    elif rounding is RoundMode.HALF_EVEN:
        down = (shift > 0) & (values & 1 == 1)  # the tie goes to the even number below
    elif rounding is RoundMode.HALF_AWAY:
        down = (shift > 0) & (tie < 0)
    found = np.where(values > most, LIMIT + 1, np.where(values < -most, -LIMIT - 1, tie + down))
    return np.clip(found, -LIMIT - 1, LIMIT + 1)

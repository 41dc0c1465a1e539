"""Activations to integer thresholds, found by bisection on our own evaluator and verified at their neighbours.

A chain of correctly rounded monotone primitives is monotone, so the levels of a channel change at most once
each; the bisection finds where. The result is then checked, not trusted: at both ends of the type, at every
T - 1, T and T + 1, count and level must agree.

Many thresholds become one multiply, add and shift, where that is proven to give the same level at every z: 255
thresholds a channel would outweigh ternary weights tenfold. With floor rounding, clip((z*M + B) >> S) equals the count
of thresholds T_1 <= T_2 <= ... exactly when, for every j,

    T_j * M + B       >= j * 2^S        (the level is reached at T_j, unless T_j lies beyond the range of z)
    (T_j - 1) * M + B <= j * 2^S - 1    (and not before, unless T_j - 1 lies below it)

because both sides are monotone. For a given S, eliminating B between each pair of these leaves an interval of
integers for M, and M an interval for B: the search is exact, and finding none for a shift proves there is none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from intinfer.errors import IntinferError
from intinfer.ops import Requant, Threshold
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor
from intinfer.types import LIMIT, IntArray, IntType

from .evaluator import Chain, FloatArray, chain_direction, evaluate

MAX_UNSTATED = 2**22
"""Thresholds of all channels of a rounding without limits of its own."""
MAX_THRESHOLDS = 2**24
"""Thresholds of all channels of a quantiser."""


@dataclass(frozen=True)
class LevelCode:
    """The code of a quantiser: base + step * j, j = 0..count."""

    base: int
    step: int
    count: int

    @classmethod
    def bounding(cls, values: FloatArray, step: int) -> LevelCode:
        """The levels from the lowest to the highest of (C, M) values, of a quantiser that states none.

        Raises IntinferError when they are too many.
        """
        low, high = float(values.min()), float(values.max())
        if not len(values) * (high - low) < MAX_UNSTATED:
            raise IntinferError(
                f"a rounding without limits gives {low:g}..{high:g} in {len(values)} channels; clip it to the levels "
                "that are meant"
            )
        return cls(int(low), step, max(1, int(high - low) // step))

    def of_values(self, values: FloatArray) -> IntArray:
        """The integers that a quantiser's results are. Raises IntinferError when one is not base + step * j."""
        if not np.isfinite(values).all():
            raise IntinferError(
                "the float arithmetic before a quantiser overflows; its parameters are out of proportion"
            )
        top = self.base + self.step * self.count
        if max(abs(self.base), abs(top)) > LIMIT:
            raise IntinferError(f"a quantiser's levels are {self.base:.6g}..{top:.6g}, over 62 bits; give it fewer")
        levels: IntArray = np.clip(values.astype(np.float64), -LIMIT, LIMIT).astype(np.int64)
        counts = (levels - self.base) // self.step
        if not ((levels == values) & (self.base + self.step * counts == levels)).all() or (
            counts.size and (counts.min() < 0 or counts.max() > self.count)
        ):
            raise IntinferError(
                f"a quantiser gives values outside its {self.count + 1} levels "
                f"{self.base}..{self.base + self.step * self.count} in steps of {self.step}"
            )
        return levels


@dataclass(frozen=True, eq=False)
class Activation:
    """A quantiser's real function of z.

    `chain` ends in the level values of `code`, in `dtype`; it starts from scale * z + offset.
    """

    chain: Chain
    scale: Sequence[Fraction]
    offset: Sequence[Fraction]
    dtype: npt.DTypeLike
    code: LevelCode

    def bounded(self, type_: IntType, channels: int) -> Activation:
        """The same activation, of which neither base nor count is stated, with those that `type_` can reach."""
        ends = np.broadcast_to(np.array([type_.lo, type_.hi], dtype=np.int64), (channels, 2))
        values = evaluate(self.chain, ends, self.scale, self.offset, self.dtype)
        return replace(self, code=LevelCode.bounding(values, self.code.step))  # a monotone chain: its ends say it

    def reaching(self, type_: IntType, channels: int) -> Activation:
        """The same activation with all levels that `type_` reaches, stated or not.

        A type is wider than what is known of the real values where channels of different scales share it.
        """
        reached, code = self.bounded(type_, channels).code, self.code
        low = min(reached.base, code.base)
        high = max(reached.base + reached.step * reached.count, code.base + code.step * code.count)
        return replace(self, code=LevelCode(low, code.step, (high - low) // code.step))

    def levels(self, z: IntArray) -> IntArray:
        """Level values at z (C, M). Raises IntinferError when one is not base + step * j."""
        return self.code.of_values(evaluate(self.chain, z, self.scale, self.offset, self.dtype))


def find_thresholds(activation: Activation, type_: IntType, channels: int) -> Threshold:
    """The `threshold` node that equals `activation` at every z of `type_`.

    Args:
        activation: the quantiser.
        type_: the range of z.
        channels: C.

    Raises:
        IntinferError: the result fails its verification (a chain that is not monotone).
    """
    if channels * activation.code.count > MAX_THRESHOLDS:
        raise IntinferError(
            f"a quantiser has {activation.code.count + 1} levels in {channels} channels; together up to "
            f"{MAX_THRESHOLDS} are supported: give it fewer bits"
        )
    direction = chain_direction(activation.chain, activation.scale, channels)
    descending = direction < 0
    targets = activation.code.base + activation.code.step * np.arange(1, activation.code.count + 1)
    # Work on u with z = u or z = lo + hi - u, so that every channel ascends in u over lo..hi.
    low = np.full((channels, activation.code.count), type_.lo, dtype=np.int64)
    high = np.full((channels, activation.code.count), type_.hi + 1, dtype=np.int64)
    mirror = type_.lo + type_.hi
    while (low < high).any():
        middle = (low + high) >> 1
        inside = np.minimum(middle, type_.hi)  # rows that are done may stand at hi + 1
        reached = activation.levels(np.where(descending[:, None], mirror - inside, inside)) >= targets
        open_ = low < high
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle + 1, low)
    crossed = np.where(descending[:, None], mirror - low, low)
    if channels > 1 and (crossed == crossed[0]).all() and (descending == descending[0]).all():
        crossed, descending = crossed[:1], descending[:1]
    op = Threshold(
        IntTensor(crossed), IntTensor(descending.astype(np.int64), "u1"), activation.code.base, activation.code.step
    )
    _verify(op, activation, type_, channels)
    return op


def _verify(op: Threshold, activation: Activation, type_: IntType, channels: int) -> None:
    ends = np.array([type_.lo, type_.hi], dtype=np.int64)
    limits = np.broadcast_to(op.thresholds.values, (channels, activation.code.count))
    points = np.concatenate([limits - 1, limits, limits + 1, np.broadcast_to(ends, (channels, 2))], axis=1)
    points = np.clip(points, type_.lo, type_.hi)
    wrong = _of(op, points) != activation.levels(points)
    if wrong.any():
        channel, index = (int(i) for i in np.argwhere(wrong)[0])
        raise IntinferError(
            f"thresholds do not reproduce the activation: channel {channel}, z = {int(points[channel, index])}; "
            "the activation is not monotone"
        )


def _of(op: Threshold, points: IntArray) -> IntArray:
    """What `op` gives at (C, M), by bisection: 16-bit quantisers have too many thresholds to compare each in turn."""
    sign = 1 - 2 * op.descending.values[:, None]
    rows, signed = op.thresholds.values * sign, points * sign
    counts = [np.searchsorted(rows[c % len(rows)], row, side="right") for c, row in enumerate(signed)]
    return op.base + op.step * np.stack(counts)


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
    shift = bisect_left(range(MAX_SHIFT + 1), True, key=lambda shift: pairs_at(shift) is not None)
    found = pairs_at(shift) if shift <= MAX_SHIFT else None
    if found is None:
        return None
    multiplier = [-m if down else m for (m, _), (_, down) in zip(found, rows, strict=True)]
    return Requant(
        IntTensor(np.array(multiplier, dtype=np.int64)),
        IntTensor(np.array([b + (op.base << shift) for _, b in found], dtype=np.int64)),
        IntTensor(np.array([shift], dtype=np.int64)),
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

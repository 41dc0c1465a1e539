"""Thresholds as arithmetic: the cheapest form that is proven to give every level of every channel.

A table of N thresholds is a staircase. Mostly it is an even one, made of a batch norm and a uniform quantiser, and
then one multiplication finds the step: level = (z * m + b) >> s. For a fixed m each threshold bounds b from both
sides: at T the level must be reached, at T - 1 it must not. The width of what is left for b is concave in m, so a
ternary search finds an m if there is one. As the form never falls while z rises, these 2N points prove it for every z.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..types import IntArray, Mask


class Form(IntEnum):
    """How a block of channels is quantised, cheapest first."""

    NONE = 0
    """The sums themselves."""
    SHIFT = 1
    """Clip the sum, multiply, add, shift in 32 bits, clip the level."""
    WIDE_SHIFT = 2
    """The same in 64 bits."""
    COUNT = 3
    """Compare with each threshold."""


class Row(IntEnum):
    """Rows of 32-bit constants, one number a channel of a block."""

    BIAS = 0
    """What a sum starts at."""
    LOWEST = 1
    HIGHEST = 2
    """The ends that a sum is clipped to: below the lowest, and from the highest on, the level is the same."""
    MULTIPLIER = 3
    OFFSET = 4
    OFFSET_UPPER = 5
    SHIFT = 6
    FIRST = 7
    LAST = 8
    """The ends that a level is clipped to."""


HEADER = 32
"""Bytes in front of the rows: form, count of thresholds, step and base of the codes, each an int64."""

MOST = 4096
"""Thresholds a channel beyond which no table of them is made."""

SEARCHES = 60
"""Steps of the ternary search: (2/3)^60 of 2^32 is less than one."""


@dataclass(frozen=True, eq=False)
class Staircase:
    """Levels of C channels: level `first` + the number of thresholds (a row of `limits`) that are at most z.

    Attributes:
        limits: (C, N) of int64, in rising order in each row; where a row has fewer, it ends in values above any z.
        live: (C, N) of bool: the thresholds that some z crosses and some does not.
        first: (C,) the level below the first live threshold.
    """

    limits: IntArray
    live: Mask
    first: IntArray

    @property
    def last(self) -> IntArray:
        """(C,) the level from the last live threshold on."""
        return np.asarray(self.first + self.live.sum(axis=1))

    def part(self, channels: IntArray) -> Staircase:
        """The staircase of some channels."""
        return Staircase(self.limits[channels], self.live[channels], self.first[channels])


def staircase(limits: IntArray, lo: IntArray, hi: IntArray) -> Staircase:
    """Drop the thresholds that every z in lo..hi of its channel crosses, or none: (C, N), (C,), (C,).

    The live ones come first in a row, then hi + 1.
    """
    crossed = limits <= lo[:, None]
    live = ~crossed & (limits <= hi[:, None])
    order = np.argsort(~live, axis=1, kind="stable")
    kept = np.take_along_axis(live, order, axis=1)
    rows = np.where(kept, np.take_along_axis(limits, order, axis=1), hi[:, None] + 1)
    width = max(1, int(live.sum(axis=1).max(initial=0)))
    return Staircase(rows[:, :width], kept[:, :width], crossed.sum(axis=1))


@dataclass(frozen=True, eq=False)
class Shifts:
    """level = clip((clip(z, lowest, highest) - lowest) * multiplier + offset >> shift, first, last), (C,) each.

    `proven` says for which channels this is the staircase.
    """

    lowest: IntArray
    highest: IntArray
    multiplier: IntArray
    offset: IntArray
    shift: IntArray
    proven: Mask


def fit_shifts(stairs: Staircase, bits: int) -> Shifts:
    """Search multipliers and offsets whose products and sums fit signed numbers of `bits` bits, 32 or 64.

    Smaller shifts are tried where the largest fails: a steep staircase rises beyond its ends.
    """
    count = len(stairs.limits)
    live = stairs.live
    empty = ~np.asarray(live.any(axis=1))  # of one level, which the clips say
    lowest = np.where(empty, 0, stairs.limits[:, 0] - 1)
    highest = np.where(empty, 0, np.where(live, stairs.limits, stairs.limits[:, :1]).max(axis=1))
    multiplier, offset, shifts = np.zeros((3, count), dtype=np.int64)
    found = Shifts(lowest, highest, multiplier, offset, shifts, empty)
    span = highest - lowest
    top = int(stairs.last.max(initial=0))
    largest = min(_magnitude(bits).bit_length() - top.bit_length(), 46)
    for shift in dict.fromkeys(max(largest - less, 0) for less in (0, 1, 2, 4, 8, 16)):
        open_ = np.flatnonzero(~found.proven & (span < 2**32))
        if not open_.size:
            break
        *pair, proven = _search(stairs.part(open_), lowest[open_], shift, bits)
        now = open_[proven]
        multiplier[now], offset[now] = (numbers[proven] for numbers in pair)
        shifts[now], found.proven[now] = shift, True
    return found


def _magnitude(bits: int) -> int:
    """What products and sums of signed numbers may reach; of 64 bits one is left for the differences of a search."""
    return (1 << min(bits - 1, 62)) - 1


def _search(stairs: Staircase, lowest: IntArray, shift: int, bits: int) -> tuple[IntArray, IntArray, Mask]:
    """Multipliers and offsets (C,) by a ternary search for the multiplier that leaves the offset most room."""
    limit = np.int64(_magnitude(bits))
    at = np.where(stairs.live, stairs.limits - lowest[:, None], 1)
    far = at.max(axis=1)
    level = stairs.first[:, None] + np.cumsum(stairs.live, axis=1)
    goal = np.where(stairs.live, level, 1) << shift

    def room(multiplier: IntArray) -> tuple[IntArray, IntArray]:
        """Least and greatest offset: reached at a threshold, not yet one below; in range at both ends."""
        product = at * multiplier[:, None]
        least = np.where(stairs.live, goal - product, -limit).max(axis=1)
        greatest = np.where(stairs.live, goal - 1 - product + multiplier[:, None], limit).min(axis=1)
        return np.maximum(least, -limit), np.minimum(greatest, limit - far * multiplier)

    low = np.zeros(len(at), np.int64)
    high = np.minimum((limit - 1) // far, np.int64(2**31 - 1))
    for _ in range(SEARCHES):
        third = (high - low) // 3
        left, right = low + third, high - third
        (a, b), (c, d) = room(left), room(right)
        better = b - a >= d - c
        low, high = np.where(better, low, left), np.where(better, right, high)
    best = low
    for multiplier in (low + 1, low + 2):
        (a, b), (c, d) = room(best), room(np.minimum(multiplier, high))
        best = np.where(d - c > b - a, np.minimum(multiplier, high), best)
    least, greatest = room(best)
    return best, least + (greatest - least) // 2, greatest >= least


@dataclass(frozen=True, eq=False)
class Quantiser:
    """How the sums of all output channels become codes: base + step * level, or base + the sum."""

    stairs: Staircase | None
    step: int
    base: int

    @classmethod
    def none(cls, base: int) -> Quantiser:
        """Sums, with `base` added."""
        return cls(None, 1, base)

    @classmethod
    def of(cls, limits: IntArray, lo: IntArray, hi: IntArray, step: int, base: int) -> Quantiser:
        """Rising thresholds (C, N) of sums that are proven to lie in lo..hi (C,), within 32 bits."""
        return cls(staircase(limits, lo, hi), step, base)

    @cached_property
    def _narrow(self) -> Shifts:
        """The shifts by 32 bits; looked for where a block has so many thresholds that they pay."""
        assert self.stairs is not None
        return fit_shifts(self.stairs, 32)

    @cached_property
    def _wide(self) -> Shifts:
        """The shifts by 64 bits; looked for where those by 32 do not suffice for a block."""
        assert self.stairs is not None
        return fit_shifts(self.stairs, 64)

    def form(self, channels: IntArray) -> Form:
        """The cheapest form that is proven for these channels: a product costs as much as a few comparisons."""
        if self.stairs is None:
            return Form.NONE
        count = int(self.stairs.live[channels].sum(axis=1).max(initial=0))
        if count > 3 and self._narrow.proven[channels].all():
            return Form.SHIFT
        return Form.WIDE_SHIFT if count > 5 and self._wide.proven[channels].all() else Form.COUNT

    def constants(self, channels: IntArray, bias: IntArray) -> IntArray:
        """The header, rows and limits of a block of channels, whose sums start at `bias`."""
        form = self.form(channels)
        rows = np.zeros((len(Row), len(channels)), dtype=np.int64)
        rows[Row.BIAS] = bias
        limits = np.zeros((0, len(channels)), dtype=np.int64)
        if self.stairs is not None:
            stairs = self.stairs.part(channels)
            rows[Row.FIRST], rows[Row.LAST] = stairs.first, stairs.last
            if form is Form.COUNT:
                limits = stairs.limits[:, : int(stairs.live.sum(axis=1).max(initial=0))].T
            else:
                _set_shifts(rows, self._wide if form is Form.WIDE_SHIFT else self._narrow, channels, form)
        header = np.array([form, len(limits), self.step, self.base], dtype=np.int64).view(np.int32)
        return np.concatenate([header, _wrapped(rows).ravel(), _wrapped(limits).ravel()])


def _set_shifts(rows: IntArray, fit: Shifts, channels: IntArray, form: Form) -> None:
    rows[Row.LOWEST], rows[Row.HIGHEST] = fit.lowest[channels], fit.highest[channels]
    rows[Row.MULTIPLIER], rows[Row.SHIFT] = fit.multiplier[channels], fit.shift[channels]
    offset = fit.offset[channels]
    if form is Form.SHIFT:  # modulo 2^32 it takes the lowest off as well
        offset = offset - rows[Row.MULTIPLIER] * rows[Row.LOWEST]
    rows[Row.OFFSET], rows[Row.OFFSET_UPPER] = offset, offset >> 32


def _wrapped(numbers: IntArray) -> npt.NDArray[np.int32]:
    """The lower 32 bits."""
    return (numbers & 0xFFFFFFFF).astype(np.uint32).view(np.int32)

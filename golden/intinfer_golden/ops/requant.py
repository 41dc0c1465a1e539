"""Requant: a product rounded, shifted and clipped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from intinfer.ops import Op, Requant
from intinfer.ops.base import per_channel
from intinfer.rounding import RoundMode, shift_right
from intinfer.types import IntArray

from ..designs import ROUNDINGS, Change, Mistake, clipped, ends, listed, of_channel, of_channels, shifted, wrapped
from ..make.coverage import Axis, Covergroup, Intervals, Prover
from .base import PerChannel, Served
from .steps import Cell, Operand, Place, Steps

MAX_LEVELS = 64
"""Results of which each has bins of its own."""

NEIGHBOURS = ("just before", "at", "just behind")

SPAN = 2**10
"""Intervals that are looked at to tell two channels apart."""


class RequantFacts(Served, PerChannel[Requant]):
    """The facts of a requantisation."""

    of = Requant

    @cached_property
    def _triples(self) -> list[tuple[int, int, int]]:
        """Multiplier, offset and shift of each channel."""
        tensors = (self.op.multiplier, self.op.offset, self.op.shift)
        return list(zip(*(np.broadcast_to(t.values, (self.channels,)).tolist() for t in tensors), strict=True))

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """Product, quotient, remainder, how it rounds, and the clip."""
        z, op = operands[0].element(at), self.op
        multiplier, offset, shift = self._triples[at[0]]
        product = z.number * multiplier + offset
        quotient, remainder = divmod(product, 1 << shift)
        up, why = _round_up(product, shift, op.rounding)
        rounded = quotient + up
        result = min(max(rounded, op.lo), op.hi)
        facts: dict[str, Cell] = {
            "z": z.number,
            "M": multiplier,
            "B": offset,
            "S": shift,
            "z * M + B": product,
            "quotient (floor)": quotient,
            "remainder": f"{remainder} of {1 << shift}",
            "rounding": f"{op.rounding}: {why}, {'+1' if up else '+0'}",
            "rounded": rounded,
            "clip": f"{op.lo}..{op.hi}" + ("" if result == rounded else f" cuts {rounded} to {result}"),
        }
        return Steps("clip(round((z * M + B) / 2^S))", (), facts, result, (z,))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Both sides of each step of the result, and ties of either sign and parity with their neighbours."""
        return [self._steps(), self._ties()]

    def _steps(self) -> Covergroup:
        """A channel is monotone, so that the first z of a result is found by bisection."""
        levels, multipliers = _levels(self.op), np.array(self._triples)[:, :1]
        firsts = np.array([[self._first(c, level) for level in levels] for c in range(self.channels)])
        points = np.stack([firsts - np.where(multipliers > 0, 1, -1), firsts], axis=2)
        results = Axis("result", tuple(f"to {level}" for level in levels))
        axes = (Axis("channel", self.channels), results, Axis("side", ("before", "at")))
        sentence = "the last z before each result and the first z that gives it, clips included (result - 1 and result)"
        group = Intervals(self.node.name, "result steps", sentence, axes, value=self.x.name, lo=points)
        still = np.repeat(multipliers == 0, 2 * len(levels))
        group.exclude(still, "the multiplier is 0: the result does not depend on z")
        return group

    def _first(self, channel: int, level: int) -> int:
        """The first z, in the direction of rising results, whose rounded result before clipping is at least `level`.

        One beyond the type's end when none is.
        """
        type_, (m, b, s) = self.x.type, self._triples[channel]
        if not m:
            return type_.hi + 1
        # round(p / 2^s) >= level is p >= level * 2^s for floor, and p > or >= level * 2^s - half for the others.
        lo, hi = (type_.lo, type_.hi + 1) if m > 0 else (-type_.hi, -type_.lo + 1)
        step = 1 if m > 0 else -1
        while lo < hi:
            middle = (lo + hi) // 2
            if rounded(step * middle * m + b, s, self.op.rounding) >= level:
                hi = middle
            else:
                lo = middle + 1
        return step * lo

    def _ties(self) -> Covergroup:
        """For each channel one tie of either sign and of an even and an odd quotient, each with its two neighbours."""
        triples = self._triples
        lo = np.ones((len(triples), 4, 3), dtype=np.int64)
        hi = np.zeros_like(lo)  # nothing lies between, where there is no tie
        for c, kind in np.ndindex(lo.shape[:2]):
            z = self._tie(triples[c], negative=kind >= 2, odd=kind % 2 == 1)
            if z is not None:
                lo[c, kind] = hi[c, kind] = z + np.array([-1, 0, 1])
        words = ("positive, even below", "positive, odd below", "negative, even below", "negative, odd below")
        axes = (Axis("channel", len(triples)), Axis("tie", words), Axis("z", NEIGHBOURS))
        sentence = (
            "z with a product exactly half-way between two results (floor: exactly on one), and its two neighbours"
        )
        group = Intervals(self.node.name, "rounding ties", sentence, axes, value=self.x.name, lo=lo, hi=hi)
        group.exclude(group.lo > group.hi, "no z of the input's type gives such a product")
        return group

    def _tie(self, mbs: tuple[int, int, int], *, negative: bool, odd: bool) -> int | None:
        """The z nearest to 0 with z * m + b = (2 q + 1) * 2^(s - 1), q of this sign and parity and in lo - 1..hi.

        To floor, z * m + b = q * 2^s is the place where the result turns.
        """
        op, type_, (m, b, s) = self.op, self.x.type, mbs
        if s < 1 or not m:
            return None
        wanted = (0 if op.rounding is RoundMode.FLOOR else 1 << (s - 1)) + (odd << s)
        # z * m = wanted - b modulo 2^(s + 1)
        common = math.gcd(m, 1 << (s + 1))
        period = (1 << (s + 1)) // common
        if (wanted - b) % common:
            return None
        z = (wanted - b) // common * pow(m // common, -1, period) % period
        # products in [low, high], quotients q = floor(product / 2^s) in [lo - 1, hi]
        low, high = max((op.lo - 1) << s, -(2**63)), min(((op.hi + 1) << s) - 1, 2**63)
        low, high = (low, min(high, -1)) if negative else (max(low, 0), high)
        first, last = (low - b, high - b) if m > 0 else (b - high, b - low)
        least, most = max(-(-first // abs(m)), type_.lo), min(last // abs(m), type_.hi)
        return _nearest_to_zero(z, period, least, most)

    def telling(self, order: IntArray) -> tuple[IntArray, bool]:
        """A number for each channel on which the two differ, found by bisection."""
        lo, hi = self.x.type.lo, self.x.type.hi
        wrong, rows = of_channels(self.op, order), np.array(self._triples)
        alike = [_rounded_alike(self.op, rows[c], rows[order[c]], lo, hi) for c in range(self.channels)]
        answers = [(lo, True) if alike[c] else _apart(self.op, wrong, c, lo, hi) for c in range(self.channels)]
        return np.array([[number for number, _ in answers]]), all(sure for _, sure in answers)

    def mistakes(self) -> Iterator[Mistake]:
        """Other roundings, shifts, clips and orders of the steps; products of fewer bits."""
        op = self.op
        m, b, s = (per_channel(t.values, len(self.node.output.shape) + 1) for t in (op.multiplier, op.offset, op.shift))
        own, bits, (lo, hi) = str(op.rounding), self.node.output.type.bits, (op.lo, op.hi)
        low, high = ends(bits, lo < 0)

        def clip(y: IntArray) -> IntArray:
            return np.clip(y, lo, hi)

        def exact(z: IntArray) -> IntArray:
            return shifted(own, z * m + b, s)

        for kind in (kind for kind in ROUNDINGS if kind != own):
            text = f"the shift rounds {kind}, not {own}"
            yield Mistake(text, lambda z, kind=kind: clip(shifted(kind, z * m + b, s)))
            before = lambda z, kind=kind: clip(shifted(kind, z * m, s) + b)  # noqa: E731
            yield Mistake(f"{text}, before the offset is added", before)
        for by, text in ((1, "1 more"), (-1, "1 less"), (2, "2 more"), (-2, "2 less")):
            if (s + by >= 0).all():
                yield Mistake(f"the shift is {text}", lambda z, by=by: clip(shifted(own, z * m + b, s + by)))
        clips = ((lo + 1, hi), (lo, hi - 1), (lo - 1, hi), (lo, hi + 1), (0, hi))
        results: dict[str, Change] = {
            "there is no shift": lambda z: clip(z * m + b),
            f"the result wraps at {bits} bits, it is not clipped": lambda z: wrapped(exact(z), bits, lo < 0),
            "there is no clip": exact,
            f"the result is not clipped below, to {lo}": lambda z: np.minimum(exact(z), hi),
            f"the result is not clipped above, to {hi}": lambda z: np.maximum(exact(z), lo),
            f"the clip is to {low}..{high}, all of {bits} bits": lambda z: np.clip(exact(z), low, high),
            f"the clip is to {-high}..{high}": lambda z: np.clip(exact(z), -high, high),
            **{f"the clip is to {e[0]}..{e[1]}, not {lo}..{hi}": clipped(exact, *e) for e in clips if e[0] <= e[1]},
            "the offset is added after the shift": lambda z: clip(shifted(own, z * m, s) + b),
            "the offset is multiplied as well: (z + B) * M": lambda z: clip(shifted(own, (z + b) * m, s)),
            "the input is clipped to the range of the result before": lambda z: clip(exact(clip(z))),
        }
        yield from listed(results)
        reach = max(
            abs(end * int(x) + int(y)) for end in (self.x.type.lo, self.x.type.hi) for x, y in np.broadcast(m, b)
        )
        for width in range(2, min(63, reach.bit_length() + 1)):
            narrow: dict[str, Change] = {
                f"the product wraps at {width} bits": lambda product, w=width: wrapped(product, w, True),
                f"the product saturates at {width} bits": lambda product, w=width: np.clip(product, *ends(w, True)),
            }
            for text, change in narrow.items():
                yield Mistake(text, lambda z, change=change: clip(shifted(own, change(z * m + b), s)), 64)


def _levels(op: Requant) -> list[int]:
    """Results whose first z is covered, from the lowest to one above the highest; of many, the ends and the middle."""
    if op.hi - op.lo < MAX_LEVELS:
        return list(range(op.lo, op.hi + 2))
    middle = (op.lo + op.hi) // 2
    some = {op.lo, op.lo + 1, middle, middle + 1, -1, 0, 1, op.hi, op.hi + 1}
    return sorted(level for level in some if op.lo <= level <= op.hi + 1)


def rounded(product: int, shift: int, mode: RoundMode) -> int:
    """round(product / 2^shift) in Python's unbounded integers."""
    return product // (1 << shift) + _round_up(product, shift, mode)[0]


def _round_up(product: int, shift: int, mode: RoundMode) -> tuple[int, str]:
    """Whether the quotient by 2^shift goes up by one, and why."""
    quotient, remainder = divmod(product, 1 << shift)
    if mode is RoundMode.FLOOR or shift == 0:
        return 0, "nothing is below the shift" if shift == 0 else "always down"
    half = 1 << (shift - 1)
    if remainder != half:
        return int(remainder > half), f"the remainder is {'above' if remainder > half else 'below'} the half, {half}"
    if mode is RoundMode.HALF_UP:
        return 1, "a tie goes up"
    if mode is RoundMode.HALF_EVEN:
        return quotient % 2, f"a tie goes to the even neighbour, {quotient} is {'odd' if quotient % 2 else 'even'}"
    return int(product >= 0), f"a tie goes away from zero, {product} is {'not ' if product >= 0 else ''}negative"


def _nearest_to_zero(residue: int, period: int, lo: int, hi: int) -> int | None:
    """The number congruent to `residue` in lo..hi that is nearest to 0."""
    above = residue % period
    near = (lo + (residue - lo) % period, hi - (hi - residue) % period, above, above - period)
    return min((z for z in near if lo <= z <= hi), key=abs, default=None)


def _rounded_alike(op: Requant, one: IntArray, other: IntArray, lo: int, hi: int) -> bool:
    """Whether two rows of multiplier, offset and shift are proven to give the same results on lo..hi.

    Offsets that differ may round alike. Apart from its sign, what is rounded repeats after 2^(shift + 1) / gcd numbers.
    """
    if np.array_equal(one, other):
        return True
    multiplier, shift = int(one[0]), int(one[2])
    period = 2 ** (shift + 1) // math.gcd(multiplier, 2 ** (shift + 1))
    if (multiplier, shift) != (other[0], other[2]) or op.rounding is RoundMode.HALF_AWAY or period > SPAN:
        return False
    z = np.arange(lo, min(hi, lo + period) + 1)
    first, second = (shift_right(z * multiplier + int(row[1]), np.array(shift), op.rounding) for row in (one, other))
    return np.array_equal(first, second)


def _apart(op: Op, wrong: Op, channel: int, lo: int, hi: int) -> tuple[int, bool]:
    """A number on which a channel of two monotone ops differs, or any, and whether they then surely never differ.

    Where both have one and the same result at the ends of an interval, they have it inside as well.
    """

    ops = [of_channel(part, channel) for part in (op, wrong)]

    def both(number: int) -> list[int]:
        return [part.reference(np.array([[number]])).item() for part in ops]

    intervals, left = [(lo, hi)], SPAN
    while intervals and left:
        left -= 1
        a, b = intervals.pop()
        low, high = both(a), both(b)
        for number, (right, other) in ((a, low), (b, high)):
            if right != other:
                return number, True
        if low != high and b - a > 1:
            middle = (a + b) // 2
            intervals += [(middle, b), (a, middle)]
    return lo, not intervals

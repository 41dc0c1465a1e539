"""Which sums a weighted sum of independent inputs takes, exactly, and inputs that give a wanted one.

constant + sum_i c_i x_i with each x_i anywhere in lo_i..hi_i is base + sum_i w_i y_i with w_i = |c_i| and y_i in
0..hi_i - lo_i. Three ways decide whether a number is such a sum:

- Light first, as long as each weight is at most one unit (the greatest common divisor) above all that the lighter ones
  reach together, every multiple of the unit up to their total is reached. Ternary and binary weights are of this kind.
- Heavier weights are added by the subset-sum recurrence over a bit set: one shift and OR for each power of two.
- When that set would be too wide, the recurrence looks only near a vertex of the linear relaxation (all weights but
  one at an end): if there is a solution at all, there is one at most 2 w + 1 steps away in all, w being the heaviest
  weight in units (Eisenbrand and Weismantel 2018, theorem 3.1 for one constraint). The answer is still exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from operator import add, mul, sub
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from intinfer.types import IntArray

MAX_BITS = 2**24
"""Largest bit set of the recurrence."""

MAX_WORK = 2**32
"""Bits shifted in all; what would take more is not decided."""

EXACT = 2**53
"""Integers below it are exact as floating-point numbers."""

MAX_NUMBERS = 256
"""Numbers of an interval that are looked at one by one."""


class Found(NamedTuple):
    """A number in the interval that was asked about, or None; `proven` when None means that there is none."""

    number: int | None
    proven: bool


NONE = Found(None, True)


class Sums:
    """The set of values of constant + sum_i c_i x_i.

    Args:
        coefficients: (M,) integers.
        lo, hi: (M,), the ends of each x_i, lo <= hi.
        constant: added.
    """

    def __init__(self, coefficients: IntArray, lo: IntArray, hi: IntArray, constant: int = 0) -> None:
        self._ends = lo, hi
        self._up = coefficients > 0
        free = ((coefficients != 0) & (lo < hi)).nonzero()[0]
        order = free[np.abs(coefficients[free]).argsort(kind="stable")]
        self._order = order
        self._knapsack = Knapsack(
            np.abs(coefficients[order]).tolist(), list(map(sub, hi[order].tolist(), lo[order].tolist()))
        )
        self.base = constant + sum(map(mul, coefficients.tolist(), np.where(self._up, lo, hi).tolist()))

    @property
    def unit(self) -> int:
        """The step in which sums follow each other at best."""
        return self._knapsack.unit

    @property
    def range(self) -> tuple[int, int]:
        """The lowest and the highest sum."""
        return self.base, self.base + self._knapsack.total

    def find(self, lo: int, hi: int) -> Found:
        """A sum in lo..hi."""
        found = self._knapsack.find(lo - self.base, hi - self.base)
        return found if found.number is None else Found(self.base + found.number, True)

    def solve(self, number: int, rng: np.random.Generator) -> IntArray | None:
        """(M,) inputs with this sum, as random as the sum allows; None when there are none, or it is not decided."""
        chosen = self._knapsack.solve(number - self.base, rng)
        if chosen is None:
            return None
        steps = np.zeros(len(self._up), dtype=np.int64)
        steps[self._order] = chosen
        lo, hi = self._ends
        return np.where(self._up, lo + steps, hi - steps)


class Knapsack:
    """The sums of weights[i] * y_i with y_i in 0..steps[i]; weights positive, in rising order, steps at least 1."""

    def __init__(self, weights: Sequence[int], steps: Sequence[int]) -> None:
        self.weights, self.steps = weights, steps
        self.total: int = sum(map(mul, weights, steps))
        self.unit = math.gcd(*weights) or 1
        self._easy = self._easy_prefix()

    def _easy_prefix(self) -> int:
        """How many of the lightest weights reach every multiple of the unit up to their total."""
        if not self.weights or self.weights[-1] == self.unit:  # all alike, as ternary and binary weights are
            return len(self.weights)
        reached = 0
        for count, (weight, steps) in enumerate(zip(self.weights, self.steps, strict=True)):
            if weight > self.unit + reached:
                return count
            reached += steps * weight
        return len(self.weights)

    @property
    def _narrow(self) -> bool:
        """Whether the set of all sums may be made: it is not too wide, and takes not too many shifted bits."""
        bits, shifts = self.total // self.unit, sum(steps.bit_length() for steps in self.steps[self._easy :])
        return bits <= MAX_BITS and bits * shifts <= MAX_WORK

    def find(self, lo: int, hi: int) -> Found:
        """A sum in lo..hi."""
        lo, hi = max(lo, 0), min(hi, self.total)
        if lo > hi:
            return NONE
        for end in (0, self.total):
            if lo <= end <= hi:
                return Found(end, True)
        first = -(-lo // self.unit) * self.unit
        if self._easy == len(self.weights):
            return Found(first, True) if first <= hi else NONE
        if self._narrow:
            bits = self._sets[-1] >> (first // self.unit)
            number = first + ((bits & -bits).bit_length() - 1) * self.unit
            return Found(number, True) if bits and number <= hi else NONE
        proven = (hi - first) // self.unit < MAX_NUMBERS
        for number in range(first, min(hi, first + (MAX_NUMBERS - 1) * self.unit) + 1, self.unit):
            near = self._near(number)
            if near is None:
                proven = False
                break
            knapsack, _, rest = near
            if knapsack.find(rest, rest).number is not None:
                return Found(number, True)
        return Found(None, proven)

    def solve(self, wanted: int, rng: np.random.Generator) -> list[int] | None:
        """The y_i of a sum, as random as it allows."""
        if wanted in (0, self.total):
            return [n if wanted else 0 for n in self.steps]
        if wanted < 0 or wanted > self.total or wanted % self.unit:
            return None
        if self._easy == len(self.weights) or self._narrow:
            return self._walk(wanted, rng)
        near = self._near(wanted)
        if near is None:
            return None
        knapsack, start, rest = near
        fine = knapsack.solve(rest, rng)
        return None if fine is None else list(map(add, start, fine))

    @cached_property
    def _sets(self) -> list[int]:
        """Bit s of set k: s units are reached by the easy prefix and k more weights."""
        easy = sum(map(mul, self.weights[: self._easy], self.steps[: self._easy]))
        sets = [(1 << (easy // self.unit + 1)) - 1]
        for weight, steps in zip(self.weights[self._easy :], self.steps[self._easy :], strict=True):
            bits, covered = sets[-1], 1
            while covered <= steps:
                more = min(covered, steps + 1 - covered)
                bits |= bits << (weight // self.unit * more)
                covered += more
            sets.append(bits)
        return sets

    def _walk(self, wanted: int, rng: np.random.Generator) -> list[int] | None:
        """From the heaviest weight down, each a random count that leaves a sum the lighter ones reach."""
        chosen, random, left = [0] * len(self.weights), rng.random(len(self.weights)), wanted
        for i in range(len(self.weights) - 1, self._easy - 1, -1):
            bits, weight = self._sets[i - self._easy], self.weights[i]
            most = min(self.steps[i], left // weight)
            start = int(float(random[i]) * (most + 1))
            for count in (*range(start, most + 1), *range(start)):
                if (bits >> ((left - weight * count) // self.unit)) & 1:
                    break
            else:
                return None
            chosen[i] = count
            left -= weight * count
        end, uncut = self._uncut(left, random[: self._easy])
        chosen[end : self._easy] = uncut.tolist()
        left -= int(uncut @ self._light[0][end:]) if len(uncut) else 0
        lighter = sum(map(mul, self.weights[:end], self.steps[:end]))
        draws = random[:end].tolist()
        for i in range(end - 1, -1, -1):
            weight, most = self.weights[i], self.steps[i]
            lighter -= most * weight
            least = max(0, -((lighter - left) // weight))
            most = min(most, left // weight)
            chosen[i] = least + int(draws[i] * (most - least + 1))
            left -= weight * chosen[i]
        return chosen if left == 0 else None

    def _uncut(self, left: int, random: npt.NDArray[np.float64]) -> tuple[int, IntArray]:
        """Random counts of easy weights from a place on: from the heaviest down, while any count leaves a sum that the
        lighter ones reach. The others are drawn one by one."""
        if self.total >= EXACT:
            return self._easy, np.zeros(0, dtype=np.int64)
        weights, steps, reach, lighter = self._light
        counts = (random * (steps + 1)).astype(np.int64)
        heavier = (weights * counts)[::-1].cumsum()[::-1] - weights * counts
        cut = (left - heavier > lighter) | (left - heavier < reach)
        end = int(cut.nonzero()[0].max(initial=-1)) + 1
        return end, counts[end:]

    @cached_property
    def _light(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """The easy weights, their steps, what each reaches, and what the lighter ones reach together, (easy,)."""
        weights, steps = (np.array(row[: self._easy], dtype=np.int64) for row in (self.weights, self.steps))
        return weights, steps, weights * steps, (weights * steps).cumsum() - weights * steps

    def _near(self, wanted: int) -> tuple[Knapsack, list[int], int] | None:
        """The problem around a vertex of the relaxation: y_i are a start and what the knapsack gives for the rest.

        None when even that is too wide.

        The lightest weights go to their ends first, so that the one between its ends is heavy.
        """
        distance = 2 * (self.weights[-1] // self.unit) + 1
        start, steps, left = [], [], wanted
        for weight, most in zip(self.weights, self.steps, strict=True):
            vertex = min(most, left // weight)  # rounded down: the true vertex is less than one step above
            left -= weight * vertex
            start.append(max(0, vertex - distance))
            steps.append(min(most, vertex + 1 + distance) - start[-1])
        rest = wanted - sum(map(mul, self.weights, start))
        knapsack = Knapsack(self.weights, steps)
        if knapsack._easy < len(self.weights) and not knapsack._narrow:
            return None
        return knapsack, start, rest

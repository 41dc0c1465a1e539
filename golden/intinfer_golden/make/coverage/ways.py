"""Ways of a running sum far out and back: how far out it can be that ends where it is wanted, and with what inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from intinfer.types import IntArray

from ...designs.mac import Mac
from .reach import Sums
from .shown import Rest

SAMPLES = 2**12
"""Last sums at which the result is looked at first; where it turns between two of them, the place is bisected."""

STEPS = 64
"""Sums on the way, from the farthest inwards, that are tried."""

Target = int | Literal["any", "none"]
"""The last sum of a way; "any" where all see the end, "none" where no end turns the result."""


@dataclass(frozen=True, eq=False)
class Element:
    """An element of the result: its weights, and the ends of what each tap reads, (taps,)."""

    channel: int
    place: tuple[int, int]
    weight: IntArray
    lo: IntArray
    hi: IntArray

    @classmethod
    def of(cls, mac: Mac, channel: int, place: tuple[int, int]) -> Element:
        """The element of a channel at a place, (y, x)."""
        inside = np.tile(mac.inside[place].reshape(-1), mac.weight.shape[1])
        pads = mac.pad_value[mac.group_of(channel)].repeat(mac.weight[0, 0].size)
        lo, hi = (np.where(inside, end, pads) for end in (mac.type.lo, mac.type.hi))
        return cls(channel, place, mac.weight[channel].reshape(-1), lo, hi)

    @property
    def reach(self) -> tuple[int, int]:
        """The lowest and the highest sum."""
        ends = np.stack([self.weight * self.lo, self.weight * self.hi])
        return int(ends.min(axis=0).sum()), int(ends.max(axis=0).sum())


def targets(sums: Sequence[Element], rest: Rest, sign: int) -> list[Target]:
    """For each the last sum, as far out as is found, of which one less far gives another result; "none" where it never
    turns."""
    lo, hi = (np.array(ends) for ends in zip(*(one.reach for one in sums), strict=True))
    channel = np.array([one.channel for one in sums])

    def results(numbers: IntArray) -> IntArray:
        """Of numbers (sums, K)."""
        return rest(channel.repeat(numbers.shape[1]), numbers.reshape(-1)).reshape(numbers.shape)

    far, near = (hi, lo) if sign > 0 else (lo, hi)
    steps = min(int((hi - lo).max()), SAMPLES)
    share = np.arange(steps + 1)
    numbers = far[:, None] - sign * ((hi - lo)[:, None] // max(steps, 1) * share)  # from the far end inwards
    numbers = np.concatenate([numbers, near[:, None]], axis=1)
    found = results(numbers)
    turns = found[:, 1:] != found[:, :-1]
    at = turns.argmax(axis=1)[:, None]
    outer, inner = (np.take_along_axis(numbers, at + k, axis=1) for k in (0, 1))
    kept = np.take_along_axis(found, at, axis=1)
    while (np.abs(outer - inner) > 1).any():
        middle = (outer + inner) // 2
        same = results(middle) == kept
        outer, inner = np.where(same, middle, outer), np.where(same, inner, middle)
    return [int(n) if turn else "none" for n, turn in zip(outer[:, 0], turns.any(axis=1), strict=True)]


class Way:
    """How far out a running sum can be that ends on the target, in an order of the taps.

    Attributes:
        farthest: number, 0 where there is no such sum.
    """

    def __init__(self, one: Element, taps: IntArray, sign: int, target: Target) -> None:
        self.element, self._taps, self._sign, self._target = one, taps, sign, target
        ends = np.stack([sign * one.weight * one.lo, sign * one.weight * one.hi])[:, taps]
        most, least = ends.max(axis=0).sum(axis=1).cumsum(), ends.min(axis=0).sum(axis=1)
        self.farthest, self._split = 0, 0
        if target == "any" or (isinstance(target, int) and least.sum() <= sign * target <= most[-1]):
            far = np.minimum(most, sign * target - (least.sum() - least.cumsum())) if isinstance(target, int) else most
            self._split = int(far.argmax()) + 1
            self.farthest = int(far.max())

    def solved(self, rng: np.random.Generator) -> IntArray | None:
        """What the taps hold, (taps,), flat over (C/groups, KH, KW); None when no way is found."""
        one, parts = self.element, (self._taps[: self._split].reshape(-1), self._taps[self._split :].reshape(-1))
        out, back = (Sums(self._sign * one.weight[part], one.lo[part], one.hi[part]) for part in parts)
        for far in range(self.farthest, max(self.farthest - STEPS, 0), -1):
            left = self._sign * self._target - far if isinstance(self._target, int) else back.range[0]
            if out.find(far, far).number is None or back.find(left, left).number is None:
                continue
            there, again = out.solve(far, rng), back.solve(left, rng)
            if there is not None and again is not None:
                numbers = np.empty_like(one.weight)
                numbers[parts[0]], numbers[parts[1]] = there, again
                return numbers
        return None

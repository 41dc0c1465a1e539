"""A saturating accumulator: clipped at each end, left again, and passed inside a fold, where nothing is clipped."""

from __future__ import annotations

from itertools import product

import numpy as np

from ...designs.mac import Mac
from .group import Axis, Bools, Covergroup, Values

EVENTS = (
    *("clipped at the highest", "left the highest", "passed the highest inside a fold"),
    *("clipped at the lowest", "left the lowest", "passed the lowest inside a fold"),
)

Inputs = dict[int, int]
"""The input of each tap, taps flat over (I/groups, KH, KW)."""


def covergroup(mac: Mac) -> Covergroup:
    """Bins (channel, event), unreachable ones proven."""
    sentence = "the sum is clipped at each end and goes on the other way; inside a fold it passes an end and comes back"
    axes = (Axis("channel", len(mac.weight)), Axis("event", EVENTS))
    group = Covergroup(mac.node.name, "saturation", sentence, axes, lambda values: _events(mac, values))
    possible = np.zeros((len(mac.weight), 2, 3), dtype=bool)
    for borders, channel, (end, sign) in product(mac.border_patterns(), range(len(mac.weight)), enumerate((1, -1))):
        way = Way(mac, channel, sign, borders)
        possible[channel, end] |= [way.clipped, way.left, way.inside is not None]
    group.exclude(~possible.reshape(-1), f"the greediest inputs do not leave {mac.accumulator.type} in this way")
    return group


def _events(mac: Mac, values: Values) -> Bools:
    order, folds = mac.folds()
    type_, taps = mac.accumulator.type, mac.columns(mac.taps(values[mac.x]))
    weights = mac.grouped.reshape(mac.groups, len(mac.weight) // mac.groups, -1)
    total = np.zeros((*taps.shape[:3], weights.shape[1]), dtype=np.int64)
    seen = np.zeros((6, *total.shape), dtype=bool)
    for fold in folds:
        part, highest, lowest = (np.zeros_like(total) for _ in range(3))
        for tap in order[fold]:
            part = part + taps[..., tap, None] * weights[:, None, :, tap]
            highest, lowest = np.maximum(highest, part), np.minimum(lowest, part)
        seen[1] |= seen[0] & (part < 0)
        seen[4] |= seen[3] & (part > 0)
        seen[2] |= (total + highest > type_.hi) & (part < highest)
        seen[5] |= (total + lowest < type_.lo) & (part > lowest)
        total += part
        seen[0] |= total > type_.hi
        seen[3] |= total < type_.lo
        total = total.clip(type_.lo, type_.hi)
    return np.asarray(seen.any(axis=(1, 3)).reshape(6, -1).T.reshape(-1))


class Way:
    """The greediest way of a channel to the end of `sign`: a clipped sum never overtakes a greater one.

    Args:
        borders: which taps read the border, as `Mac.border_patterns` gives them.

    Attributes:
        clipped: whether the end clips it.
        left: whether something opposite can be added after that.
        inputs: taken on the way to the clip and back.
        inside: inputs that pass the end inside a fold and come back in the same fold; None when that cannot be.
    """

    def __init__(self, mac: Mac, channel: int, sign: int, borders: Bools) -> None:
        order, folds = mac.folds()
        row = (sign * mac.weight[channel].reshape(-1)).tolist()
        first = channel // (len(mac.weight) // mac.groups) * mac.weight.shape[1]
        pads = mac.pad_value[first : first + mac.weight.shape[1]].repeat(mac.weight[0, 0].size).tolist()
        ends = (mac.type.lo, mac.type.hi)
        self._choices: list[list[tuple[int, list[tuple[int, int]]]]] = [
            [
                (tap, [(row[tap] * x, x) for x in ((pads[tap],) if borders[tap] else ends)])
                for tap in order[fold].tolist()
            ]
            for fold in folds
        ]
        type_ = mac.accumulator.type
        self._floor, self._limit = (type_.lo, type_.hi) if sign > 0 else (-type_.hi, -type_.lo)
        self.clipped, self.left, self.inputs = self._there_and_back()
        self.inside = self._inside()

    def _there_and_back(self) -> tuple[bool, bool, Inputs]:
        total, clipped, left = 0, False, False
        inputs: Inputs = {}
        for fold in self._choices:
            part = 0
            for tap, choice in fold:
                product, inputs[tap] = min(choice) if clipped else max(choice)
                part += product
            left |= clipped and part < 0
            clipped |= total + part > self._limit
            total = min(max(total + part, self._floor), self._limit)
        return clipped, left, inputs

    def _inside(self) -> Inputs | None:
        """Every sum as high as it can be until a fold begins high enough; what follows adds as little as it can."""
        total = 0
        inputs = {tap: min(choice, key=lambda c: abs(c[0]))[1] for fold in self._choices for tap, choice in fold}
        for fold in self._choices:
            for split in range(1, len(fold)):
                up = sum(max(choice)[0] for _, choice in fold[:split])
                down = sum(min(choice)[0] for _, choice in fold[split:])
                if total + up > self._limit and down < 0:
                    inputs |= {tap: max(choice)[1] for tap, choice in fold[:split]}
                    return inputs | {tap: min(choice)[1] for tap, choice in fold[split:]}
            inputs |= {tap: max(choice)[1] for tap, choice in fold}
            total = min(max(total + sum(max(c)[0] for _, c in fold), self._floor), self._limit)
        return None

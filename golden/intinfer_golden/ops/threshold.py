"""Threshold: how many thresholds of its channel a number has crossed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

from intinfer.ops import Threshold
from intinfer.types import IntArray

from ..designs import Change, Mistake, altered, listed, possible
from ..make.coverage import RESET, Axis, Bools, Covergroup, Faults, Intervals, Prover, Site, Values
from .base import FEW_ELEMENTS, PerChannel, Served
from .steps import Cell, Operand, Place, Steps

SIDES = ("not yet crossed", "just crossed")

SCANNED = 16
"""Thresholds of a channel up to which comparing with each is faster than sorting."""


class ThresholdFacts(Served, PerChannel[Threshold]):
    """The facts of thresholds."""

    of = Threshold

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """Threshold by threshold of the channel, and how many are crossed."""
        z, op = operands[0].element(at), self.op
        row = at[0] if op.thresholds.shape[0] > 1 else 0
        limits, compare = op.thresholds.values[row].tolist(), "<=" if op.descending.values[row] else ">="
        crossed = [z.number <= limit if compare == "<=" else z.number >= limit for limit in limits]
        rows: list[dict[str, Cell]] = [
            {"j": j, "z": z.number, "compare": compare, "threshold": limit, "crossed": "yes" if over else "no"}
            for j, (limit, over) in enumerate(zip(limits, crossed, strict=True))
        ]
        count = sum(crossed)
        facts: dict[str, Cell] = {"z": z.number, "crossed": f"{count} of {len(rows)}", "base": op.base, "step": op.step}
        formula = f"base + step * number of thresholds with z {compare} threshold"
        return Steps(formula, tuple(rows), facts, op.base + op.step * count, (z,))

    @cached_property
    def _cuts(self) -> IntArray:
        """(C, T)."""
        return np.broadcast_to(self.op.thresholds.values, (self.channels, self.op.thresholds.shape[1]))

    @cached_property
    def _down(self) -> Bools:
        """(C, 1)."""
        return np.broadcast_to(self.op.descending.values == 1, (self.channels,))[:, None]

    @property
    def _before(self) -> IntArray:
        """The number just before each threshold is crossed, (C, T)."""
        return np.where(self._down, self._cuts + 1, self._cuts - 1)

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Both sides of every threshold, and every output code."""
        points = np.stack([self._before, self._cuts], axis=2)
        axes = (*map(Axis, ("channel", "threshold"), self._cuts.shape), Axis("side", SIDES))
        sentence = (
            "z = T - 1 and z = T (descending: T + 1 and T) of every threshold: > is told from >=, T from its neighbours"
        )
        sides = Intervals(self.node.name, "threshold sides", sentence, axes, value=self.x.name, lo=points)
        return [sides, self._codes()]

    def _codes(self) -> Covergroup:
        """Code j is z in [T_(j-1), T_j - 1]; descending z in [T_j + 1, T_(j-1)]. Equal thresholds: none between."""
        cuts, (channels, count) = self._cuts, self._cuts.shape
        first, last = (np.full((channels, 1), end) for end in (self.x.type.lo, self.x.type.hi))
        low = np.where(self._down, np.hstack([cuts + 1, first]), np.hstack([first, cuts]))
        high = np.where(self._down, np.hstack([last, cuts]), np.hstack([cuts - 1, last]))
        words = tuple(f"code {self.op.base + self.op.step * j}" for j in range(count + 1))
        axes = (Axis("channel", channels), Axis("code", words))
        sentence = "every output code of every channel"
        return Intervals(self.node.name, "output codes", sentence, axes, value=self.x.name, lo=low, hi=high)

    def telling(self, order: IntArray) -> tuple[IntArray, bool]:
        """Around each threshold of both channels, and the ends."""
        lo, hi = self.x.type.lo, self.x.type.hi
        both = np.hstack([self._cuts, self._cuts[order]])
        ends = np.tile([lo, hi], (self.channels, 1))
        return np.hstack([both - 1, both, both + 1, ends]).clip(lo, hi).T, True

    def turns(self) -> list[IntArray]:
        """Every threshold and the numbers beside it."""
        return [(self._cuts + step).clip(self.x.type.lo, self.x.type.hi) for step in (-1, 0, 1)]

    def faults(self, site: Site) -> Iterator[Faults]:
        """Constants, and thresholds one too high or too low: a channel stands on one side of one of them at least."""
        yield from super().faults(site)
        if not site.free:
            return
        x, channels = self.x, self.channels
        sides = np.stack([self._cuts, self._before])  # crossed, not yet crossed
        inside = np.asarray(((sides >= x.type.lo) & (sides <= x.type.hi)).all(axis=0))
        live = np.flatnonzero(inside.any(axis=1)).tolist()  # elsewhere nothing is ever crossed, or always everything

        def stands(now: Values) -> Bools:
            """Whether a live channel holds a threshold, or the number before one, (2, live)."""
            numbers = now[x.name][0].reshape(channels, -1)[live]
            return np.stack([_meet(numbers, side[live]) for side in sides])

        if len(live):
            words = tuple(f"{site.name}: thresholds of channel {c} one too high or one too low" for c in live)
            yield Faults(RESET, words, lambda now, _: np.asarray(stands(now).any(axis=0)), ("",) * len(live))
        if len(live) * (x.size // channels) > FEW_ELEMENTS:
            words = (f"{site.name}: crossed thresholds are missed", f"{site.name}: thresholds cross early")
            yield Faults(RESET, words, lambda now, _: np.asarray(stands(now).any(axis=1)), ("", ""))

    def mistakes(self) -> Iterator[Mistake]:
        """Other compares, levels and counts; thresholds that are all too high or too low."""
        op = self.op
        rows, down = op.thresholds.values, op.descending.values[:, None]
        up = 1 - 2 * down
        rising, falling = bool((down == 0).any()), bool((down == 1).any())

        def counts(thresholds: IntArray, descending: IntArray = down) -> Change:
            """The op with other thresholds, in any order."""
            return altered(op, thresholds=thresholds, descending=descending[:, 0]).reference

        ascending, descending = (f" in {way} channels" * (rising and falling) for way in ("ascending", "descending"))
        levels = 2 * op.base + op.step * rows.shape[1]
        compares: tuple[tuple[bool, str, Change], ...] = (
            (rising, f"the compare is > in place of >={ascending}", counts(rows + (up > 0))),
            (falling, f"the compare is < in place of <={descending}", counts(rows - (up < 0))),
            (rising and falling, "the compares are > and < in place of >= and <=", counts(rows + up)),
            (True, "every threshold is crossed one earlier (>= T - 1, <= T + 1)", counts(rows - up)),
            (falling, "descending is ignored: every channel compares with >=", counts(rows, down * 0)),
            (falling, "descending channels compare with >", counts(rows + down, down * 0)),
            (rising, "every channel is taken as descending, with <=", counts(rows, down * 0 + 1)),
            (rising, "ascending channels compare with <", counts(rows - (1 - down), down * 0 + 1)),
            (True, "descending is inverted: >= and <= are exchanged", counts(rows, 1 - down)),
            (
                True,
                "the compares are inverted: < in place of >=, > in place of <=",
                lambda z: levels - op.reference(z),
            ),
        )
        yield from listed(possible(*compares))
        yield from _levels(op, self.node.output.type.bits)
        yield from _counted(rows, counts)
        for k in (k for n in (*range(1, 17), 32, 64, 128, 256) for k in (n, -n)):
            text = f"all thresholds are {abs(k)} too {'high' if k > 0 else 'low'}"
            yield Mistake(text, counts(rows + k), 40, kind=f"thresholds {k > 0}")


def _meet(numbers: IntArray, wanted: IntArray) -> Bools:
    """Whether a row of numbers (C, P) holds one of the same row of wanted ones (C, T): (C,)."""
    if wanted.shape[1] > SCANNED:
        return np.array([bool(np.isin(row, some).any()) for row, some in zip(numbers, wanted, strict=True)])
    return np.asarray(np.logical_or.reduce([(numbers == some[:, None]).any(axis=1) for some in wanted.T]))


def _levels(op: Threshold, bits: int) -> Iterator[Mistake]:
    """What is made of the number of crossed thresholds."""
    reference, base, step = op.reference, op.base, op.step
    top = base + step * op.thresholds.shape[1]

    def count(z: IntArray) -> IntArray:
        return (reference(z) - base) // step

    levels: tuple[tuple[bool, str, Change], ...] = (
        (True, f"the count is one more (base {base + step}, not {base})", lambda z: reference(z) + step),
        (step != 1, f"the base is {base + 1}, not {base}", lambda z: reference(z) + 1),
        (True, f"the count is one less (base {base - step}, not {base})", lambda z: reference(z) - step),
        (step != 1, f"the base is {base - 1}, not {base}", lambda z: reference(z) - 1),
        (base != 0, f"the base is 0, not {base}", lambda z: reference(z) - base),
        (step != 1, f"the step is 1, not {step}", lambda z: base + count(z)),
        (bits > 1, "the count is given in Gray code", lambda z: (n := count(z)) ^ (n >> 1)),
        (
            bits > 1,
            "any crossed threshold gives the highest level",
            lambda z: np.where(reference(z) > base, top, base),
        ),
    )
    return listed(possible(*levels))


def _counted(rows: IntArray, counts: Callable[[IntArray], Change]) -> Iterator[Mistake]:
    """Thresholds that are not counted, or twice."""
    count = rows.shape[1]
    for j in range(count) if count > 1 else ():
        inside = 0 < j < count - 1
        missing, twice = counts(np.delete(rows, j, axis=1)), counts(np.insert(rows, j, rows[:, j], axis=1))
        yield Mistake(f"threshold {j} of every channel is not counted", missing, count if inside else 1)
        yield Mistake(f"threshold {j} of every channel is counted twice", twice, count)
        if inside:
            yield Mistake(f"only the first {j} thresholds of every channel are counted", counts(rows[:, :j]), count)

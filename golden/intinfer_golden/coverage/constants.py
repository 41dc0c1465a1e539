"""Faults of constants: a channel works with those of another one, or with thresholds that are off by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from intinfer.graph import Graph, Node
from intinfer.ops import Affine, Op, Requant, Threshold
from intinfer.rounding import RoundMode, shift_right
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from .fault import RESET, Faults, Site, fault
from .group import Bools, Values

FEW = 3
"""Elements that stand on both sides of thresholds only where other faults are hidden by it."""

SPAN = 2**10
"""Intervals that are looked at to tell two channels of a requantisation apart."""


def threshold(site: Site) -> Iterator[Faults]:
    """Constants, and thresholds one too high or too low: a channel stands on one side of one of them at least."""
    yield from constants(site)
    if not site.free:
        return
    op, (x,) = site.node.op, site.operands.values()
    assert isinstance(op, Threshold)
    channels = x.shape[0]
    cuts = np.broadcast_to(op.thresholds.values, (channels, op.thresholds.shape[1]))
    down = np.broadcast_to(op.descending.values, (channels,))[:, None]
    sides = np.stack([cuts, np.where(down == 1, cuts + 1, cuts - 1)])  # crossed, not yet crossed
    inside = (sides >= x.type.lo) & (sides <= x.type.hi)
    crossed = inside[0] & inside[1]
    live = np.flatnonzero(crossed.any(axis=1)).tolist()  # elsewhere nothing is ever crossed, or always everything

    def stands(now: Values) -> Bools:
        """Whether a live channel holds a threshold, or the number before one, (2, live)."""
        numbers = now[x.name][0].reshape(channels, -1)[live]
        return np.stack([_meet(numbers, side[live]) for side in sides])

    if len(live):
        words = tuple(f"{site.name}: thresholds of channel {c} one too high or one too low" for c in live)
        yield Faults(RESET, words, lambda now, _: np.asarray(stands(now).any(axis=0)), ("",) * len(live))
    if len(live) * (x.size // channels) > FEW:
        words = tuple(f"{site.name}: {text}" for text in ("crossed thresholds are missed", "thresholds cross early"))
        yield Faults(RESET, words, lambda now, _: np.asarray(stands(now).any(axis=1)), ("", ""))


def _meet(numbers: IntArray, wanted: IntArray) -> Bools:
    """Whether a row of numbers (C, P) holds one of the same row of wanted ones (C, T): (C,)."""
    if wanted.shape[1] > FEW:
        return np.array([bool(np.isin(row, some).any()) for row, some in zip(numbers, wanted, strict=True)])
    return np.asarray((numbers[:, None] == wanted[:, :, None]).any(axis=(1, 2)))


def constants(site: Site) -> Iterator[Faults]:
    """Constants of channel 0 for all channels, and those of the next channel."""
    (x,) = site.operands.values()
    channels = x.shape[0]
    for words, order in (
        ("constants of channel 0 for all channels", np.zeros(channels, dtype=np.int64)),
        ("constants of the next channel", np.roll(np.arange(channels), -1)),
    ):
        wrong = with_rows(site.op, channels, order) if channels > 1 else None
        if wrong is None:
            return
        if x.size <= FEW and not order.any():
            continue  # in one frame the next row has to do
        numbers, complete = telling_numbers(site.graph, site.node, order)
        same = not varies_between(site.op, wrong, numbers).any()
        reason = "these constants give the same results" if complete and same else ""
        yield fault(RESET, f"{site.name}: {words}", _other(site, wrong), reason)


def _other(site: Site, wrong: Op) -> Callable[[Values, Values], bool]:
    return lambda now, _: site.differs(now, {}, wrong)


def with_rows(op: Op, channels: int, order: IntArray) -> Op | None:
    """The op with the rows of its constants in another order, None when all channels share one row."""
    tensors = {name: value for name, value in vars(op).items() if isinstance(value, IntTensor)}
    rows = {name: t for name, t in tensors.items() if t.shape[0] == channels}
    if not rows:
        return None
    return replace(op, **{name: IntTensor(t.values[order], t.encoding) for name, t in rows.items()})


def varies_between(op: Op, wrong: Op, numbers: IntArray) -> Bools:
    """(K, C) where two ops differ on the numbers (K, C)."""
    return np.asarray(op.reference(numbers) != wrong.reference(numbers))


def telling_numbers(graph: Graph, node: Node, order: IntArray) -> tuple[IntArray, bool]:
    """Numbers (K, C) on which constants of two channels differ if they differ anywhere; False when that is not sure.

    Thresholds: around each of both; lines: the ends; tables: all numbers.
    """
    x, op = graph.values[node.inputs[0]], node.op
    channels, lo, hi = x.shape[0], x.type.lo, x.type.hi
    if isinstance(op, Threshold):
        own = np.broadcast_to(op.thresholds.values, (channels, op.thresholds.shape[1]))
        both = np.concatenate([own, own[order]], axis=1)
        near = np.concatenate([both - 1, both, both + 1], axis=1).clip(lo, hi).T
        return np.concatenate([near, np.full((1, channels), lo), np.full((1, channels), hi)]), True
    if isinstance(op, Requant):
        wrong = with_rows(op, channels, order) or op
        tensors = (op.multiplier.values, op.offset.values, op.shift.values)
        rows = np.stack([np.broadcast_to(t, (channels,)) for t in tensors])
        alike = [_rounded_alike(op, rows[:, c], rows[:, order[c]], lo, hi) for c in range(channels)]
        answers = [(lo, True) if alike[c] else _apart(op, wrong, c, lo, hi) for c in range(channels)]
        numbers = np.array([[number for number, _ in answers]])
        return numbers, all(sure for _, sure in answers)
    some = np.array([lo, hi]) if isinstance(op, Affine) else np.arange(lo, hi + 1)
    return np.repeat(some[:, None], channels, axis=1), True


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
    products = (z * multiplier + int(row[1]) for row in (one, other))
    first, second = (shift_right(p, np.array(shift), op.rounding) for p in products)
    return np.array_equal(first, second)


def _apart(op: Op, wrong: Op, channel: int, lo: int, hi: int) -> tuple[int, bool]:
    """A number on which a channel of two monotone ops differs, or any, and whether they then surely never differ.

    Where both have one and the same result at the ends of an interval, they have it inside as well.
    """

    def both(number: int) -> tuple[int, int]:
        z = np.full((1, channel + 1), number)
        z = np.pad(z, ((0, 0), (0, channels - channel - 1)), mode="edge")
        return int(op.reference(z)[0, channel]), int(wrong.reference(z)[0, channel])

    channels = max(t.shape[0] for t in vars(op).values() if isinstance(t, IntTensor))
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

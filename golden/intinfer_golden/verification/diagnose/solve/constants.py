"""One constant that is wrong, as the dump itself tells: a threshold, multiplier, offset, shift, entry or limit."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from intinfer.ops import Affine, Clamp, Gather, Requant, Table, Tgap, Threshold
from intinfer.ops.base import per_channel
from intinfer.types import IntArray

from ....designs import Mistake, altered, of_channel, stored, with_entry
from ....designs.limits import limited
from ..evidence import interval
from ..suspect import Suspect

_BITS = 62


def threshold(suspect: Suspect, op: Threshold) -> Iterator[Mistake]:
    """One threshold of one channel: between the sums that it must and must not pass."""
    c = suspect.wrong_channel
    if not suspect.channelwise or c is None:
        return
    z = suspect.operands(suspect.scene.frames)[0][:, c]
    one = of_channel(op, c)
    for j, own in enumerate(one.thresholds.values[0].tolist()):
        solved = (_between if suspect.dumped else _beside)(suspect, one, c, j, z)
        if solved is None:
            continue

        def run(x: IntArray, j: int = j, value: int = solved[0]) -> IntArray:
            rows = np.repeat(op.thresholds.values, x.shape[1] // len(op.thresholds.values), axis=0)
            flags = np.broadcast_to(op.descending.values, len(rows))
            return altered(op, thresholds=with_entry(rows, (c, j), value), descending=flags).reference(x)

        yield Mistake(f"thresholds[{c},{j}] is {solved[1]}, not {own}", run, op.thresholds.values.size * 16)


def _within(lo: int | None, hi: int | None) -> tuple[int, str] | None:
    """A number of an interval, and the interval in words; None of an empty one and of all numbers."""
    value = lo if hi is None else hi
    return None if value is None or (lo is not None and lo > value) else (value, interval(lo, hi))


def _between(suspect: Suspect, one: Threshold, c: int, j: int, z: IntArray) -> tuple[int, str] | None:
    """From what the count must be with and without the threshold, every sum says on which side of it it lies."""
    down = bool(one.descending.values[0])
    rest = np.sort(np.delete(one.thresholds.values[0], j))
    below = np.searchsorted(rest, z, side="left" if down else "right")
    others = len(rest) - below if down else below
    actual, asked = suspect.scene.actual[:, c], suspect.scene.asked[:, c]
    crossed, left = np.divmod(actual - one.base, one.step)
    crossed = crossed - others
    if (left[asked] != 0).any() or not np.isin(crossed[asked], (0, 1)).all():
        return None
    over, under = z[asked & (crossed == 1)], z[asked & (crossed == 0)]
    if down:  # z <= T
        return _within(int(over.max()) if len(over) else None, int(under.min()) - 1 if len(under) else None)
    return _within(int(under.max()) + 1 if len(under) else None, int(over.min()) if len(over) else None)


def _beside(suspect: Suspect, one: Threshold, c: int, j: int, z: IntArray) -> tuple[int, str] | None:
    """Behind other nodes every sum that occurs is tried as the threshold."""
    frames = suspect.scene.sample
    x = z[frames]
    values = np.unique([np.unique(x), np.unique(x) + 1])[:1024]
    own, shaped = int(one.thresholds.values[0, j]), values.reshape(-1, *[1] * z.ndim)
    old, new = (x <= own, x <= shaped) if one.descending.values[0] else (x >= own, x >= shaped)
    right = one.reference(x[:, None])[:, 0]
    found = values[suspect.channel_fits(c, right + one.step * (new.astype(np.int64) - old), frames)]
    return (int(found[0]), interval(int(found[0]), int(found[-1]))) if len(found) else None


def scalars(suspect: Suspect, op: Requant | Affine) -> Iterator[Mistake]:
    """One multiplier, offset or shift: solved for where the dump is the node's own, else tried."""
    return _scalars(suspect, op) if suspect.dumped else _scalars_tried(suspect, op)


def _scalars(suspect: Suspect, op: Requant | Affine) -> Iterator[Mistake]:
    """One multiplier, offset or shift: the interval of values that explain the dump."""
    for name, tensor in stored(op).items():
        several = tensor.shape[0] > 1
        if (c := suspect.wrong_channel if several else 0) is None:
            continue
        own = int(tensor.values[c])
        solved = _solved(suspect, op, name, slice(c, c + 1) if several else slice(None))
        if solved is not None and not solved[0] <= own <= solved[1]:
            place = f"{name}[{c}]" if several else f"the {name}"
            other = altered(op, **{name: with_entry(tensor.values, c, solved[0])})
            yield Mistake(f"{place} is {interval(*solved)}, not {own}", other.reference, 2**12)


def _scalars_tried(suspect: Suspect, op: Requant | Affine) -> Iterator[Mistake]:
    """The same behind other nodes: values near by, and those with a bit or the sign turned, one by one."""
    c = suspect.wrong_channel
    if c is None:
        return
    for name, tensor in {"multiplier": op.multiplier, "offset": op.offset}.items():
        every = np.broadcast_to(tensor.values, (suspect.channels,))
        own, bits = int(every[c]), min(tensor.encoding.bits, 40)
        near = {own + k for k in range(-32, 33)} | {own ^ (1 << k) for k in range(bits)} | {0, 1, -own}
        for value in sorted(near - {own}, key=lambda v: (abs(v - own), v)):
            other = altered(op, **{name: with_entry(every, c, value)})
            text = f"{name}[{c}] is {value}, not {own}"
            yield Mistake(text, other.reference, 128 * suspect.channels, kind=f"{name} {value > own}")


def _solved(suspect: Suspect, op: Requant | Affine, name: str, picked: slice) -> tuple[int, int] | None:
    """The lowest and highest value of a constant that make these channels of the dump; None where none does.

    The result rises with the offset, and with the multiplier where the input is positive, so that each end is found
    by halving; shifts are tried one by one.
    """
    scene, part = suspect.scene, (slice(None), picked)
    z = suspect.operands(scene.frames)[0][part]
    actual, asked = scene.actual[part], scene.asked[part]
    constants = {
        key: tensor.values[picked] if tensor.shape[0] > 1 else tensor.values for key, tensor in stored(op).items()
    }

    def given(value: int) -> IntArray:
        parts = constants | {name: np.array([value])}
        if isinstance(op, Requant):
            return altered(op, **parts).reference(z)
        return z * per_channel(parts["multiplier"], z.ndim) + per_channel(parts["offset"], z.ndim)

    if name == "shift":
        fits = [s for s in range(63) if scene.fits(given(s), part)]
        return (fits[0], fits[-1]) if fits else None
    direction, end = np.ones_like(z), 1 << 40
    if name == "multiplier":
        direction, end = np.sign(z), 1 << min(40, _BITS - 1 - max(1, int(np.abs(z).max()).bit_length()))

    def enough(value: int) -> bool:
        """No value is on the wrong side because the constant is too small."""
        return not ((direction * (given(value) - actual) < 0) & asked).any()

    def too_much(value: int) -> bool:
        """A value is on the wrong side because the constant is too large."""
        return bool(((direction * (given(value) - actual) > 0) & asked).any())

    tried = range(-end, end + 1)
    low = bisect_left(tried, True, key=enough) - end
    high = bisect_left(tried, True, key=too_much) - end - 1
    return (low, high) if low <= high and scene.fits(given(low), part) else None


def entry(suspect: Suspect, op: Table) -> Iterator[Mistake]:
    """One entry of a table."""
    scene, entries = suspect.scene, op.entries.values
    r = suspect.wrong_channel if len(entries) > 1 else 0
    if not suspect.dumped or r is None:
        return
    inputs = np.unique(suspect.operands(scene.frames)[0][scene.wrong])
    found = np.unique(scene.actual[scene.wrong])
    if len(inputs) == len(found) == 1:
        at = r, int(inputs[0]) - op.start
        text = f"entries[{at[0]},{at[1]}] (input {inputs[0]}) is {found[0]}, not {entries[at]}"
        yield Mistake(text, altered(op, entries=with_entry(entries, at, found[0])).reference, entries.size * 4)


def limits(suspect: Suspect, op: Clamp) -> Iterator[Mistake]:
    """The lowest and the highest value of the dump as limits, both or one of them."""
    if suspect.dumped:
        seen = suspect.scene.actual[suspect.scene.asked]
        low, high = int(seen.min()), int(seen.max())
        yield from limited(op, [(low, high), (low, op.hi), (op.lo, high)])


def fill(suspect: Suspect, op: Gather) -> Iterator[Mistake]:
    """The value of the dump where no element stands."""
    if not suspect.dumped:
        return
    values = np.unique(suspect.scene.actual[:, op.index.values < 0])
    if len(values) == 1 and values[0] != op.fill:
        other = replace(op, fill=int(values[0]))
        yield Mistake(f"the fill is {other.fill}, not {op.fill}", other.reference, 16)


def limit(suspect: Suspect, op: Tgap) -> Iterator[Mistake]:
    """Another constant to compare with, or one in the sum, all over or in the frames or channels that differ."""
    if not suspect.dumped:
        return
    scene = suspect.scene
    (x,) = suspect.operands(scene.frames)
    twice, limit = 2 * x.sum(axis=(2, 3)), op.top * x.shape[2] * x.shape[3]
    for scope in suspect.scopes:
        told = scope.mask & scene.asked
        over, under = twice[told & (scene.actual == 1)], twice[told & (scene.actual == 0)]
        lo = int(under.max()) if len(under) else None
        hi = int(over.min()) - 1 if len(over) else None
        if (solved := _within(lo, hi)) is not None:
            value, compared = solved
            added = interval(None if hi is None else -((hi - limit) // 2), None if lo is None else (limit - lo) // 2)
            text = f"twice the sum is compared with {compared}, not {limit}; or {added} is added to the sum"
            yield Mistake(text, lambda x, v=value: (2 * x.sum(axis=(2, 3)) > v).astype(np.int64), 64)

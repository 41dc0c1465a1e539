"""One constant that is wrong, as the dump itself tells: a threshold, multiplier, offset, shift, entry or limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from intinfer.ops import (
    Affine,
    Requant,
    Table,
    Tgap,
    Threshold,
)
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from .mistake import Mistake, interval
from .suspect import Suspect, of_channel, row

_BITS = 62


def threshold(suspect: Suspect, op: Threshold) -> Iterator[Mistake]:
    """One threshold of one channel: between the sums that it must and must not pass."""
    if not suspect.channelwise or len(suspect.wrong_channels) != 1:
        return
    (c,) = suspect.wrong_channels
    rows = op.thresholds.values
    r = row(op.thresholds, c)
    frames = suspect.scene.frames
    z = suspect.operands(frames)[0][:, c]
    down = int(op.descending.values[r])
    for j in range(rows.shape[1]):
        own = int(rows[r, j])
        solved = _between(suspect, op, c, j, z, down) if suspect.dumped else _beside(suspect, op, c, j, z)
        if solved is None:
            continue
        value, told = solved

        def run(x: IntArray, j: int = j, value: int = value) -> IntArray:
            changed = np.repeat(rows, x.shape[1], axis=0) if len(rows) == 1 else rows.copy()
            changed[c, j] = value
            flags = np.broadcast_to(op.descending.values, (len(changed),))
            return replace(op, thresholds=IntTensor(changed), descending=IntTensor(flags)).reference(x)

        yield Mistake(f"thresholds[{c},{j}] is {told}, not {own}", run, rows.size * 16)


def _between(suspect: Suspect, op: Threshold, c: int, j: int, z: IntArray, down: int) -> tuple[int, str] | None:
    """From what the count must be with and without the threshold, every sum says on which side of it it lies."""
    scene = suspect.scene
    one = of_channel(op, c)
    assert isinstance(one, Threshold), "the same op"
    rest = np.delete(one.thresholds.values, j, axis=1)
    others = np.zeros_like(z)
    for value in rest[0].tolist():
        others += z <= value if down else z >= value
    actual, asked = scene.actual[:, c], scene.asked[:, c]
    crossed, left = np.divmod(actual - op.base, op.step)
    crossed = crossed - others
    if (left[asked] != 0).any() or not np.isin(crossed[asked], (0, 1)).all():
        return None
    over, under = z[asked & (crossed == 1)], z[asked & (crossed == 0)]
    if down:  # z <= T
        lo, hi = (int(over.max()) if len(over) else None), (int(under.min()) - 1 if len(under) else None)
    else:  # z >= T
        lo, hi = (int(under.max()) + 1 if len(under) else None), (int(over.min()) if len(over) else None)
    if lo is not None and hi is not None and lo > hi:
        return None
    value = hi if hi is not None else lo
    return None if value is None else (value, interval(lo, hi))


def _beside(suspect: Suspect, op: Threshold, c: int, j: int, z: IntArray) -> tuple[int, str] | None:
    """Behind other nodes every sum that occurs is tried as the threshold."""
    scene = suspect.scene
    frames = scene.sample
    values = np.unique(z[frames])
    values = np.unique(np.concatenate([values, values + 1]))[:1024]
    one = of_channel(op, c)
    assert isinstance(one, Threshold), "the same op"
    down = int(one.descending.values[0])
    right = one.reference(z[frames][:, None])[:, 0]
    own = int(one.thresholds.values[0, j])
    x = z[frames][None]
    shaped = values.reshape(-1, *[1] * z.ndim)
    old, new = (x <= own, x <= shaped) if down else (x >= own, x >= shaped)
    made = right[None] + op.step * (new.astype(np.int64) - old)
    found = values[suspect.channel_fits(c, made, frames)]
    if not len(found):
        return None
    return int(found[0]), interval(int(found[0]), int(found[-1]))


def scalars(suspect: Suspect, op: Requant | Affine) -> Iterator[Mistake]:
    return _scalars(suspect, op) if suspect.dumped else _scalars_tried(suspect, op)


def _scalars(suspect: Suspect, op: Requant | Affine) -> Iterator[Mistake]:
    """One multiplier, offset or shift: the interval of values that explain the dump."""
    channels = suspect.wrong_channels
    for name in ("multiplier", "offset", "shift") if isinstance(op, Requant) else ("multiplier", "offset"):
        tensor: IntTensor = getattr(op, name)
        if len(channels) != 1 and tensor.shape[0] > 1:
            continue
        c = channels[0] if tensor.shape[0] > 1 else 0
        own = int(tensor.values[c])
        picked = slice(c, c + 1) if tensor.shape[0] > 1 else slice(None)
        solved = _solved(suspect, op, name, picked, own)
        if solved is None or solved[0] <= own <= solved[1]:
            continue
        changed = tensor.values.copy()
        changed[c] = solved[0]
        other = replace(op, **{name: IntTensor(changed)})  # type: ignore[arg-type]
        place = f"{name}[{c}]" if tensor.shape[0] > 1 else f"the {name}"
        yield Mistake(f"{place} is {interval(*solved)}, not {own}", other.reference, 2**12)


def _scalars_tried(suspect: Suspect, op: Requant | Affine) -> Iterator[Mistake]:
    """The same behind other nodes: values near by, and those with a bit or the sign turned, one by one."""
    if len(suspect.wrong_channels) != 1:
        return
    (c,) = suspect.wrong_channels
    for name in ("multiplier", "offset"):
        tensor: IntTensor = getattr(op, name)
        own, bits = int(tensor.values[row(tensor, c)]), min(tensor.encoding.bits, 40)
        near = {own + k for k in range(-32, 33)} | {own ^ (1 << k) for k in range(bits)} | {0, 1, -own}
        for value in sorted(near - {own}, key=lambda v: (abs(v - own), v)):
            changed = np.broadcast_to(tensor.values, (suspect.channels,)).copy()
            changed[c] = value
            other = replace(op, **{name: IntTensor(changed)})  # type: ignore[arg-type]
            text = f"{name}[{c}] is {value}, not {own}"
            yield Mistake(text, other.reference, 128 * suspect.channels, kind=f"{name} {value > own}")


def _solved(suspect: Suspect, op: Requant | Affine, name: str, picked: slice, own: int) -> tuple[int, int] | None:
    """The lowest and highest value of a constant that make these channels of the dump; None where none does.

    The result rises with the offset, and with the multiplier where the input is positive, so that each end is found
    by halving; shifts are tried one by one.
    """
    scene = suspect.scene
    (x,) = suspect.operands(scene.frames)
    z, actual, asked = x[:, picked], scene.actual[:, picked], scene.asked[:, picked]
    ndim = z.ndim

    def given(value: int) -> IntArray:
        parts = {}
        for key in ("multiplier", "offset", "shift") if isinstance(op, Requant) else ("multiplier", "offset"):
            values = getattr(op, key).values
            parts[key] = IntTensor(np.array([value]) if key == name else values[picked] if len(values) > 1 else values)
        if isinstance(op, Requant):
            return replace(op, **parts).reference(z)  # type: ignore[arg-type]
        m, b = (np.asarray(parts[key].values).reshape(1, -1, *[1] * (ndim - 2)) for key in ("multiplier", "offset"))
        return z * m + b

    if name == "shift":
        fits = [s for s in range(63) if (scene.same(given(s), actual) | ~asked).all()]
        return (fits[0], fits[-1]) if fits else None
    largest = max(1, int(np.abs(z).max()))
    end = 1 << min(40, _BITS - 1 - (largest.bit_length() if name == "multiplier" else 0))
    direction = np.sign(z) if name == "multiplier" else np.ones_like(z)

    def low_enough(value: int) -> bool:
        """No value is on the wrong side because the constant is too large."""
        return not ((direction * (given(value) - actual) > 0) & asked).any()

    def high_enough(value: int) -> bool:
        return not ((direction * (given(value) - actual) < 0) & asked).any()

    low = _first(high_enough, -end, end)
    high = -_first(lambda value: low_enough(-value), -end, end)
    if low > high or not (scene.same(given(low), actual) | ~asked).all():
        return None
    return low, high


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The lowest number in low..high from which on something holds; high + 1 where it never does."""
    if not holds(high):
        return high + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return high


def entry(suspect: Suspect, op: Table) -> Iterator[Mistake]:
    """One entry of a table."""
    if not suspect.dumped:
        return
    scene = suspect.scene
    (z,) = suspect.operands(scene.frames)
    values, channels = np.unique(z[scene.wrong]), suspect.wrong_channels
    rows = op.entries.shape[0]
    if len(values) != 1 or (rows > 1 and len(channels) != 1):
        return
    index, r = int(values[0]) - op.start, channels[0] if rows > 1 else 0
    found = np.unique(scene.actual[scene.wrong])
    if len(found) == 1:
        changed = op.entries.values.copy()
        own, changed[r, index] = int(changed[r, index]), int(found[0])
        text = f"entries[{r},{index}] (input {values[0]}) is {found[0]}, not {own}"
        yield Mistake(text, replace(op, entries=IntTensor(changed)).reference, op.entries.values.size * 4)


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
        if (lo is None and hi is None) or (lo is not None and hi is not None and lo > hi):
            continue
        value = hi if hi is not None else lo
        least = None if hi is None else -((hi - limit) // 2)
        most = None if lo is None else (limit - lo) // 2
        added = "" if least is None and most is None else interval(least, most)
        text = f"twice the sum is compared with {interval(lo, hi)}, not {limit}; or {added} is added to the sum"
        yield Mistake(text, lambda x, v=value: (2 * x.sum(axis=(2, 3)) > v).astype(np.int64), 64)

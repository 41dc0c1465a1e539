"""Thresholds, requantisation, affine maps, tables, clamps and absolute values that decide otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from intinfer.ops import Abs, Affine, Clamp, Requant, Table, Threshold
from intinfer.ops.base import per_channel
from intinfer.types import IntArray

from ..hints import Mask
from .changes import Change, altered, ends, wrapped
from .mistake import Mistake, listed
from .suspect import Suspect

# ----------------------------------------------------------------------------------------------------- thresholds


def thresholds(suspect: Suspect, op: Threshold) -> Iterator[Mistake]:
    rows, down = op.thresholds.values, op.descending.values[:, None]
    up = 1 - 2 * down
    rising, falling = (down == 0).any(), (down == 1).any()

    def counts(thresholds: IntArray, descending: IntArray = down) -> Change:
        """The op with other thresholds, in any order."""
        return altered(op, thresholds=thresholds, descending=descending[:, 0]).reference

    table: dict[str, Change] = {}
    if rising:
        which = " in ascending channels" if falling else ""
        table[f"the compare is > in place of >={which}"] = counts(rows + (up > 0))
    if falling:
        which = " in descending channels" if rising else ""
        table[f"the compare is < in place of <={which}"] = counts(rows - (up < 0))
    if rising and falling:
        table["the compares are > and < in place of >= and <="] = counts(rows + up)
    table["every threshold is crossed one earlier (>= T - 1, <= T + 1)"] = counts(rows - up)
    if falling:
        table["descending is ignored: every channel compares with >="] = counts(rows, down * 0)
        table["descending channels compare with >"] = counts(rows + down, down * 0)
    if rising:
        table["every channel is taken as descending, with <="] = counts(rows, down * 0 + 1)
        table["ascending channels compare with <"] = counts(rows - (1 - down), down * 0 + 1)
    levels = 2 * op.base + op.step * rows.shape[1]
    inverted = "the compares are inverted: < in place of >=, > in place of <="
    table["descending is inverted: >= and <= are exchanged"] = counts(rows, 1 - down)
    yield from listed(table | {inverted: lambda z: levels - op.reference(z)})
    yield from _levels(op, suspect.node.output.type.bits)
    yield from _counted(rows, counts)
    for k in (k for n in (*range(1, 17), 32, 64, 128, 256) for k in (n, -n)):
        text = f"all thresholds are {abs(k)} too {'high' if k > 0 else 'low'}"
        yield Mistake(text, counts(rows + k), 40, kind=f"thresholds {k > 0}")


def _levels(op: Threshold, bits: int) -> Iterator[Mistake]:
    """What is made of the number of crossed thresholds."""
    reference, base, step = op.reference, op.base, op.step
    high = base + step * op.thresholds.shape[1]

    def count(z: IntArray) -> IntArray:
        return (reference(z) - base) // step

    table: dict[str, Change] = {}
    for k, more in ((1, "one more"), (-1, "one less")):
        text = f"the count is {more} (base {base + k * step}, not {base})"
        table[text] = lambda z, k=k: reference(z) + k * step
        if step != 1:
            table[f"the base is {base + k}, not {base}"] = lambda z, k=k: reference(z) + k
    if base:
        table[f"the base is 0, not {base}"] = lambda z: reference(z) - base
    if step != 1:
        table[f"the step is 1, not {step}"] = lambda z: base + count(z)
    if bits > 1:
        table["the count is given in Gray code"] = lambda z: (n := count(z)) ^ (n >> 1)
        table["any crossed threshold gives the highest level"] = lambda z: np.where(reference(z) > base, high, base)
    return listed(table)


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


# -------------------------------------------------------------------------------------------------------- requant

_ROUNDINGS: dict[str, Callable[[IntArray, IntArray, IntArray, IntArray], Mask]] = {
    "floor": lambda rest, half, floor, z: rest < 0,
    "ceil": lambda rest, half, floor, z: rest > 0,
    "toward zero": lambda rest, half, floor, z: (rest > 0) & (z < 0),
    "half_up": lambda rest, half, floor, z: rest >= half,
    "half down": lambda rest, half, floor, z: rest > half,
    "half_even": lambda rest, half, floor, z: (rest > half) | ((rest == half) & (floor & 1 == 1)),
    "half odd": lambda rest, half, floor, z: (rest > half) | ((rest == half) & (floor & 1 == 0)),
    "half_away": lambda rest, half, floor, z: (rest > half) | ((rest == half) & (z >= 0)),
    "half toward zero": lambda rest, half, floor, z: (rest > half) | ((rest == half) & (z < 0)),
}
"""Every way in which designs round: whether z, the quotient `floor` and a rest above it, rounds up."""


def _rounded(kind: str, z: IntArray, shift: IntArray) -> IntArray:
    """z / 2^shift as an integer."""
    floor = z >> shift
    half = np.int64(1) << np.maximum(shift - 1, 0)  # without a shift there is no rest
    return floor + _ROUNDINGS[kind](z - (floor << shift), half, floor, z)


def requant(suspect: Suspect, op: Requant) -> Iterator[Mistake]:
    m, b, s = (per_channel(t.values, len(suspect.node.output.shape) + 1) for t in (op.multiplier, op.offset, op.shift))
    own, bits, (lo, hi) = str(op.rounding), suspect.node.output.type.bits, (op.lo, op.hi)
    low, high = ends(bits, lo < 0)

    def clip(y: IntArray) -> IntArray:
        return np.clip(y, lo, hi)

    def exact(z: IntArray) -> IntArray:
        return _rounded(own, z * m + b, s)

    for kind in (kind for kind in _ROUNDINGS if kind != own):
        text = f"the shift rounds {kind}, not {own}"
        yield Mistake(text, lambda z, kind=kind: clip(_rounded(kind, z * m + b, s)))
        before = lambda z, kind=kind: clip(_rounded(kind, z * m, s) + b)  # noqa: E731
        yield Mistake(f"{text}, before the offset is added", before)
    for by in (by for by in (1, -1, 2, -2) if (s + by >= 0).all()):
        text = f"the shift is {abs(by)} {'more' if by > 0 else 'less'}"
        yield Mistake(text, lambda z, by=by: clip(_rounded(own, z * m + b, s + by)))
    clips = ((lo + 1, hi), (lo, hi - 1), (lo - 1, hi), (lo, hi + 1), (0, hi))
    table: dict[str, Change] = {
        "there is no shift": lambda z: clip(z * m + b),
        f"the result wraps at {bits} bits, it is not clipped": lambda z: wrapped(exact(z), bits, lo < 0),
        "there is no clip": exact,
        f"the result is not clipped below, to {lo}": lambda z: np.minimum(exact(z), hi),
        f"the result is not clipped above, to {hi}": lambda z: np.maximum(exact(z), lo),
        f"the clip is to {low}..{high}, all of {bits} bits": lambda z: np.clip(exact(z), low, high),
        f"the clip is to {-high}..{high}": lambda z: np.clip(exact(z), -high, high),
        **{f"the clip is to {e[0]}..{e[1]}, not {lo}..{hi}": _clipped(exact, *e) for e in clips if e[0] <= e[1]},
        "the offset is added after the shift": lambda z: clip(_rounded(own, z * m, s) + b),
        "the offset is multiplied as well: (z + B) * M": lambda z: clip(_rounded(own, (z + b) * m, s)),
        "the input is clipped to the range of the result before": lambda z: clip(exact(clip(z))),
    }
    yield from listed(table)
    type_ = suspect.x.type
    reach = max(abs(end * int(x) + int(y)) for end in (type_.lo, type_.hi) for x, y in np.broadcast(m, b))
    for width in range(2, min(63, reach.bit_length() + 1)):
        narrow: dict[str, Change] = {
            f"the product wraps at {width} bits": lambda product, w=width: wrapped(product, w, True),
            f"the product saturates at {width} bits": lambda product, w=width: np.clip(product, *ends(w, True)),
        }
        for text, change in narrow.items():
            yield Mistake(text, lambda z, change=change: clip(_rounded(own, change(z * m + b), s)), 64)


def _clipped(change: Change, lo: int, hi: int) -> Change:
    return lambda z: np.clip(change(z), lo, hi)


# ---------------------------------------------------------------------- affine, table, clamp and absolute value


def affine(suspect: Suspect, op: Affine) -> Iterator[Mistake]:
    m, b = (per_channel(t.values, len(suspect.node.output.shape) + 1) for t in (op.multiplier, op.offset))
    return listed(
        {
            "the offset is multiplied as well: (z + B) * M": lambda z: (z + b) * m,
            "the multiplier is added and the offset multiplied: z * B + M": lambda z: z * b + m,
            "the offset is added twice": lambda z: z * m + 2 * b,
            "the offset is subtracted": lambda z: z * m - b,
        }
    )


def table(_: Suspect, op: Table) -> Iterator[Mistake]:
    entries, start = op.entries.values, op.start
    size = entries.shape[1]

    def looked(table: IntArray) -> Change:
        return altered(op, entries=table).reference

    found: dict[str, Change] = {}
    for by, late in ((1, "high"), (-1, "low")):
        inside = np.clip(np.arange(size) + by, 0, size - 1)
        found[f"the index is 1 too {late}, around the end"] = looked(np.roll(entries, -by, axis=1))
        found[f"the index is 1 too {late}, up to the end"] = looked(entries[:, inside])
    found["the table is in reverse"] = looked(entries[:, ::-1])
    if size % 2 == 0:
        text = "the highest bit of the index is inverted (signed for unsigned, or back)"
        found[text] = looked(np.roll(entries, size // 2, axis=1))
    if start:
        text = f"the index lacks its start: it begins at 0, not at {start}"
        found[text] = looked(np.roll(entries, -start, axis=1))
        absolute = lambda z: op.reference(np.clip(np.abs(z), start, start + size - 1))  # noqa: E731
        found["the index is the absolute value"] = absolute
    yield from listed(found)
    for lost in range(1, max(1, (size - 1).bit_length())):
        text = f"the index lacks its low {lost} bits"
        yield Mistake(text, looked(entries[:, np.arange(size) >> lost << lost]), 8)
    yield Mistake("the table is passed by: the input is given", lambda z: z)


def clamp(suspect: Suspect, op: Clamp) -> Iterator[Mistake]:
    bits, lo, hi = suspect.node.output.type.bits, op.lo, op.hi
    crossed = f"values above {hi} give {lo} and values below {lo} give {hi}"
    yield from listed(
        {
            "there is no clamp": lambda z: z,
            f"the result wraps at {bits} bits, it is not clamped": lambda z: wrapped(z, bits, lo < 0),
            f"the result is not clamped below, to {lo}": lambda z: np.minimum(z, hi),
            f"the result is not clamped above, to {hi}": lambda z: np.maximum(z, lo),
            crossed: lambda z: np.where(z > hi, lo, np.where(z < lo, hi, z)),
        }
    )
    others = [(lo + 1, hi), (lo, hi - 1), (lo - 1, hi), (lo, hi + 1), (0, hi), (lo, 0)]
    if suspect.dumped:
        seen = suspect.scene.actual[suspect.scene.asked]
        low, high = int(seen.min()), int(seen.max())
        others += [(low, high), (low, hi), (lo, high)]
    for low, high in (pair for pair in dict.fromkeys(others) if pair[0] <= pair[1]):
        yield Mistake(f"the clamp is to {low}..{high}, not {lo}..{hi}", _clipped(lambda z: z, low, high), 4)


def absolute(suspect: Suspect, _: Abs) -> Iterator[Mistake]:
    bits = suspect.node.output.type.bits
    return listed(
        {
            "the sign is kept, there is no absolute value": lambda z: z,
            "negative values are inverted, not negated: 1 too low": lambda z: np.where(z < 0, ~z, z),
            "negative values give 0": lambda z: np.maximum(z, 0),
            "the negative of the absolute value is given": lambda z: -np.abs(z),
            "positive values are negated, negative ones are not": lambda z: -z,
            f"the sign bit is cut off: the value modulo 2^{bits}": lambda z: wrapped(z, bits, False),
        }
    )

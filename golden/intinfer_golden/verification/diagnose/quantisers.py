"""Thresholds, requantisation, affine maps, tables, clamps and absolute values that decide otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from intinfer.ops import Abs, Affine, Clamp, Requant, Table, Threshold
from intinfer.ops.base import per_channel
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from .mistake import Mistake
from .suspect import Suspect

# ----------------------------------------------------------------------------------------------------- thresholds


def _counts(op: Threshold, thresholds: IntArray, descending: IntArray | None = None) -> Callable[[IntArray], IntArray]:
    """The op with other thresholds, in any order."""
    down = op.descending if descending is None else IntTensor(descending)
    return replace(op, thresholds=IntTensor(thresholds), descending=down).reference


def thresholds(suspect: Suspect, op: Threshold) -> Iterator[Mistake]:
    bits, rows, down = suspect.node.output.type.bits, op.thresholds.values, op.descending.values
    up = (1 - 2 * down)[:, None]
    rising, falling = (down == 0).any(), (down == 1).any()
    if rising:
        text = "the compare is > in place of >=" + (" in ascending channels" if falling else "")
        yield Mistake(text, _counts(op, rows + (up > 0)))
    if falling:
        text = "the compare is < in place of <=" + (" in descending channels" if rising else "")
        yield Mistake(text, _counts(op, rows - (up < 0)))
    if rising and falling:
        yield Mistake("the compares are > and < in place of >= and <=", _counts(op, rows + up))
    yield Mistake("every threshold is crossed one earlier (>= T - 1, <= T + 1)", _counts(op, rows - up))
    if falling:
        yield Mistake("descending is ignored: every channel compares with >=", _counts(op, rows, down * 0))
        yield Mistake("descending channels compare with >", _counts(op, rows + down[:, None], down * 0))
    if rising:
        yield Mistake("every channel is taken as descending, with <=", _counts(op, rows, down * 0 + 1))
        yield Mistake("ascending channels compare with <", _counts(op, rows - (1 - down[:, None]), down * 0 + 1))
    yield Mistake("descending is inverted: >= and <= are exchanged", _counts(op, rows, 1 - down))
    yield Mistake(
        "the compares are inverted: < in place of >=, > in place of <=", lambda z: _levels(op) - op.reference(z)
    )
    yield from _counts_wrong(op, rows, bits)
    for k in (k for n in (*range(1, 17), 32, 64, 128, 256) for k in (n, -n)):
        text = f"all thresholds are {abs(k)} too {'high' if k > 0 else 'low'}"
        yield Mistake(text, _counts(op, rows + k), 40, kind=f"thresholds {k > 0}")


def _levels(op: Threshold) -> int:
    return 2 * op.base + op.step * op.thresholds.shape[1]


def _counts_wrong(op: Threshold, rows: IntArray, bits: int) -> Iterator[Mistake]:
    """The number of crossed thresholds, and what is made of it."""
    count = rows.shape[1]
    reference = op.reference
    for k in (1, -1):
        more = "one more" if k > 0 else "one less"
        yield Mistake(
            f"the count is {more} (base {op.base + k * op.step}, not {op.base})",
            lambda z, k=k: reference(z) + k * op.step,
        )
        if op.step != 1:
            yield Mistake(f"the base is {op.base + k}, not {op.base}", lambda z, k=k: reference(z) + k)
    if op.base:
        yield Mistake(f"the base is 0, not {op.base}", lambda z: reference(z) - op.base)
    if op.step != 1:
        yield Mistake(f"the step is 1, not {op.step}", lambda z: op.base + (reference(z) - op.base) // op.step)
    if bits > 1:
        gray = lambda z: (n := (reference(z) - op.base) // op.step) ^ (n >> 1)  # noqa: E731
        yield Mistake("the count is given in Gray code", gray)
        yield Mistake("any crossed threshold gives the highest level", lambda z: _any(op, z))
    for j in range(count) if count > 1 else ():
        yield Mistake(
            f"threshold {j} of every channel is not counted",
            _counts(op, np.delete(rows, j, axis=1)),
            1 if j in (0, count - 1) else count,
        )
        yield Mistake(
            f"threshold {j} of every channel is counted twice",
            _counts(op, np.insert(rows, j, rows[:, j], axis=1)),
            count,
        )
        if 0 < j < count - 1:
            yield Mistake(
                f"only the first {j} thresholds of every channel are counted", _counts(op, rows[:, :j]), count
            )


def _any(op: Threshold, z: IntArray) -> IntArray:
    low, high = op.base, op.base + op.step * op.thresholds.shape[1]
    return np.where(op.reference(z) > low, high, low)


# -------------------------------------------------------------------------------------------------------- requant


def _rounded(kind: str, z: IntArray, shift: IntArray) -> IntArray:
    """z / 2^shift as an integer, in every way that designs round."""
    floor = z >> shift
    rest = z - (floor << shift)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), np.int64(1))
    nearest = floor + (rest > half)
    tie = (rest == half) & (shift > 0)
    ways: dict[str, IntArray] = {
        "floor": floor,
        "ceil": floor + (rest > 0),
        "toward zero": floor + ((rest > 0) & (z < 0)),
        "half_up": nearest + tie,
        "half down": nearest,
        "half_even": nearest + (tie & (floor & 1 == 1)),
        "half odd": nearest + (tie & (floor & 1 == 0)),
        "half_away": nearest + (tie & (z >= 0)),
        "half toward zero": nearest + (tie & (z < 0)),
    }
    return ways[kind]


_ROUNDINGS = (
    *("floor", "ceil", "toward zero", "half_up", "half down", "half_even", "half odd", "half_away", "half toward zero"),
)


def requant(suspect: Suspect, op: Requant) -> Iterator[Mistake]:
    m, b, s = (per_channel(t.values, len(suspect.node.output.shape) + 1) for t in (op.multiplier, op.offset, op.shift))
    own, bits = str(op.rounding), suspect.node.output.type.bits
    signed = op.lo < 0

    def clip(y: IntArray) -> IntArray:
        return np.clip(y, op.lo, op.hi)

    def wrap(y: IntArray) -> IntArray:
        half = 1 << (bits - 1) if signed else 0
        return (y + half) % (1 << bits) - half

    def exact(z: IntArray) -> IntArray:
        return _rounded(own, z * m + b, s)

    for kind in _ROUNDINGS:
        if kind != own:
            yield Mistake(
                f"the shift rounds {kind}, not {own}", lambda z, kind=kind: clip(_rounded(kind, z * m + b, s))
            )
            yield Mistake(
                f"the shift rounds {kind}, not {own}, before the offset is added",
                lambda z, kind=kind: clip(_rounded(kind, z * m, s) + b),
            )
    for by in (1, -1, 2, -2):
        if (s + by >= 0).all():
            text = f"the shift is {abs(by)} {'more' if by > 0 else 'less'}"
            yield Mistake(text, lambda z, by=by: clip(_rounded(own, z * m + b, s + by)))
    yield Mistake("there is no shift", lambda z: clip(z * m + b))
    yield Mistake(f"the result wraps at {bits} bits, it is not clipped", lambda z: wrap(exact(z)))
    yield Mistake("there is no clip", exact)
    yield Mistake(f"the result is not clipped below, to {op.lo}", lambda z: np.minimum(exact(z), op.hi))
    yield Mistake(f"the result is not clipped above, to {op.hi}", lambda z: np.maximum(exact(z), op.lo))
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    yield Mistake(f"the clip is to {low}..{high}, all of {bits} bits", lambda z: np.clip(exact(z), low, high))
    yield Mistake(f"the clip is to {-high}..{high}", lambda z: np.clip(exact(z), -high, high))
    for lo, hi in ((op.lo + 1, op.hi), (op.lo, op.hi - 1), (op.lo - 1, op.hi), (op.lo, op.hi + 1), (0, op.hi)):
        if lo <= hi:
            text = f"the clip is to {lo}..{hi}, not {op.lo}..{op.hi}"
            yield Mistake(text, lambda z, lo=lo, hi=hi: np.clip(exact(z), lo, hi))
    yield Mistake("the offset is added after the shift", lambda z: clip(_rounded(own, z * m, s) + b))
    yield Mistake("the offset is multiplied as well: (z + B) * M", lambda z: clip(_rounded(own, (z + b) * m, s)))
    yield Mistake(
        "the input is clipped to the range of the result before", lambda z: clip(_rounded(own, clip(z) * m + b, s))
    )
    ends = suspect.scene.graph.values[suspect.node.inputs[0]].type
    reach = max(abs(end * int(x) + int(y)) for end in (ends.lo, ends.hi) for x, y in np.broadcast(m, b))
    for width in range(2, min(63, reach.bit_length() + 1)):
        half = 1 << (width - 1)
        yield Mistake(
            f"the product wraps at {width} bits",
            lambda z, h=half: clip(_rounded(own, ((z * m + b + h) & (2 * h - 1)) - h, s)),
            64,
        )
        yield Mistake(
            f"the product saturates at {width} bits",
            lambda z, h=half: clip(_rounded(own, np.clip(z * m + b, -h, h - 1), s)),
            64,
        )


# ---------------------------------------------------------------------- affine, table, clamp and absolute value


def affine(_: Suspect, op: Affine) -> Iterator[Mistake]:
    def shaped(z: IntArray) -> tuple[IntArray, IntArray]:
        return per_channel(op.multiplier.values, z.ndim), per_channel(op.offset.values, z.ndim)

    def form(change: Callable[[IntArray, IntArray, IntArray], IntArray]) -> Callable[[IntArray], IntArray]:
        return lambda z: change(z, *shaped(z))

    yield Mistake("the offset is multiplied as well: (z + B) * M", form(lambda z, m, b: (z + b) * m))
    yield Mistake("the multiplier is added and the offset multiplied: z * B + M", form(lambda z, m, b: z * b + m))
    yield Mistake("the offset is added twice", form(lambda z, m, b: z * m + 2 * b))
    yield Mistake("the offset is subtracted", form(lambda z, m, b: z * m - b))


def table(_: Suspect, op: Table) -> Iterator[Mistake]:
    entries, reference = op.entries.values, op.reference
    size = entries.shape[1]

    def looked(table: IntArray) -> Callable[[IntArray], IntArray]:
        return replace(op, entries=IntTensor(table)).reference

    for by in (1, -1):
        late = "high" if by > 0 else "low"
        yield Mistake(f"the index is 1 too {late}, around the end", looked(np.roll(entries, -by, axis=1)))
        inside = np.clip(np.arange(size) + by, 0, size - 1)
        yield Mistake(f"the index is 1 too {late}, up to the end", looked(entries[:, inside]))
    yield Mistake("the table is in reverse", looked(entries[:, ::-1]))
    if size % 2 == 0:
        text = "the highest bit of the index is inverted (signed for unsigned, or back)"
        yield Mistake(text, looked(np.roll(entries, size // 2, axis=1)))
    if op.start:
        yield Mistake(
            f"the index lacks its start: it begins at 0, not at {op.start}", looked(np.roll(entries, -op.start, axis=1))
        )
        yield Mistake(
            "the index is the absolute value", lambda z: reference(np.clip(np.abs(z), op.start, op.start + size - 1))
        )
    for lost in range(1, max(1, (size - 1).bit_length())):
        text = f"the index lacks its low {lost} bits"
        yield Mistake(text, looked(entries[:, np.arange(size) >> lost << lost]), 8)
    yield Mistake("the table is passed by: the input is given", lambda z: z)


def clamp(suspect: Suspect, op: Clamp) -> Iterator[Mistake]:
    bits, signed = suspect.node.output.type.bits, op.lo < 0
    half = 1 << (bits - 1) if signed else 0
    yield Mistake("there is no clamp", lambda z: z)
    yield Mistake(f"the result wraps at {bits} bits, it is not clamped", lambda z: (z + half) % (1 << bits) - half)
    yield Mistake(f"the result is not clamped below, to {op.lo}", lambda z: np.minimum(z, op.hi))
    yield Mistake(f"the result is not clamped above, to {op.hi}", lambda z: np.maximum(z, op.lo))
    yield Mistake(f"values above {op.hi} give {op.lo} and values below {op.lo} give {op.hi}", lambda z: _crossed(op, z))
    for lo, hi in _other_ends(op, suspect):
        text = f"the clamp is to {lo}..{hi}, not {op.lo}..{op.hi}"
        yield Mistake(text, lambda z, lo=lo, hi=hi: np.clip(z, lo, hi), 4)


def _crossed(op: Clamp, z: IntArray) -> IntArray:
    return np.where(z > op.hi, op.lo, np.where(z < op.lo, op.hi, z))


def _other_ends(op: Clamp, suspect: Suspect) -> Iterator[tuple[int, int]]:
    """Those of the dump, and some beside the right ones."""
    ends = [(op.lo + 1, op.hi), (op.lo, op.hi - 1), (op.lo - 1, op.hi), (op.lo, op.hi + 1), (0, op.hi), (op.lo, 0)]
    if suspect.dumped:
        seen = suspect.scene.actual[suspect.scene.asked]
        low, high = int(seen.min()), int(seen.max())
        ends += [(low, high), (low, op.hi), (op.lo, high)]
    return ((lo, hi) for lo, hi in dict.fromkeys(ends) if lo <= hi)


def absolute(suspect: Suspect, _: Abs) -> Iterator[Mistake]:
    bits = suspect.node.output.type.bits
    yield Mistake("the sign is kept, there is no absolute value", lambda z: z)
    yield Mistake("negative values are inverted, not negated: 1 too low", lambda z: np.where(z < 0, ~z, z))
    yield Mistake("negative values give 0", lambda z: np.maximum(z, 0))
    yield Mistake("the negative of the absolute value is given", lambda z: -np.abs(z))
    yield Mistake("positive values are negated, negative ones are not", lambda z: -z)
    yield Mistake(f"the sign bit is cut off: the value modulo 2^{bits}", lambda z: z & ((1 << bits) - 1))

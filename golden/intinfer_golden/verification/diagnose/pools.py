"""Pools that begin, count or compare otherwise. Windows that stand elsewhere are those of `windows`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from intinfer.ops import MaxPool, SumPool, Tgap
from intinfer.types import LIMIT, IntArray

from .changes import Change, at_axis, ends, wrapped
from .mistake import Mistake, listed
from .suspect import Suspect
from .windows import BELOW


def max_pool(suspect: Suspect, op: MaxPool) -> Iterator[Mistake]:
    reference, window, (rows, columns) = op.reference, op.window, op.kernel

    def taps(x: IntArray, value: int) -> IntArray:
        return window.view(window.pad(x, value))

    starts = dict.fromkeys((0, -1, 1, suspect.x.type.lo))
    text = "the maximum starts at {}, not at the lowest value"
    yield from listed({text.format(start): lambda x, s=start: np.maximum(reference(x), s) for start in starts})
    yield from listed(
        {
            "the minimum is given": lambda x: taps(x, LIMIT).min(axis=(4, 5)),
            "the largest absolute value is given": lambda x: np.abs(taps(x, 0)).max(axis=(4, 5)),
            "the sum is given": lambda x: taps(x, 0).sum(axis=(4, 5)),
            "the mean is given": lambda x: taps(x, 0).sum(axis=(4, 5)) // (rows * columns),
            "values are compared without sign": lambda x: _unsigned(taps(x, BELOW)),
        }
    )
    yield from _subsets(lambda x: taps(x, BELOW), lambda x: x.max(axis=4), op.kernel)


def _unsigned(taps: IntArray) -> IntArray:
    """Negative values count as above all others; padding as below."""
    keys = np.where(taps == BELOW, 0, np.where(taps < 0, taps + LIMIT, taps))
    best: IntArray = keys.max(axis=(4, 5))
    return np.where(best >= LIMIT // 2, best - LIMIT, best)


def _subsets(taps: Change, finish: Change, kernel: tuple[int, int]) -> Iterator[Mistake]:
    """Some taps of the window alone count."""
    rows, columns = kernel
    every = np.arange(rows * columns).reshape(kernel)
    last = every.size - 1
    if not last:
        return

    def kept(places: IntArray | list[int]) -> Change:
        return lambda x: finish((found := taps(x)).reshape(*found.shape[:4], -1)[..., places])

    for place, (ky, kx) in enumerate(product(range(rows), range(columns))):
        few = 1 if place in (0, last) else last + 1
        yield Mistake(f"tap (ky={ky}, kx={kx}) does not count", kept(np.delete(every, place)), few)
        yield Mistake(f"tap (ky={ky}, kx={kx}) alone counts", kept([place]), few)
    for axis, name in enumerate(("row", "column")) if rows > 1 and columns > 1 else ():
        for index in range(kernel[axis]):
            rest = np.delete(every, index, axis).reshape(-1)
            yield Mistake(f"{name} {index} of the window does not count", kept(rest), kernel[axis])


def sum_pool(suspect: Suspect, op: SumPool) -> Iterator[Mistake]:
    reference, window, count = op.reference, op.window, op.kernel[0] * op.kernel[1]

    def taps(x: IntArray) -> IntArray:
        return window.view(window.pad(x, 0))

    yield from listed(
        {
            "the maximum is given": lambda x: taps(x).max(axis=(4, 5)),
            "the mean is given, rounded down": lambda x: reference(x) // count,
            "the mean is given, rounded to the nearest": lambda x: (2 * reference(x) + count) // (2 * count),
            "the sum is halved": lambda x: reference(x) >> 1,
        }
    )
    yield from narrowed(suspect, suspect.x.type.signed)
    yield from _subsets(taps, lambda x: x.sum(axis=4), op.kernel)


def narrowed(suspect: Suspect, signed: bool | None = None) -> Iterator[Mistake]:
    """A sum of fewer bits, of a pool or of operands; with a sign where the result has one, unless `signed` says."""
    reference, type_ = suspect.op.reference, suspect.node.output.type
    signed = type_.signed if signed is None else signed
    for bits in range(1, min(type_.bits, 62)):
        lo, hi = ends(bits, signed)
        table: dict[str, Change] = {
            f"the sum wraps at {bits} bits": lambda *xs, b=bits: wrapped(reference(*xs), b, signed),
            f"the sum is clipped to {bits} bits, {lo}..{hi}": lambda *xs, e=(lo, hi): np.clip(reference(*xs), *e),
        }
        yield from listed(table, type_.bits)


def tgap(suspect: Suspect, op: Tgap) -> Iterator[Mistake]:
    height, width = suspect.x.shape[1:]
    pixels, top = height * width, op.top
    limit = top * pixels

    def total(x: IntArray) -> IntArray:
        sums: IntArray = x.sum(axis=(2, 3))
        return sums

    def above(sums: Change = total, limit: int = limit) -> Change:
        """1 where twice the sum is above the limit."""
        return lambda x: (2 * sums(x) > limit).astype(np.int64)

    yield from listed(
        {
            "the compare is >= in place of >: a tie gives 1": above(limit=limit - 1),
            "the select is inverted: 1 where the mean is at most half of the top level": lambda x: 1 - op.reference(x),
            "the select is stuck at 0": lambda x: np.zeros(x.shape[:2], dtype=np.int64),
            "the select is stuck at 1": lambda x: np.ones(x.shape[:2], dtype=np.int64),
            "the compare is < in place of >": above(lambda x: -total(x), -limit),
            "any pixel above half of the top level gives 1 (maximum)": above(lambda x: x.max(axis=(2, 3)), top),
        }
    )
    yield from listed({text: above(limit=other) for text, other in _limits(top, height, width).items()})
    for axis, name in ((2, "row"), (3, "column")):
        for which, part in (("last", slice(-1)), ("first", slice(1, None))):
            at = at_axis(axis, part)
            rest = above(lambda x, at=at: total(x[at]))
            yield Mistake(f"the {which} {name} is not summed", rest)
    for name, place in (("first", 0), ("last", -1)):
        for sign, verb in ((-1, "not summed"), (1, "summed twice")):
            changed = above(lambda x, p=place, s=sign: total(x) + s * x[:, :, p, p])
            yield Mistake(f"the {name} pixel is {verb}", changed)
    bits = limit.bit_length()
    for cut in range(1, bits):
        yield Mistake(f"the sum wraps at {cut} bits", above(lambda x, c=cut: wrapped(total(x), c, False)), bits)
        signed = lambda x, c=cut: (wrapped(2 * total(x), c + 1, True) > limit).astype(np.int64)  # noqa: E731
        yield Mistake(f"twice the sum wraps at {cut + 1} bits, signed", signed, bits)


def _limits(top: int, height: int, width: int) -> dict[str, int]:
    """What twice the sum may be compared with in place of top * pixels."""
    pixels = height * width
    counts = (pixels - 1, pixels + 1, height * height, width * width, (height - 1) * width, height * (width - 1))
    return {
        f"the sum is not doubled: it is compared with {top * pixels}": 2 * top * pixels,
        f"the top level is {top + 1}, not {top}": (top + 1) * pixels,
        f"the top level is {top - 1}, not {top}": (top - 1) * pixels,
        "the sum is compared with 0": 0,
        "half of N * h * w is rounded up": 2 * ((top * pixels + 1) // 2),
        "half of N * h * w is rounded down, and compared with >=": 2 * (top * pixels // 2) - 1,
        **{f"the pixels are taken to be {count}, not {pixels}": top * count for count in counts},
    }

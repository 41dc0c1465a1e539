"""Pools that begin, count or compare otherwise. Windows that stand elsewhere are those of `windows`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from intinfer.ops import MaxPool, SumPool, Tgap
from intinfer.types import LIMIT, IntArray

from .mistake import Mistake
from .suspect import Suspect


def max_pool(suspect: Suspect, op: MaxPool) -> Iterator[Mistake]:
    reference, window = op.reference, op.window

    def taps(x: IntArray, value: int) -> IntArray:
        return window.view(window.pad(x, value))

    for start in dict.fromkeys((0, -1, 1, suspect.x.type.lo)):
        yield Mistake(
            f"the maximum starts at {start}, not at the lowest value", lambda x, s=start: np.maximum(reference(x), s)
        )
    yield Mistake("the minimum is given", lambda x: taps(x, LIMIT).min(axis=(4, 5)))
    yield Mistake("the largest absolute value is given", lambda x: np.abs(taps(x, 0)).max(axis=(4, 5)))
    yield Mistake("the sum is given", lambda x: taps(x, 0).sum(axis=(4, 5)))
    rows, columns = op.kernel
    yield Mistake("the mean is given", lambda x: taps(x, 0).sum(axis=(4, 5)) // (rows * columns))
    yield Mistake("values are compared without sign", lambda x: _unsigned(taps(x, -2 * LIMIT)))
    yield from _subsets(lambda x: taps(x, -2 * LIMIT), lambda x: x.max(axis=4), op.kernel)


def _unsigned(taps: IntArray) -> IntArray:
    """Negative values count as above all others; padding as below."""
    keys = np.where(taps < -LIMIT, 0, np.where(taps < 0, taps + LIMIT, taps))
    best: IntArray = keys.max(axis=(4, 5))
    return np.where(best >= LIMIT // 2, best - LIMIT, best)


def _subsets(
    taps: Callable[[IntArray], IntArray], finish: Callable[[IntArray], IntArray], kernel: tuple[int, int]
) -> Iterator[Mistake]:
    """Some taps of the window alone count."""
    rows, columns = kernel
    count = rows * columns

    def kept(places: list[int]) -> Callable[[IntArray], IntArray]:
        def run(x: IntArray) -> IntArray:
            found = taps(x)
            return finish(found.reshape(*found.shape[:4], count)[..., places])

        return run

    if count == 1:
        return
    for place, (ky, kx) in enumerate(product(range(rows), range(columns))):
        few = 1 if place in (0, count - 1) else count
        yield Mistake(f"tap (ky={ky}, kx={kx}) does not count", kept([p for p in range(count) if p != place]), few)
        yield Mistake(f"tap (ky={ky}, kx={kx}) alone counts", kept([place]), few)
    for ky in range(rows) if rows > 1 and columns > 1 else ():
        rest = [p for p in range(count) if p // columns != ky]
        yield Mistake(f"row {ky} of the window does not count", kept(rest), rows)
    for kx in range(columns) if rows > 1 and columns > 1 else ():
        rest = [p for p in range(count) if p % columns != kx]
        yield Mistake(f"column {kx} of the window does not count", kept(rest), columns)


def sum_pool(suspect: Suspect, op: SumPool) -> Iterator[Mistake]:
    reference, window, (rows, columns) = op.reference, op.window, op.kernel

    def taps(x: IntArray) -> IntArray:
        return window.view(window.pad(x, 0))

    yield Mistake("the maximum is given", lambda x: taps(x).max(axis=(4, 5)))
    yield Mistake("the mean is given, rounded down", lambda x: reference(x) // (rows * columns))
    yield Mistake(
        "the mean is given, rounded to the nearest",
        lambda x: (2 * reference(x) + rows * columns) // (2 * rows * columns),
    )
    yield Mistake("the sum is halved", lambda x: reference(x) >> 1)
    yield from narrowed(suspect, suspect.x.type.signed)
    yield from _subsets(taps, lambda x: x.sum(axis=4), op.kernel)


def narrowed(suspect: Suspect, signed: bool | None = None) -> Iterator[Mistake]:
    """A sum of fewer bits, of a pool or of operands; with a sign where the result has one, unless `signed` says."""
    reference, type_ = suspect.op.reference, suspect.node.output.type
    for width in range(1, min(type_.bits, 62)):
        top = 1 << width
        half = top // 2 if (type_.signed if signed is None else signed) else 0
        text = f"the sum wraps at {width} bits"
        yield Mistake(text, lambda *xs, t=top, h=half: (reference(*xs) + h) % t - h, type_.bits)
        text = f"the sum is clipped to {width} bits, {-half}..{top - half - 1}"
        yield Mistake(text, lambda *xs, t=top, h=half: np.clip(reference(*xs), -h, t - h - 1), type_.bits)


def tgap(suspect: Suspect, op: Tgap) -> Iterator[Mistake]:
    height, width = suspect.x.shape[1:]
    pixels, top = height * width, op.top

    def above(limit: int) -> Callable[[IntArray], IntArray]:
        return lambda x: (2 * x.sum(axis=(2, 3)) > limit).astype(np.int64)

    yield Mistake("the compare is >= in place of >: a tie gives 1", above(top * pixels - 1))
    yield Mistake(
        "the select is inverted: 1 where the mean is at most half of the top level", lambda x: 1 - op.reference(x)
    )
    yield Mistake("the select is stuck at 0", lambda x: np.zeros(x.shape[:2], dtype=np.int64))
    yield Mistake("the select is stuck at 1", lambda x: np.ones(x.shape[:2], dtype=np.int64))
    yield Mistake("the compare is < in place of >", lambda x: (2 * x.sum(axis=(2, 3)) < top * pixels).astype(np.int64))
    yield Mistake(
        "any pixel above half of the top level gives 1 (maximum)",
        lambda x: (2 * x.max(axis=(2, 3)) > top).astype(np.int64),
    )
    for text, limit in _limits(top, height, width).items():
        yield Mistake(text, above(limit))
    yield from _left_out(top, pixels)
    yield from _narrow(top, pixels)


def _limits(top: int, height: int, width: int) -> dict[str, int]:
    """What twice the sum may be compared with in place of top * pixels."""
    pixels = height * width
    return {
        f"the sum is not doubled: it is compared with {top * pixels}": 2 * top * pixels,
        f"the top level is {top + 1}, not {top}": (top + 1) * pixels,
        f"the top level is {top - 1}, not {top}": (top - 1) * pixels,
        "the sum is compared with 0": 0,
        "half of N * h * w is rounded up": 2 * ((top * pixels + 1) // 2),
        "half of N * h * w is rounded down, and compared with >=": 2 * (top * pixels // 2) - 1,
        f"the pixels are taken to be {pixels - 1}, not {pixels}": top * (pixels - 1),
        f"the pixels are taken to be {pixels + 1}, not {pixels}": top * (pixels + 1),
        f"the pixels are taken to be {height * height}, not {pixels}": top * height * height,
        f"the pixels are taken to be {width * width}, not {pixels}": top * width * width,
        f"the pixels are taken to be {(height - 1) * width}, not {pixels}": top * (height - 1) * width,
        f"the pixels are taken to be {height * (width - 1)}, not {pixels}": top * height * (width - 1),
    }


def _left_out(top: int, pixels: int) -> Iterator[Mistake]:
    """Pixels that are not summed, or twice."""
    parts = {
        "the last row": np.s_[:, :, :-1],
        "the first row": np.s_[:, :, 1:],
        "the last column": np.s_[:, :, :, :-1],
        "the first column": np.s_[:, :, :, 1:],
    }
    for text, part in parts.items():
        yield Mistake(
            f"{text} is not summed", lambda x, p=part: (2 * x[p].sum(axis=(2, 3)) > top * pixels).astype(np.int64)
        )
    for text, place in (("first", 0), ("last", pixels - 1)):
        for sign, verb in ((-1, "not summed"), (1, "summed twice")):

            def run(x: IntArray, place: int = place, sign: int = sign) -> IntArray:
                total = x.sum(axis=(2, 3)) + sign * x.reshape(*x.shape[:2], -1)[:, :, place]
                return np.where(2 * total > top * pixels, 1, 0)

            yield Mistake(f"the {text} pixel is {verb}", run)


def _narrow(top: int, pixels: int) -> Iterator[Mistake]:
    """Sums of too few bits."""
    bits = (top * pixels).bit_length()
    for cut in range(1, bits):
        mask = (1 << cut) - 1
        yield Mistake(
            f"the sum wraps at {cut} bits",
            lambda x, m=mask: (2 * (x.sum(axis=(2, 3)) & m) > top * pixels).astype(np.int64),
            bits,
        )
        text = f"twice the sum wraps at {cut + 1} bits, signed"
        yield Mistake(
            text,
            lambda x, h=1 << cut: (((2 * x.sum(axis=(2, 3)) + h) & (2 * h - 1)) - h > top * pixels).astype(np.int64),
            bits,
        )

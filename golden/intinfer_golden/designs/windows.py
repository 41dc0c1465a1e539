"""Windows that stand elsewhere, or see something else beyond the edge of the map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from intinfer.ops.geometry import Window
from intinfer.types import IntArray, IntType

from .mistake import Change, Mistake, Place, at_axis, listed, possible, with_entry

BELOW = int(np.iinfo(np.int64).min)
"""Less than every value, and 0 in the bits of any: what stands beyond the edge for a maximum."""


@dataclass(frozen=True, eq=False)
class Reduction:
    """What an op makes of each of its windows.

    Attributes:
        type: of the input: what its pixels hold, and so what can stand beyond its edge.
        pad: what stands beyond the edge, one or one a channel; `BELOW` of nothing.
        finish: from the taps (N, C, OH, OW, KH, KW) to the result.
        tried: small constants that may stand beyond the edge instead.
    """

    type: IntType
    pad: IntArray
    finish: Change
    tried: range = range(-8, 9)

    @property
    def nothing(self) -> bool:
        """Whether the border takes no part."""
        return bool((self.pad == BELOW).all())


@dataclass(frozen=True, eq=False)
class TapPlaces:
    """The row and column of every tap, counted in the map; beyond it where they are padding: (OH, 1, KH, 1) and
    (OW, 1, KW)."""

    rows: IntArray
    columns: IntArray

    @classmethod
    def of(cls, window: Window, outputs: tuple[int, ...]) -> TapPlaces:
        """The places of a window's taps, for a map of `outputs`, (OH, OW)."""

        def along(axis: int) -> IntArray:
            starts = np.arange(outputs[axis]) * window.stride[axis] - window.pads[axis]
            return starts[:, None] + np.arange(window.kernel[axis]) * window.dilation[axis]

        return cls(along(0)[:, None, :, None], along(1)[:, None])


Beyond = Callable[[IntArray, TapPlaces], IntArray]
"""The taps of a map, (N, C, OH, OW, KH, KW)."""


def constant(value: IntArray) -> Beyond:
    """A constant beyond the edge, one or one a channel."""

    def look(x: IntArray, at: TapPlaces) -> IntArray:
        height, width = x.shape[2:]
        inside = (at.rows >= 0) & (at.rows < height) & (at.columns >= 0) & (at.columns < width)
        return np.where(inside, replicated(x, at), value.reshape(1, -1, 1, 1, 1, 1))

    return look


def indexed(change: Callable[[IntArray, int], IntArray]) -> Beyond:
    """A pixel of the map: from an index along an axis and the extent of the axis to an index inside."""
    return lambda x, at: x[:, :, change(at.rows, x.shape[2]), change(at.columns, x.shape[3])]


replicated = indexed(lambda index, extent: np.clip(index, 0, extent - 1))


def in_line(value: IntArray) -> Beyond:
    """Beyond the end of a row the next row goes on, as it does in a stream; above and below the constant."""

    def look(x: IntArray, at: TapPlaces) -> IntArray:
        height, width = x.shape[2:]
        index = at.rows * width + at.columns
        found = x.reshape(*x.shape[:2], -1)[:, :, np.clip(index, 0, height * width - 1)]
        return np.where((index >= 0) & (index < height * width), found, value.reshape(1, -1, 1, 1, 1, 1))

    return look


def one_side(side: str, value: IntArray, other: Beyond) -> Beyond:
    """`other` beyond one side of the map, the constant beyond the others."""

    def look(x: IntArray, at: TapPlaces) -> IntArray:
        height, width = x.shape[2:]
        there = {"top": at.rows < 0, "bottom": at.rows >= height, "left": at.columns < 0, "right": at.columns >= width}
        return np.where(there[side], other(x, at), constant(value)(x, at))

    return look


RULES: dict[str, Beyond] = {
    "the edge's own pixel (replicated)": replicated,
    "the map mirrored without its edge (reflected)": indexed(
        lambda index, extent: np.minimum(around := index % max(1, 2 * extent - 2), 2 * extent - 2 - around)
    ),
    "the map mirrored with its edge (symmetric)": indexed(
        lambda index, extent: np.minimum(around := index % (2 * extent), 2 * extent - 1 - around)
    ),
    "the map's other end (circular)": indexed(lambda index, extent: index % extent),
}
"""What else may stand beyond the edge."""


def mistakes(window: Window, outputs: tuple[int, ...], reduced: Reduction) -> Iterator[Mistake]:
    """Windows of a map of `outputs`, (OH, OW), that stand elsewhere or see something else beyond its edge."""
    pad, finish = reduced.pad, reduced.finish
    right = TapPlaces.of(window, outputs)

    def seen(beyond: Beyond, at: TapPlaces = right) -> Change:
        return lambda x: finish(beyond(x, at))

    for text, at in _moved(window, right, outputs):
        yield Mistake(text, seen(constant(pad), at))
        if window.padded:
            yield Mistake(f"{text}; beyond the edge stands the edge's own pixel", seen(replicated, at))
    for text, beyond in _narrower(pad):
        yield Mistake(text, seen(beyond))
    for text, beyond, choices in _borders(window, reduced) if window.padded else ():
        yield Mistake(text, seen(beyond), choices)
    yield from _stale(window, right, pad, finish)


def _moved(window: Window, right: TapPlaces, outputs: tuple[int, ...]) -> Iterator[tuple[str, TapPlaces]]:
    """Windows of another geometry."""
    for axis, name in ((0, "row"), (1, "column")):
        reach = max(window.stride[axis], window.dilation[axis], window.pads[axis], window.pads[axis + 2], 1)
        for by in (by for by in range(-reach, reach + 1) if by):
            where = ("up", "down", "left", "right")[2 * axis + (by > 0)]
            way = f"{abs(by)} {name}{'s' if abs(by) > 1 else ''} {where}"
            phase = f" (phase {by} of stride {window.stride[axis]})" if 0 < by < window.stride[axis] else ""
            if by == window.pads[axis]:
                phase += f" (as without the pad at the {('top', 'left')[axis]})"
            yield (
                f"the windows stand {way}{phase}",
                TapPlaces(right.rows + by * (axis == 0), right.columns + by * (axis == 1)),
            )
    for down, side in product((-1, 1), repeat=2):
        way = f"1 row {'down' if down > 0 else 'up'} and 1 column {'right' if side > 0 else 'left'}"
        yield f"the windows stand {way}", TapPlaces(right.rows + down, right.columns + side)
    (sy, sx), (dy, dx) = window.stride, window.dilation
    top, left, bottom, end = window.pads
    strides = ((1, 1), (1, sx), (sy, 1), (sx, sy), window.kernel)
    dilations = ((1, 1), (1, dx), (dy, 1), (dx, dy))
    pads = {
        "the pads are at the other ends: top and bottom, left and right are exchanged": (bottom, end, top, left),
        "the pads of top and bottom are exchanged": (bottom, left, top, end),
        "the pads of left and right are exchanged": (top, end, bottom, left),
        "the pads of rows and columns are exchanged": (left, top, end, bottom),
        "there are no pads: the windows begin at the first pixel": (0, 0, 0, 0),
    }

    def stride(pair: tuple[int, int]) -> tuple[str, Window]:
        return f"the stride is {pair}, not {window.stride}", replace(window, stride=pair)

    def dilation(pair: tuple[int, int]) -> tuple[str, Window]:
        return f"the dilation is {pair}, not {window.dilation}", replace(window, dilation=pair)

    others = dict(map(stride, strides)) | dict(map(dilation, dilations))
    others |= {text: replace(window, pads=changed) for text, changed in pads.items()}
    for by in (1, 2):
        others |= dict([stride((sy + by, sx + by)), dilation((dy + by, dx + by))])
    seen = {(right.rows.tobytes(), right.columns.tobytes())}
    for text, other in others.items():
        at = TapPlaces.of(other, outputs)
        if (key := (at.rows.tobytes(), at.columns.tobytes())) not in seen:
            seen.add(key)
            yield text, at


def _borders(window: Window, reduced: Reduction) -> Iterator[tuple[str, Beyond, int]]:
    """Something else beyond the edge: a rule, a constant, or either on one side."""
    pad, nothing, several = reduced.pad, reduced.nothing, len(set(reduced.pad.tolist())) > 1
    shown = "nothing" if nothing else "one a channel" if several else str(pad[0])
    sides = [n for n, extent in zip(("top", "left", "bottom", "right"), window.pads, strict=True) if extent]
    for text, rule in RULES.items():
        yield f"beyond the edge stands {text}, not {shown}", rule, 1
        for side in sides:
            yield f"beyond the {side} edge stands {text}, not {shown}", one_side(side, pad, rule), 1
    line = "the end of the row before and the start of the row after (line buffer without pads)"
    yield f"beyond the edge stands {line}, not {shown}", in_line(pad), 1
    if several:
        yield "the pad values are in reverse over the channels", constant(pad[::-1]), 1
        for by in range(1, len(pad)):
            yield f"the pad values are rotated by {by} over the channels", constant(np.roll(pad, -by)), len(pad)
    values = _pad_values(reduced)
    for number, value in enumerate(values):
        choices = 1 if value in (0, 1, -1) else len(values)
        beyond = constant(np.array([value]))
        text = f"padding counts as {value}" if nothing else f"the pad value is {value}, not {shown}"
        yield text, beyond, choices
        for side in sides if len(sides) > 1 and number < 4 else ():
            yield f"the pad value of the {side} edge is {value}, not {shown}", one_side(side, pad, beyond), choices


def _narrower(pad: IntArray) -> Iterator[tuple[str, Beyond]]:
    """The input without its first or last row or column."""
    for axis, name in ((2, "row"), (3, "column")):
        for index, which in ((0, "first"), (-1, "last")):
            cut = at_axis(axis, index)

            def look(x: IntArray, at: TapPlaces, cut: Place = cut) -> IntArray:
                return constant(pad)(with_entry(x, cut, pad.reshape(1, -1, 1)), at)

            yield f"the {which} {name} of the input is taken for padding", look


def _pad_values(reduced: Reduction) -> list[int]:
    """Constants of the input's type to try: 0 first, then those that a narrow type holds, and the ends of wide ones."""
    usual = [0, 1, -1, *(sign * (1 << k) - less for k in range(1, 17) for sign in (1, -1) for less in (0, 1))]
    lo, hi = reduced.type.lo, reduced.type.hi
    tried = dict.fromkeys([*usual, *reduced.tried])
    return [value for value in tried if lo <= value <= hi and (reduced.pad != value).any()]


def _stale(window: Window, right: TapPlaces, pad: IntArray, finish: Change) -> Iterator[Mistake]:
    """Line buffers that still hold the frame before, or already the one after."""
    top, _, bottom, _ = window.pads

    def edge(x: IntArray) -> IntArray:
        return np.broadcast_to(pad.reshape(1, -1, 1, 1), (1, *x.shape[1:]))

    def before(x: IntArray, first: Callable[[IntArray], IntArray] = edge) -> IntArray:
        height = x.shape[2]
        at = TapPlaces(np.where(right.rows < height, right.rows + height, 2 * height), right.columns)
        return finish(constant(pad)(np.concatenate([np.concatenate([first(x), x[:-1]]), x], axis=2), at))

    def after(x: IntArray) -> IntArray:
        return finish(constant(pad)(np.concatenate([x, np.concatenate([x[1:], edge(x)])], axis=2), right))

    stale = "above the first row stand the last rows of the frame before"
    above = possible(
        (top > 0, f"{stale} (line buffer not cleared)", before),
        (
            top > 0 and bool(pad.any()),
            f"{stale}, and zeros above that of the first frame (line buffer not cleared)",
            lambda x: before(x, lambda x: np.zeros_like(x[:1])),
        ),
    )
    below = possible((bottom > 0, "below the last row stand the first rows of the next frame", after))
    yield from listed(above, history=True, kind="stale lines")
    yield from listed(below, history=True)

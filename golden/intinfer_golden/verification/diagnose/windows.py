"""Windows that stand elsewhere, or see something else beyond the edge of the map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from intinfer.ops import Conv2d, MaxPool, SumPool
from intinfer.ops.geometry import Window
from intinfer.types import LIMIT, IntArray

from .macs import Mac
from .mistake import Mistake
from .suspect import Suspect

MAX_PAD_VALUES = 512


@dataclass(frozen=True, eq=False)
class Places:
    """The row and column of every tap: (OH, KH) and (OW, KW), counted in the map; beyond it where they are padding."""

    rows: IntArray
    columns: IntArray

    @classmethod
    def of(cls, window: Window, outputs: tuple[int, ...]) -> Places:
        def along(axis: int) -> IntArray:
            starts = np.arange(outputs[axis]) * window.stride[axis] - window.pads[axis]
            return starts[:, None] + np.arange(window.kernel[axis]) * window.dilation[axis]

        return cls(along(0), along(1))

    def moved(self, down: int, right: int) -> Places:
        return Places(self.rows + down, self.columns + right)


Beyond = Callable[[IntArray, Places], IntArray]
"""The taps of a map, (N, C, OH, OW, KH, KW)."""


def constant(value: npt.NDArray[np.int64]) -> Beyond:
    """A constant beyond the edge, one or one a channel."""

    def look(x: IntArray, at: Places) -> IntArray:
        height, width = x.shape[2:]
        return np.where(_inside(at, height, width), clipped(x, at), value.reshape(1, -1, 1, 1, 1, 1))

    return look


def clipped(x: IntArray, at: Places) -> IntArray:
    """The nearest pixel of the map."""
    return _look(x, np.clip(at.rows, 0, x.shape[2] - 1), np.clip(at.columns, 0, x.shape[3] - 1))


def mirrored(x: IntArray, at: Places) -> IntArray:
    """The map mirrored at its edge pixels, which come once."""
    return _look(x, _mirror(at.rows, x.shape[2]), _mirror(at.columns, x.shape[3]))


def doubled(x: IntArray, at: Places) -> IntArray:
    """The map mirrored at its edge, the edge pixels come twice."""

    def along(index: IntArray, extent: int) -> IntArray:
        around = index % (2 * extent)
        return np.where(around < extent, around, 2 * extent - 1 - around)

    return _look(x, along(at.rows, x.shape[2]), along(at.columns, x.shape[3]))


def around(x: IntArray, at: Places) -> IntArray:
    """The other end of the map."""
    return _look(x, at.rows % x.shape[2], at.columns % x.shape[3])


def in_line(value: npt.NDArray[np.int64]) -> Beyond:
    """Beyond the end of a row the next row goes on, as it does in a stream; above and below the constant."""

    def look(x: IntArray, at: Places) -> IntArray:
        height, width = x.shape[2:]
        index = at.rows[:, None, :, None] * width + at.columns[None, :, None, :]
        found = x.reshape(*x.shape[:2], -1)[:, :, np.clip(index, 0, height * width - 1)]
        return np.where((index >= 0) & (index < height * width), found, value.reshape(1, -1, 1, 1, 1, 1))

    return look


def one_side(side: str, value: npt.NDArray[np.int64], other: Beyond) -> Beyond:
    """`other` beyond one side of the map, the constant beyond the others."""

    def look(x: IntArray, at: Places) -> IntArray:
        height, width = x.shape[2:]
        rows, columns = at.rows[:, None, :, None], at.columns[None, :, None, :]
        there = {"top": rows < 0, "bottom": rows >= height, "left": columns < 0, "right": columns >= width}[side]
        return np.where(there, other(x, at), constant(value)(x, at))

    return look


def _look(x: IntArray, rows: IntArray, columns: IntArray) -> IntArray:
    return x[:, :, rows[:, None, :, None], columns[None, :, None, :]]


def _mirror(index: IntArray, extent: int) -> IntArray:
    if extent == 1:
        return np.zeros_like(index)
    turned = index % (2 * extent - 2)
    return np.where(turned < extent, turned, 2 * extent - 2 - turned)


def _inside(at: Places, height: int, width: int) -> npt.NDArray[np.bool_]:
    rows, columns = at.rows[:, None, :, None], at.columns[None, :, None, :]
    return (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)


def mistakes(suspect: Suspect, op: Conv2d | MaxPool | SumPool) -> Iterator[Mistake]:
    window, outputs = op.window, suspect.node.output.shape[1:]
    pad, finish = _pad_and_finish(op)
    right = Places.of(window, outputs)
    for text, at in _moved(window, right, outputs):
        yield _mistake(text, finish, constant(pad), at)
        if window.padded:
            yield _mistake(f"{text}; beyond the edge stands the edge's own pixel", finish, clipped, at)
    for text, beyond in _narrower(pad):
        yield _mistake(text, finish, beyond, right)
    if not window.padded:
        return
    for text, beyond, choices in _borders(op, window, pad):
        yield _mistake(text, finish, beyond, right, choices)
    yield from _stale(window, right, pad, finish)


def _mistake(
    text: str, finish: Callable[[IntArray], IntArray], beyond: Beyond, at: Places, choices: int = 1
) -> Mistake:
    return Mistake(text, lambda x: finish(beyond(x, at)), choices)


def _pad_and_finish(op: Conv2d | MaxPool | SumPool) -> tuple[npt.NDArray[np.int64], Callable[[IntArray], IntArray]]:
    """What stands beyond the edge, and what is made of the taps."""
    if isinstance(op, Conv2d):
        mac = Mac.of(op)
        return mac.pad_value, mac.sums
    if isinstance(op, MaxPool):
        return np.array([-LIMIT]), lambda taps: taps.max(axis=(4, 5))
    return np.zeros(1, dtype=np.int64), lambda taps: taps.sum(axis=(4, 5))


def _moved(window: Window, right: Places, outputs: tuple[int, ...]) -> Iterator[tuple[str, Places]]:
    """Windows of another geometry."""
    for axis, name in ((0, "row"), (1, "column")):
        reach = max(window.stride[axis], window.dilation[axis], window.pads[axis], window.pads[axis + 2], 1)
        for by in range(-reach, reach + 1):
            if by:
                where = ("up", "down", "left", "right")[2 * axis + (by > 0)]
                way = f"{abs(by)} {name}{'s' if abs(by) > 1 else ''} {where}"
                phase = f" (phase {by} of stride {window.stride[axis]})" if 0 < by < window.stride[axis] else ""
                if by == window.pads[axis]:
                    phase += f" (as without the pad at the {('top', 'left')[axis]})"
                yield f"the windows stand {way}{phase}", right.moved(*((by, 0) if axis == 0 else (0, by)))
    for down, side in product((-1, 1), repeat=2):
        way = f"1 row {'down' if down > 0 else 'up'} and 1 column {'right' if side > 0 else 'left'}"
        yield f"the windows stand {way}", right.moved(down, side)
    (sy, sx), (dy, dx) = window.stride, window.dilation
    top, left, bottom, end = window.pads
    others = {
        f"the stride is (1, 1), not {window.stride}": {"stride": (1, 1)},
        f"the stride is (1, {sx}), not {window.stride}": {"stride": (1, sx)},
        f"the stride is ({sy}, 1), not {window.stride}": {"stride": (sy, 1)},
        f"the stride is ({sx}, {sy}), not {window.stride}": {"stride": (sx, sy)},
        f"the stride is {window.kernel}, not {window.stride}": {"stride": window.kernel},
        f"the dilation is (1, 1), not {window.dilation}": {"dilation": (1, 1)},
        f"the dilation is (1, {dx}), not {window.dilation}": {"dilation": (1, dx)},
        f"the dilation is ({dy}, 1), not {window.dilation}": {"dilation": (dy, 1)},
        f"the dilation is ({dx}, {dy}), not {window.dilation}": {"dilation": (dx, dy)},
        "the pads are at the other ends: top and bottom, left and right are exchanged": {
            "pads": (bottom, end, top, left)
        },
        "the pads of top and bottom are exchanged": {"pads": (bottom, left, top, end)},
        "the pads of left and right are exchanged": {"pads": (top, end, bottom, left)},
        "the pads of rows and columns are exchanged": {"pads": (left, top, end, bottom)},
        "there are no pads: the windows begin at the first pixel": {"pads": (0, 0, 0, 0)},
    }
    for by in (1, 2):
        others[f"the stride is {(sy + by, sx + by)}, not {window.stride}"] = {"stride": (sy + by, sx + by)}
        others[f"the dilation is {(dy + by, dx + by)}, not {window.dilation}"] = {"dilation": (dy + by, dx + by)}
    seen = {(right.rows.tobytes(), right.columns.tobytes())}
    for text, change in others.items():
        at = Places.of(replace(window, **change), outputs)  # type: ignore[arg-type]
        if (key := (at.rows.tobytes(), at.columns.tobytes())) not in seen:
            seen.add(key)
            yield text, at


def _borders(
    op: Conv2d | MaxPool | SumPool, window: Window, pad: npt.NDArray[np.int64]
) -> Iterator[tuple[str, Beyond, int]]:
    """Something else beyond the edge: a rule, a constant, or either on one side."""
    rules: dict[str, Beyond] = {
        "the edge's own pixel (replicated)": clipped,
        "the map mirrored without its edge (reflected)": mirrored,
        "the map mirrored with its edge (symmetric)": doubled,
        "the map's other end (circular)": around,
        "the end of the row before and the start of the row after (line buffer without pads)": in_line(pad),
    }
    values = _pad_values(op, pad)
    shown = "one a channel" if len(set(pad.tolist())) > 1 else str(pad.tolist()[0])
    if isinstance(op, MaxPool):
        shown = "nothing"
    sides = [n for n, extent in zip(("top", "left", "bottom", "right"), window.pads, strict=True) if extent]
    for text, rule in rules.items():
        yield f"beyond the edge stands {text}, not {shown}", rule, 1
        for side in sides if text[:3] == "the" and "line buffer" not in text else ():
            yield f"beyond the {side} edge stands {text}, not {shown}", one_side(side, pad, rule), 1
    if len(set(pad.tolist())) > 1:
        yield "the pad values are in reverse over the channels", constant(pad[::-1].copy()), 1
        for by in range(1, len(pad)):
            yield f"the pad values are rotated by {by} over the channels", constant(np.roll(pad, -by)), len(pad)
    for value in values:
        choices = 1 if value in (0, 1, -1) else len(values)
        beyond = constant(np.array([value]))
        pool = isinstance(op, MaxPool)
        text = f"padding counts as {value}" if pool else f"the pad value is {value}, not {shown}"
        yield text, beyond, choices
        for side in sides if len(sides) > 1 and value in values[:4] else ():
            yield f"the pad value of the {side} edge is {value}, not {shown}", one_side(side, pad, beyond), choices


def _narrower(pad: npt.NDArray[np.int64]) -> Iterator[tuple[str, Beyond]]:
    """The input without its first or last row or column."""
    for axis, name in ((2, "row"), (3, "column")):
        for index, which in ((0, "first"), (-1, "last")):

            def look(x: IntArray, at: Places, axis: int = axis, index: int = index) -> IntArray:
                cut = x.copy()
                value = np.broadcast_to(pad.reshape(1, -1, 1), (len(x), x.shape[1], x.shape[5 - axis]))
                cut[(slice(None),) * axis + (index,)] = value
                return constant(pad)(cut, at)

            yield f"the {which} {name} of the input is taken for padding", look


def _pad_values(op: Conv2d | MaxPool | SumPool, pad: npt.NDArray[np.int64]) -> list[int]:
    """Constants to try: 0 first, then those that a narrow type holds, and the ends of wide ones."""
    right = set(pad.tolist()) if len(set(pad.tolist())) == 1 else set()
    usual = [0, 1, -1, *(sign * (1 << k) - less for k in range(1, 17) for sign in (1, -1) for less in (0, 1))]
    small = range(-MAX_PAD_VALUES // 2, MAX_PAD_VALUES // 2) if isinstance(op, Conv2d) else range(-8, 9)
    return [value for value in dict.fromkeys([*usual, *small]) if value not in right]


def _stale(
    window: Window, right: Places, pad: npt.NDArray[np.int64], finish: Callable[[IntArray], IntArray]
) -> Iterator[Mistake]:
    """Line buffers that still hold the frame before, or already the one after."""
    top, _, bottom, _ = window.pads

    def stacked(x: IntArray, shift: int) -> IntArray:
        edge = np.broadcast_to(pad.reshape(1, -1, 1, 1), (1, *x.shape[1:]))
        return np.concatenate([edge, x[:-1]] if shift > 0 else [x[1:], edge])

    def before(x: IntArray) -> IntArray:
        height = x.shape[2]
        at = Places(np.where(right.rows < height, right.rows + height, 2 * height), right.columns)
        return finish(constant(pad)(np.concatenate([stacked(x, 1), x], axis=2), at))

    def after(x: IntArray) -> IntArray:
        return finish(constant(pad)(np.concatenate([x, stacked(x, -1)], axis=2), right))

    if top:
        text = "above the first row stand the last rows of the frame before (line buffer not cleared)"
        yield Mistake(text, before, history=True)
    if bottom:
        yield Mistake("below the last row stand the first rows of the next frame", after, history=True)

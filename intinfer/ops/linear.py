"""Linear ops, and what one of them does to a linear form: coefficients on its result become such on its inputs.

This is one step of reverse accumulation; `intinfer.bounds` composes the steps. A vector is a map of one pixel.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..graph import Value
from ..types import IntArray
from .base import Op
from .geometry import Window, Windowed


@dataclass(frozen=True, eq=False)
class Box:
    """Coefficients of R sums on part of a value: `coefficients[r, c, y - top, x - left]`, 0 outside the box."""

    top: int
    left: int
    coefficients: IntArray

    def merged(self, other: Box) -> Box:
        """The sum of both, in a box that covers them."""
        top, left = min(self.top, other.top), min(self.left, other.left)
        bottom = max(box.top + box.coefficients.shape[2] for box in (self, other))
        right = max(box.left + box.coefficients.shape[3] for box in (self, other))
        total = np.zeros((*self.coefficients.shape[:2], bottom - top, right - left), dtype=np.int64)
        for box in (self, other):
            height, width = box.coefficients.shape[2:]
            y, x = box.top - top, box.left - left
            total[:, :, y : y + height, x : x + width] += box.coefficients
        return Box(top, left, total)

    def on(self, coefficients: IntArray) -> Box:
        """Put other coefficients (R, any channels, h, w) on the same pixels."""
        return Box(self.top, self.left, coefficients)

    @property
    def picked(self) -> IntArray | None:
        """The channel of each row (R,), where every row is one channel of one pixel as it stands; None otherwise."""
        rows, _, height, width = self.coefficients.shape
        if height * width != 1 or np.count_nonzero(self.coefficients) != rows:
            return None
        channels = self.coefficients[:, :, 0, 0].argmax(axis=1)
        return channels if (self.coefficients[np.arange(rows), channels] == 1).all() else None


Pulled = tuple[IntArray | int, Sequence[Box | None]]
"""The constant of each sum (R,), or 0, and the coefficients on each input; None where nothing of it is read."""


class Linear(Op):
    """An op that is a linear function of its inputs plus a constant, overflow left out of account."""

    linear = True

    @abstractmethod
    def pull_back(self, inputs: Sequence[Value], box: Box) -> Pulled:
        """R sums with coefficients on the result (before an accumulator's rule) in terms of the inputs.

        All of it is int64 modulo 2^64: where a form is bounded, the modulus is larger than what may come.
        """

    @abstractmethod
    def reads(self, axis: int, position: int, extents: Sequence[int]) -> Sequence[tuple[int, int] | None]:
        """Say what a row (axis 0) or column (1) of the result reads: (input, row or column) a tap; None is padding.

        Args:
            extents: rows or columns of each input.
        """


class PixelwiseLinear(Linear):
    """A pixel of the result reads the same pixel of every input."""

    def reads(self, axis: int, position: int, extents: Sequence[int]) -> Sequence[tuple[int, int] | None]:
        """Read the same row (column) of every input."""
        return [(i, position) for i in range(len(extents))]


class WholeLinear(Linear):
    """The result, a vector, reads every pixel of its only input."""

    def reads(self, axis: int, position: int, extents: Sequence[int]) -> Sequence[tuple[int, int] | None]:
        """Read every row (column) of the input."""
        return [(0, row) for row in range(extents[0])]


class WindowedLinear(Windowed, Linear):
    """A pixel of the result reads a window of its only input."""

    def reads(self, axis: int, position: int, extents: Sequence[int]) -> Sequence[tuple[int, int] | None]:
        """Read the rows (columns) that the kernel covers there; those in the border are None."""
        window = self.window
        start = position * window.stride[axis] - window.pads[axis]
        rows = [start + tap * window.dilation[axis] for tap in range(window.kernel[axis])]
        return [(0, row) if 0 <= row < extents[0] else None for row in rows]

    def spread(self, x: Value, box: Box, tap: Callable[[int, int], IntArray], padding: IntArray | int) -> Pulled:
        """Add `tap(i, j)` (R, C, h, w), the coefficients of one tap over the box's pixels, up at the pixels it reads.

        Args:
            padding: what the border holds, (C,), or one integer for all channels.
        """
        window = self.window
        rows, channels, (height, width) = len(box.coefficients), x.shape[0], box.coefficients.shape[2:]
        ys = [_reads(box.top, height, window, 0, i, x.shape[1]) for i in range(window.kernel[0])]
        xs = [_reads(box.left, width, window, 1, j, x.shape[2]) for j in range(window.kernel[1])]
        top, bottom = _span(ys, window.stride[0])
        left, right = _span(xs, window.stride[1])
        target = np.zeros((rows, channels, max(0, bottom - top), max(0, right - left)), dtype=np.int64)
        outside = np.zeros((rows, channels), dtype=np.int64)
        for i, (y_part, y_first) in enumerate(ys):
            for j, (x_part, x_first) in enumerate(xs):
                coefficients = tap(i, j)
                inside = coefficients[:, :, y_part, x_part]
                if inside.size:
                    y, x_ = y_first - top, x_first - left
                    part = target[:, :, y :: window.stride[0], x_ :: window.stride[1]]
                    part[:, :, : inside.shape[2], : inside.shape[3]] += inside
                if inside.shape[2:] != (height, width):
                    outside += coefficients.sum(axis=(2, 3)) - inside.sum(axis=(2, 3))
        constant = outside @ np.broadcast_to(np.asarray(padding, dtype=np.int64), (channels,))
        return constant, [Box(top, left, target) if target.size else None]


def _reads(first: int, count: int, window: Window, axis: int, tap: int, extent: int) -> tuple[slice, int]:
    """Find which of the pixels first .. first + count - 1 have this tap inside the map, and what the first reads."""
    stride, offset = window.stride[axis], tap * window.dilation[axis] - window.pads[axis]
    start = max(first, -(offset // stride))  # the first pixel with pixel * stride + offset >= 0
    stop = min(first + count, (extent - 1 - offset) // stride + 1)
    return slice(start - first, max(start, stop) - first), start * stride + offset


def _span(reads: Iterable[tuple[slice, int]], stride: int) -> tuple[int, int]:
    """First and behind the last pixel read by any tap."""
    ends = [(y, y + (part.stop - part.start - 1) * stride + 1) for part, y in reads if part.stop > part.start]
    return (min(y for y, _ in ends), max(y for _, y in ends)) if ends else (0, 0)

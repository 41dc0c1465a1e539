"""Designs in plain Python loops with one mistake each: what `verify` has to name. Nothing of the package is used.

A frame is nested lists [channel][row][column]; a mistake is a function that takes the place of one of the design's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Frame = list[list[list[int]]]
Frames = list[Frame]


def inside(frame: Frame, y: int, x: int) -> bool:
    return 0 <= y < len(frame[0]) and 0 <= x < len(frame[0][0])


class Conv:
    """A convolution that adds products one by one: the methods are what a mistake replaces."""

    def __init__(
        self,
        weight: Any,
        size: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        pads: tuple[int, int] = (0, 0),
        pad: int = 0,
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
    ) -> None:
        self.weight, self.size, self.stride, self.pads, self.pad = weight, size, stride, pads, pad
        self.dilation, self.groups = dilation, groups
        self.outputs, self.inputs = len(weight), len(weight[0])
        self.kernel = len(weight[0][0]), len(weight[0][0][0])

    def w(self, o: int, i: int, ky: int, kx: int) -> int:
        return int(self.weight[o][i][ky][kx])

    def channel(self, o: int, i: int) -> int:
        return o // (self.outputs // self.groups) * self.inputs + i

    def at(self, y: int, x: int, ky: int, kx: int) -> tuple[int, int]:
        (sy, sx), (top, left), (dy, dx) = self.stride, self.pads, self.dilation
        return y * sy + ky * dy - top, x * sx + kx * dx - left

    def pixel(self, n: int, c: int, y: int, x: int) -> int:
        frame = self.frames[n]
        return frame[c][y][x] if inside(frame, y, x) else self.pad

    def step(self, total: int, product: int) -> int:
        return total + product

    def start(self, n: int, o: int, y: int, x: int) -> int:
        return 0

    def end(self, total: int, o: int) -> int:
        return total

    def run(self, frames: Frames) -> Frames:
        self.frames = frames
        self.out: Frames = []
        for n in range(len(frames)):
            self.out.append([[[0] * self.size[1] for _ in range(self.size[0])] for _ in range(self.outputs)])
            for o in range(self.outputs):
                for y in range(self.size[0]):
                    for x in range(self.size[1]):
                        self.out[n][o][y][x] = self.end(self._sum(n, o, y, x), o)
        return self.out

    def _sum(self, n: int, o: int, y: int, x: int) -> int:
        total = self.start(n, o, y, x)
        for i in range(self.inputs):
            for ky in range(self.kernel[0]):
                for kx in range(self.kernel[1]):
                    row, column = self.at(y, x, ky, kx)
                    total = self.step(total, self.w(o, i, ky, kx) * self.pixel(n, self.channel(o, i), row, column))
        return total


def conv(faults: dict[str, Callable[..., Any]], *arguments: Any, **options: Any) -> Callable[[Frames], Frames]:
    """A convolution with methods replaced; each gets the design first, then the method's own arguments."""
    return type("Faulty", (Conv,), dict(faults))(*arguments, **options).run


def each(frames: Frames, function: Callable[..., int]) -> Frames:
    """function(value, n, c, y, x) of every value."""
    return [
        [
            [[function(v, n, c, y, x) for x, v in enumerate(row)] for y, row in enumerate(plane)]
            for c, plane in enumerate(frame)
        ]
        for n, frame in enumerate(frames)
    ]


def count(z: int, row: Sequence[int], descending: bool, *, strict: bool = False) -> int:
    """Thresholds crossed."""
    if descending:
        return sum(z < t if strict else z <= t for t in row)
    return sum(z > t if strict else z >= t for t in row)


def signed(value: int, bits: int) -> int:
    """The low bits as two's complement."""
    low = value % 2**bits
    return low - 2**bits if low >= 2 ** (bits - 1) else low


def half_even(value: int, shift: int) -> int:
    """value / 2^shift, ties to the even neighbour."""
    quotient, rest = divmod(value, 2**shift)
    half = 2 ** (shift - 1)
    return quotient + (rest > half or (rest == half and quotient % 2 == 1))


def muxed(values: dict[str, Any], pick: Callable[[list[list[int]], int, int], int]) -> Frames:
    """pick(select bits by frame and channel, n, c): whether branch a is given."""
    select, a, b = values["select"], values["a"], values["b"]
    return [[(a if pick(select, n, c) else b)[n][c] for c in range(4)] for n in range(len(select))]

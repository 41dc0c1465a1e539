"""TGAP: the average of a channel above half of its range."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, product

import numpy as np

from intinfer.graph import Value
from intinfer.ops import Tgap
from intinfer.types import IntArray

from ..designs import Change, Families, Mistake, history, listed, wrapped
from ..make.coverage import (
    EQUAL,
    HIGHEST,
    LOWEST,
    RESET,
    Axis,
    Bools,
    Covergroup,
    Faults,
    Order,
    Prover,
    Site,
    Values,
    fault,
    told,
)
from ..make.coverage.reach import Sums
from ..make.stimulus.textures import Draw, Frame
from .base import OpFacts
from .steps import Cell, Operand, Place, Steps

MANY = 2**14
"""Bits of all levels above which not each has bins of its own."""

NEAR = 64
"""Frames of sums beside their thresholds that are tried; the bits of a level are as good as random."""

ENDS_OF_0 = ("above 0", "below 0")


class TgapFacts(OpFacts[Tgap]):
    """The facts of a thresholded global average."""

    of = Tgap

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """The pixels of the channel with the sum so far; twice the sum beside the threshold."""
        levels = operands[0].values[at[0]]
        height, width = levels.shape
        sums = list(accumulate(levels.reshape(-1).tolist()))
        places = zip(np.ndindex(height, width), sums, strict=True)
        rows = tuple({"y": y, "x": x, "level": int(levels[y, x]), "sum": total} for (y, x), total in places)
        twice, limit = 2 * sums[-1], self.op.top * height * width
        facts: dict[str, Cell] = {"sum": sums[-1], "2 * sum": twice}
        facts[f"N * h * w = {self.op.top} * {height} * {width}"] = limit
        if twice == limit:
            facts["tie"] = "equality gives 0"
        return Steps("2 * sum > N * h * w", rows, facts, int(twice > limit))

    @property
    def _pixels(self) -> int:
        return self.x.size // self.channels

    @property
    def _free(self) -> bool:
        """Whether a frame sets the levels as it likes."""
        return self.x.name in {value.name for value in self.graph.inputs}

    @property
    def _half(self) -> int:
        """The last sum that gives 0."""
        return self.op.top * self._pixels // 2

    @property
    def _sums(self) -> IntArray:
        """Sums that a channel should have: the last that gives 0, the first that gives 1, the least, the largest."""
        least, most = (self._pixels * end for end in (self.x.type.lo, self.x.type.hi))
        return np.array([self._half, self._half + 1, least, most], dtype=np.int64)

    def _solver(self) -> Sums:
        """For maps of a channel with a wanted sum."""
        ones, lo, hi = (np.full(self._pixels, n, dtype=np.int64) for n in (1, self.x.type.lo, self.x.type.hi))
        return Sums(ones, lo, hi)

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Bins of the sum of a channel: on the threshold, the last that gives 0, the first that gives 1, both ends."""
        x, points = self.x, self._sums
        doubled = np.array([self.op.top * self._pixels, *2 * points])

        def see(values: Values) -> Bools:
            sums = 2 * values[x.name].sum(axis=(2, 3))
            return np.asarray((sums[:, :, None] == doubled).any(axis=0)).reshape(-1)

        names = ("tie", "last below or tie", "one above", "lowest", "highest")
        axes = (Axis("channel", self.channels), Axis("sum", names))
        sentence = (
            "the sum on its threshold (2 * sum = N*h*w gives 0) or below it, one above it, at its lowest and highest"
        )
        group = Covergroup(self.node.name, "sums", sentence, axes, see)
        place = group.coordinates[:, 1]
        group.exclude((place == 0) & (doubled[0] % 2 == 1), f"N*h*w = {doubled[0]} is odd and twice a sum is even")
        lo, hi = points[2:].tolist()
        for i, point in enumerate(doubled.tolist()):
            text = f"the sum of {self._pixels} levels {x.type} lies in {lo}..{hi} and never is {point // 2}"
            group.exclude((place == i) & (not 2 * lo <= point <= 2 * hi), text)
        return [group, *self._bits(), *self.told_apart()]

    def _bits(self) -> list[Covergroup]:
        """Each bit of each level is needed: inverted, it brings the sum to the other side of the threshold."""
        x, half, width = self.x, self._half, self.x.type.hi.bit_length()
        least, most = self._sums[2:].tolist()
        if not self._free or x.size * width > MANY or not least <= half < most:
            return []

        def see(values: Values) -> Bools:
            levels = values[x.name].reshape(-1, self.channels, self._pixels)
            bits = levels[..., None] >> np.arange(width) & 1
            inverted = levels.sum(axis=2)[:, :, None, None] + (1 - 2 * bits << np.arange(width))
            shows = (inverted > half) != (inverted + (2 * bits - 1 << np.arange(width)) > half)
            return np.stack([(shows & (bits == way)).any(axis=0) for way in (0, 1)], axis=-1).reshape(-1)

        axes = (Axis("channel", self.channels), Axis("pixel", self._pixels), Axis("bit", width), Axis("is", ("0", "1")))
        sentence = "the sum stands so near to its threshold that this bit of this level decides"
        return [Covergroup(self.node.name, "bits shown", sentence, axes, see)]

    def told_apart(self) -> list[Covergroup]:
        """Averages of channels told apart, where a frame sets the levels as it likes."""
        if not self._free:
            return []
        low, high = (np.full(self.channels, int(end > self._half)) for end in self._sums[2:].tolist())
        return told.results(self.node, low, high, self.near)

    def near(self, bits: IntArray, rng: np.random.Generator) -> Frame:
        """A frame with these bits (C,), every sum as near to the threshold as its levels allow."""
        x, sums, (_, _, least, most) = self.x, self._solver(), self._sums.tolist()
        maps = np.empty((self.channels, self._pixels), dtype=np.int64)
        for bit in np.unique(bits):
            numbers = sums.solve(min(max(self._half + int(bit), least), most), rng)
            assert numbers is not None  # every sum between the ends is one of levels
            maps[bits == bit] = numbers
        return {x.name: rng.permuted(maps, axis=1).reshape(x.shape)}

    def faults(self, site: Site) -> Iterator[Faults]:
        """Sums stand on the last number that gives 0 and on the first that gives 1: any other start shows."""
        x, channels = self.x, self.channels
        half, _, least, most = self._sums.tolist()
        beyond = f"sums lie in {least}..{most}, too far from {self.op.top * self._pixels}/2"
        sides = ["" if least <= number <= most else beyond for number in (half, half + 1)]

        def total(now: Values) -> IntArray:
            return np.asarray(now[x.name][0].reshape(channels, -1).sum(axis=1))

        def beside(now: Values) -> Bools:
            """Whether the sum of a channel is the last that gives 0, and the first that gives 1, (2, C)."""
            return np.stack([total(now) == half, total(now) == half + 1])

        def passed_on(now: Values, _: Values) -> bool:
            return bool(((total(now) <= half) & (total(now).cumsum() > half)).any())

        def kept(now: Values, before: Values) -> bool:
            return bool(((total(now) <= half) & (total(now) + total(before) > half)).any())

        def hidden(added: int) -> str:
            """Why a sum that gives 0 never shows what adds so much at most; "" where it may."""
            return beyond if least > half or min(half, most) + added <= half else ""

        if site.free:
            ways = list(product(zip(ENDS_OF_0, sides, strict=True), range(channels)))
            words = tuple(f"{site.name}: the sum of channel {c} begins {end}" for (end, _), c in ways)
            yield Faults(RESET, words, lambda now, _: beside(now).reshape(-1), tuple(side for (_, side), _ in ways))
        elif channels > 1:  # one channel is on one side
            words = tuple(f"{site.name}: sums begin {end}" for end in ENDS_OF_0)
            yield Faults(RESET, words, lambda now, _: np.asarray(beside(now).any(axis=1)), tuple(sides))
        if channels > 1:
            text = f"{site.name}: the sum of a channel goes on from that of the one before"
            yield fault(RESET, text, passed_on, hidden((channels - 1) * most))
        for after in (LOWEST, HIGHEST, EQUAL):
            known = site.before.get(after)
            added = min(half, most) if known is None else int(total(known).max())
            yield fault(after, f"{site.name}: sums are not reset", kept, hidden(added))

    def hidden(self, site: Site, value: Value, order: Order) -> str:
        """The order of pixels does not show, that of channels may."""
        return "a sum does not depend on the order of its pixels" if order.channels is None else ""

    def frames(self, rng: np.random.Generator) -> Iterator[Frame]:
        """Each channel has each of the sums in turn, spread over the map at random."""
        x, sums = self.x, self._solver()
        points = [z for z in self._sums.tolist() if sums.find(z, z).number is not None]
        for turn in range(len(points)):
            maps = [sums.solve(points[(turn + c) % len(points)], rng) for c in range(x.shape[0])]
            yield {x.name: np.array([rng.permutation(m) for m in maps if m is not None]).reshape(x.shape)}
        for turn in range(NEAR):
            yield self.near(np.arange(self.channels) + turn & 1, rng)

    def compose(self, frame: Frame, draw: Draw) -> None:
        """Every sum on the last number that gives 0 or on the first that gives 1."""
        x, half = self.x, self._half

        def averages(first: Frame) -> IntArray:
            return np.asarray((first[x.name].reshape(x.shape[0], -1).sum(axis=1) > half) * 1)

        frame |= self.near(draw.pattern(x.shape[0], averages), draw.rng)

    def families(self) -> Families:
        """The op's own, then sums that go on from frame to frame."""
        top = self.op.top * self._pixels
        running = history.running("the pool", lambda x: x.sum(axis=(2, 3)), lambda s: (2 * s > top).astype(np.int64))
        return self.mistakes(), running

    def mistakes(self) -> Iterator[Mistake]:
        """Other compares and limits, selects that are stuck, pixels that are left out, sums of fewer bits."""
        height, width = self.x.shape[1:]
        top, reference, limit = self.op.top, self.op.reference, self.op.top * self._pixels

        def total(x: IntArray) -> IntArray:
            sums: IntArray = x.sum(axis=(2, 3))
            return sums

        def above(sums: Change = total, limit: int = limit) -> Change:
            """1 where twice the sum is above the limit."""
            return lambda x: (2 * sums(x) > limit).astype(np.int64)

        yield from listed(
            {
                "the compare is >= in place of >: a tie gives 1": above(limit=limit - 1),
                "the select is inverted: 1 where the mean is at most half of the top level": lambda x: 1 - reference(x),
                "the select is stuck at 0": lambda x: np.zeros(x.shape[:2], dtype=np.int64),
                "the select is stuck at 1": lambda x: np.ones(x.shape[:2], dtype=np.int64),
                "the compare is < in place of >": above(lambda x: -total(x), -limit),
                "any pixel above half of the top level gives 1 (maximum)": above(lambda x: x.max(axis=(2, 3)), top),
            }
        )
        yield from listed({text: above(limit=other) for text, other in _limits(top, height, width).items()})
        parts: dict[str, Change] = {
            "the last row is not summed": lambda x: total(x[:, :, :-1]),
            "the first row is not summed": lambda x: total(x[:, :, 1:]),
            "the last column is not summed": lambda x: total(x[..., :-1]),
            "the first column is not summed": lambda x: total(x[..., 1:]),
            "the first pixel is not summed": lambda x: total(x) - x[:, :, 0, 0],
            "the first pixel is summed twice": lambda x: total(x) + x[:, :, 0, 0],
            "the last pixel is not summed": lambda x: total(x) - x[:, :, -1, -1],
            "the last pixel is summed twice": lambda x: total(x) + x[:, :, -1, -1],
        }
        yield from listed({text: above(sums) for text, sums in parts.items()})
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

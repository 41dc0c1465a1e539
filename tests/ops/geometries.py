"""Every window along one axis: pads 0..2, stride 1..3, dilation 1..2, kernel 1..3."""

import random
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Axis:
    before: int
    after: int
    stride: int
    dilation: int
    kernel: int

    def fits(self, extent: int) -> bool:
        return self.dilation * (self.kernel - 1) + 1 <= extent + self.before + self.after

    def has_empty_window(self, extent: int) -> bool:
        """Whether some window of a map that it fits sees padding only."""
        start = -self.before
        while start + self.dilation * (self.kernel - 1) < extent + self.after:
            if not any(0 <= start + i * self.dilation < extent for i in range(self.kernel)):
                return True
            start += self.stride
        return False


AXES = [Axis(*numbers) for numbers in product((0, 1, 2), (0, 1, 2), (1, 2, 3), (1, 2), (1, 2, 3))]


def pairs(count: int = 2) -> list[tuple[Axis, Axis]]:
    """Every axis as the vertical and as the horizontal one, `count` times, with shuffled partners."""
    drawn = []
    for seed in range(count):
        partners = AXES[:]
        random.Random(seed).shuffle(partners)
        drawn += zip(AXES, partners, strict=True)
    return drawn


def both(y: Axis, x: Axis) -> dict[str, tuple[int, ...]]:
    """stride, pads and dilation as the ops take them."""
    pads = (y.before, x.before, y.after, x.after)
    return {"stride": (y.stride, x.stride), "pads": pads, "dilation": (y.dilation, x.dilation)}

"""What max pool and sum pool share: the elements under each window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import TypeVar

import numpy as np

from intinfer.graph import Value
from intinfer.ops import MaxPool, SumPool
from intinfer.types import IntArray

from ..designs import Change, Mistake, windows
from ..designs.mac import addresses
from ..make.coverage import Axis, Bools, Order, Site
from .base import OpFacts
from .steps import Cell, Element, Operand, Place, tap

P = TypeVar("P", MaxPool, SumPool)


class Pool(OpFacts[P]):
    """A window over each channel."""

    @cached_property
    def addresses(self) -> IntArray:
        """Which pixel of its channel each place of a window reads, -1 in the border, (OH, OW, KH, KW)."""
        return addresses(self.op.window, *self.x.shape[1:])

    @property
    def windows(self) -> IntArray:
        """`addresses` as (windows, places)."""
        return self.addresses.reshape(-1, math.prod(self.op.kernel))

    @property
    def unreal(self) -> Bools:
        """Which places of the window lie in the border in all windows, (places,)."""
        return np.asarray((self.windows < 0).all(axis=0))

    @property
    def place_axes(self) -> tuple[Axis, ...]:
        """The axes of bins for each place of the window of each channel."""
        return Axis("channel", self.channels), *map(Axis, ("row", "column"), self.op.kernel)

    def taps(self, at: Place, x: Operand) -> Iterator[tuple[dict[str, Cell], Element | None]]:
        """What each place of the window of an element reads; see `steps.tap`."""
        return (tap(self.op.window, at, place, x, at[0]) for place in np.ndindex(*self.op.kernel))

    def elsewhere(self, pad: IntArray, finish: Change) -> Iterator[Mistake]:
        """Windows that stand elsewhere, or see something else than `pad` beyond the edge; `finish` pools their taps."""
        reduced = windows.Reduction(self.x.type, pad, finish)
        return windows.mistakes(self.op.window, self.node.output.shape[1:], reduced)

    def hidden(self, site: Site, value: Value, order: Order) -> str:
        """Pixels move alike in all channels: the pixels of each window are compared. Whole channels always show."""
        if order.channels is not None:
            return ""
        moved = np.where(self.windows < 0, -1, order.source[: value.size // value.shape[0]][self.windows])
        same = np.array_equal(np.sort(self.windows, axis=1), np.sort(moved, axis=1))
        return "the windows hold the same pixels" if same else ""


def subsets(taps: Change, finish: Change, kernel: tuple[int, int]) -> Iterator[Mistake]:
    """Some taps of the window alone count."""
    every = np.arange(math.prod(kernel)).reshape(kernel)

    def kept(places: IntArray | list[int]) -> Change:
        return lambda x: finish((found := taps(x)).reshape(*found.shape[:4], -1)[..., places])

    for place, (ky, kx) in enumerate(np.ndindex(*kernel)) if every.size > 1 else ():
        few = 1 if place in (0, every.size - 1) else every.size
        yield Mistake(f"tap (ky={ky}, kx={kx}) does not count", kept(np.delete(every, place)), few)
        yield Mistake(f"tap (ky={ky}, kx={kx}) alone counts", kept([place]), few)
    for axis, name in enumerate(("row", "column")) if min(kernel) > 1 else ():
        for index in range(kernel[axis]):
            rest = np.delete(every, index, axis).reshape(-1)
            yield Mistake(f"{name} {index} of the window does not count", kept(rest), kernel[axis])

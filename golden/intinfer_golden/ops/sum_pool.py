"""Sum pool: the sum of a window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate

import numpy as np

from intinfer.ops import SumPool
from intinfer.types import IntArray

from ..designs import Families, Mistake, history, listed
from ..designs.sums import narrowed
from ..make.coverage import Axis, Bools, Covergroup, Faults, Prover, Site, Values, leaks
from .base import Served
from .pools import Pool, subsets
from .steps import Operand, Place, Steps


class SumPoolFacts(Served, Pool[SumPool]):
    """The facts of a sum pool."""

    of = SumPool

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """Place by place of the window, with the sum so far."""
        taps = [(where, 0 if element is None else element.number) for where, element in self.taps(at, operands[0])]
        sums = list(accumulate(value for _, value in taps))
        rows = tuple({**where, "value": value, "sum": total} for (where, value), total in zip(taps, sums, strict=True))
        return Steps("sum of the window; padding counts as 0", rows, {}, sums[-1])

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Sums of the largest windows at both ends, and each place of the window when it is not 0."""
        window, x, channels = self.op.window, self.x, self.channels
        real = (self.addresses >= 0).sum(axis=(2, 3))  # places of each window
        ends = (int(real.max()) * x.type.lo, int(real.max()) * x.type.hi)

        def see(values: Values) -> Bools:
            sums = values[self.node.name]
            largest = [(sums == end) & (real == real.max()) for end in ends]
            return np.stack([found.any(axis=(0, 2, 3)) for found in largest], axis=1).reshape(-1)

        def taps(values: Values) -> Bools:
            return np.asarray(window.view(window.pad(values[x.name], 0)).any(axis=(0, 2, 3))).reshape(-1)

        sentence = "the sum of a largest window at both ends"
        axes = (Axis("channel", channels), Axis("end", ("lowest", "highest")))
        group = Covergroup(self.node.name, "ends", sentence, axes, see)
        sentence = "the input at this place of a window is not 0"
        places = Covergroup(self.node.name, "places", sentence, self.place_axes, taps)
        places.exclude(np.tile(self.unreal, channels), "no window has a real value here")
        places.exclude(x.type.lo == x.type.hi == 0, "every input is 0")
        return [group, places]

    def faults(self, site: Site) -> Iterator[Faults]:
        """A sum that goes on from the frame before."""
        return leaks.sums(site)

    def families(self) -> Families:
        """Windows that stand elsewhere, the pool's own, then sums that are not cleared."""
        of_windows = self.elsewhere(np.zeros(1, dtype=np.int64), lambda taps: taps.sum(axis=(4, 5)))
        return of_windows, self.mistakes(), history.running("the pool", self.op.reference, lambda total: total)

    def mistakes(self) -> Iterator[Mistake]:
        """Other reductions, sums of fewer bits, and places that do not count."""
        reference, window, count = self.op.reference, self.op.window, math.prod(self.op.kernel)

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
        yield from narrowed(self.op, self.node.output.type, self.x.type.signed)
        yield from subsets(taps, lambda x: x.sum(axis=4), self.op.kernel)

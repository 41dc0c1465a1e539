"""Sum pool: the sum of a window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import SumPool
from intinfer.types import IntArray

from ..designs import Families, Mistake, history, listed
from ..designs.sums import narrowed
from ..make.coverage import Axis, Bools, Covergroup, Faults, Prover, Site, Values, leaks
from .base import Served
from .pools import Pool, subsets, window_taps
from .steps import Cell, Operand, Place, Steps


class SumPoolFacts(Served, Pool[SumPool]):
    """The facts of a sum pool."""

    of = SumPool

    def explain(self, at: Place, *operands: Operand) -> Steps:
        (x,) = operands
        rows: list[dict[str, Cell]] = []
        total = 0
        for y, column, inside in window_taps(self.op.window, at, x.shape):
            value = x.number((at[0], y, column)) if inside else 0
            total += value
            rows.append({"y": y if inside else "pad", "x": column if inside else "pad", "value": value, "sum": total})
        return Steps("sum of the window; padding counts as 0", tuple(rows), {}, total)

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        op, x, channels = self.op, self.x, self.channels
        inside = self.addresses >= 0
        most = int(inside.sum(axis=(2, 3)).max())
        ends = (most * x.type.lo, most * x.type.hi)
        full = inside.sum(axis=(2, 3)) == most

        def see(values: Values) -> Bools:
            sums = values[self.node.name]
            return np.stack([((sums == end) & full).any(axis=(0, 2, 3)) for end in ends], axis=1).reshape(-1)

        def taps(values: Values) -> Bools:
            nonzero = op.window.view((op.window.pad(values[x.name], 0) != 0).astype(np.int64))
            return np.asarray(nonzero.any(axis=(0, 2, 3))).reshape(-1)

        sentence = "the sum of a largest window at both ends"
        end = Axis("end", ("lowest", "highest"))
        group = Covergroup(self.node.name, "ends", sentence, (Axis("channel", channels), end), see)
        sentence = "the input at this place of a window is not 0"
        places = Covergroup(self.node.name, "places", sentence, self.place_axes, taps)
        never = ~inside.any(axis=(0, 1)).reshape(-1)
        places.exclude(np.tile(never, channels), "no window has a real value here")
        places.exclude(x.type.lo == x.type.hi == 0, "every input is 0")
        return [group, places]

    def faults(self, site: Site) -> Iterator[Faults]:
        return leaks.sums(site)

    def families(self) -> Families:
        of_windows = self.elsewhere(np.zeros(1, dtype=np.int64), lambda taps: taps.sum(axis=(4, 5)))
        return of_windows, self.mistakes(), history.running("the pool", self.op.reference, lambda total: total)

    def mistakes(self) -> Iterator[Mistake]:
        op = self.op
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
        yield from narrowed(op, self.node.output.type, self.x.type.signed)
        yield from subsets(taps, lambda x: x.sum(axis=4), op.kernel)

"""Max pool: the largest number of a window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from intinfer.graph import Value
from intinfer.ops import MaxPool
from intinfer.types import LIMIT, IntArray

from ..designs import Change, Families, Mistake, listed
from ..designs.history import delayed
from ..designs.windows import BELOW
from ..make.coverage import RESET, Axis, Bools, Covergroup, Faults, Prover, Site, Values, fault, rivals
from ..make.coverage.leaks import carried
from ..make.stimulus import textures
from ..make.stimulus.pack import Goal, pack
from ..make.stimulus.textures import Draw, Frame
from .pools import Pool, subsets
from .steps import Cell, Operand, Place, Steps

MANY = 8
"""Windows for each of their places, in all channels but one, from which on every place is asked for in one frame."""

PLACES = 16
"""Places of a window above which not each two of them have bins."""

WINDOWS = 4
"""Windows of a channel that are looked at for each place that should win."""


class MaxPoolFacts(Pool[MaxPool]):
    """The facts of a max pool."""

    of = MaxPool

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """Place by place of the window, with the largest number so far."""
        rows: list[dict[str, Cell]] = []
        best = None
        for where, element in self.taps(at, operands[0]):
            if best is None or (element is not None and element.number > best.number):
                best = element
            value, largest = ("-" if found is None else found.number for found in (element, best))
            rows.append({**where, "value": value, "largest": largest})
        assert best is not None, "every window holds a pixel"
        return Steps("largest of the window; padding takes no part", tuple(rows), {}, best.number, (best,))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Each place wins alone, close calls, and windows of the lowest number alone, over the border as well."""
        x, channels, real = self.x, self.channels, self.windows >= 0
        sentence = "this place of a window alone holds the maximum"
        axes = self.place_axes
        group = Covergroup(self.node.name, "winners", sentence, axes, lambda values: self._wins(values).reshape(-1))
        group.exclude(np.tile(self.unreal, channels), "no window has a real value here")
        group.exclude(np.tile(~_sole(real) & (x.type.lo == x.type.hi), channels), f"every input is {x.type.lo}")
        groups = [group]
        if x in self.graph.inputs and real.sum(axis=1).max() > 1:
            groups.append(rivals.covergroup(self.node, channels, x.type, self._compared))
            if self._tree and x.type.lo < x.type.hi:
                together = np.asarray((real[:, :, None] & real[:, None]).any(axis=0))
                groups.append(rivals.of_places(self.node, x.type, together, self.op.kernel, self._compared))
        over = np.asarray((self.addresses < 0).any(axis=(2, 3)))
        sentence = "a whole window holds the lowest value: nothing else, such as 0 or a border, wins over it"
        groups.append(self._lowest("lowest", sentence, np.ones_like(over)))
        sentence = "a window over the border holds the lowest value alone: the border does not win"
        return [*groups, *([self._lowest("border", sentence, over)] if over.any() else [])]

    @property
    def _tree(self) -> bool:
        """Whether the places of a window are few enough for bins of each two of them."""
        return math.prod(self.op.kernel) <= PLACES

    def _compared(self, values: Values) -> IntArray:
        """The numbers of each window, (C, images * windows, places)."""
        view = self.op.window.view(self.op.window.pad(values[self.x.name], rivals.NEVER))
        return np.moveaxis(view, 1, 0).reshape(self.channels, -1, self.windows.shape[1])

    def _wins(self, values: Values) -> Bools:
        """Which place of some window alone holds its maximum, (C, places)."""
        numbers = self._compared(values)
        return _sole(numbers == numbers.max(axis=2, keepdims=True))

    def _lowest(self, kind: str, sentence: str, windows: Bools) -> Covergroup:
        """Some of the windows, (OH, OW), hold only the lowest value, in each channel."""

        def see(values: Values) -> Bools:
            return np.asarray(((values[self.node.name] == self.x.type.lo) & windows).any(axis=(0, 2, 3)))

        return Covergroup(self.node.name, kind, sentence, (Axis("channel", self.channels),), see)

    def faults(self, site: Site) -> Iterator[Faults]:
        """The running maximum begins too high, or with that of the frame before; a place of the windows is not read."""
        x = self.x
        same = f"{x.name!r} is always {x.type.lo}" if x.type.lo == x.type.hi else ""
        if x.type.lo < 0:
            words = f"{site.name}: the maximum begins with 0"
            yield fault(RESET, words, lambda now, _: bool((site.at(now, site.first_place) < 0).any()), "")
        if site.free and x.shape[0] > 1 and not same:  # with one channel its first pixel would always be the lowest
            words = f"{site.name}: the maximum begins above the lowest number"
            yield fault(RESET, words, lambda now, _: bool((site.at(now, site.first_place) == x.type.lo).any()), "")
        first, last = (set(self.windows[i].tolist()) - {-1} for i in (0, -1))
        reason = same or ("the last window holds no pixel that the first does not hold" if last <= first else "")
        yield from carried(site, "the maximum is not reset", lambda now, kept: kept > now, reason)
        count, places = self.windows.shape
        if site.free and count * (x.shape[0] - 1) >= MANY * places:
            ways = tuple(f"{site.name}: place {place} is not read" for place in np.ndindex(*self.op.kernel))
            lonely = _sole(self.windows >= 0)
            reasons = tuple(
                "no window has a real value here" if unreal else "" if alone else same
                for unreal, alone in zip(self.unreal, lonely, strict=True)
            )
            yield Faults(RESET, ways, lambda now, _: np.asarray(self._wins(now).any(axis=0)), reasons)

    def frames(self, rng: np.random.Generator) -> Iterator[Frame]:
        """Each place of a window wins: it alone is high, in every channel."""
        x, reads = self.x, self.windows
        sizes = (reads >= 0).sum(axis=1)

        def goal(row: IntArray, numbers: IntArray) -> Goal:
            """The real places of a window hold these numbers, in all channels."""
            rows, columns = np.divmod(row[row >= 0], x.shape[2])
            channels = np.repeat(np.arange(x.shape[0]), len(rows))
            indices = np.stack([channels, np.tile(rows, x.shape[0]), np.tile(columns, x.shape[0])], axis=1)
            return Goal(x.name, indices, np.tile(numbers, x.shape[0]), np.zeros((1, 3), dtype=np.int64))

        goals = []
        for tap in np.flatnonzero(~self.unreal).tolist():
            row = reads[np.where(reads[:, tap] >= 0, sizes, sizes.max() + 1).argmin()]  # the fewest real places
            goals.append(goal(row, np.where(row[row >= 0] == row[tap], x.type.hi, x.type.lo)))
        row = reads[sizes.argmax()]
        goals += [goal(row, numbers) for numbers in rivals.close_calls(x.type, int(sizes.max()), rng)]
        yield from pack(goals, lambda: textures.constant(self.graph, "lo"))
        yield from pack(list(self._pairs(rng)), lambda: textures.constant(self.graph, "lo"))

    def _pairs(self, rng: np.random.Generator) -> Iterator[Goal]:
        """Each place wins by one over each other place, for each bit, in windows and channels in turn."""
        x, reads, turn = self.x, self.windows, 0
        for winner, p, q in product(rivals.winners(x.type).values(), *map(range, self.windows.shape[1:] * 2)):
            both = np.flatnonzero((reads[:, p] >= 0) & (reads[:, q] >= 0))
            if not self._tree or p == q or not len(both):
                continue
            row, channel = reads[both[turn // x.shape[0] % len(both)]], turn % x.shape[0]
            numbers = rng.integers(x.type.lo, winner, len(row))
            numbers[[p, q]] = winner, winner - 1
            pixels, turn = np.divmod(row, x.shape[2]), turn + 1
            indices = np.stack([np.full(len(row), channel), *pixels], axis=1)[row >= 0]
            yield Goal(x.name, indices, numbers[row >= 0], np.zeros((1, 3), dtype=np.int64))

    def compose(self, frame: Frame, draw: Draw) -> None:
        """Each place of a window wins. In the last channel the first window holds the lowest number alone, and
        what only the last one holds is high."""
        x, windows = self.x, self.windows
        flat = frame[x.name].reshape(x.shape[0], -1)
        won = np.zeros(windows.shape[1], dtype=np.int64)
        for channel in range(x.shape[0]):
            _winners(flat[channel], draw.rng.permutation(windows), won, x)
        first, last = (np.unique(w[w >= 0]) for w in (windows[0], windows[-1]))
        flat[-1, np.setdiff1d(last, first)] = x.type.hi
        flat[-1, first] = x.type.lo

    def families(self) -> Families:
        """Windows that stand elsewhere, the pool's own, then maxima that are not cleared."""
        of_windows = self.elsewhere(np.array([BELOW]), lambda taps: taps.max(axis=(4, 5)))
        return of_windows, self.mistakes(), self._not_cleared()

    def _not_cleared(self) -> Iterator[Mistake]:
        reference, text = self.op.reference, "the pool is not cleared: the {} as well"

        def before(x: IntArray) -> IntArray:
            found = reference(x)
            return np.maximum(found, delayed(found))

        table: dict[str, Change] = {
            text.format("maximum of the frame before counts"): before,
            text.format("maxima of all frames before count"): lambda x: np.maximum.accumulate(reference(x), axis=0),
        }
        return listed(table, history=True)

    def mistakes(self) -> Iterator[Mistake]:
        """Maxima that begin elsewhere, other reductions, and places that do not count."""
        reference, window = self.op.reference, self.op.window

        def taps(x: IntArray, value: int) -> IntArray:
            return window.view(window.pad(x, value))

        yield from listed(
            {
                f"the maximum starts at {start}, not at the lowest value": lambda x, s=start: reference(x).clip(min=s)
                for start in (0, -1, 1, self.x.type.lo)
            }
        )
        yield from listed(
            {
                "the minimum is given": lambda x: taps(x, LIMIT).min(axis=(4, 5)),
                "the largest absolute value is given": lambda x: np.abs(taps(x, 0)).max(axis=(4, 5)),
                "the sum is given": lambda x: taps(x, 0).sum(axis=(4, 5)),
                "the mean is given": lambda x: taps(x, 0).sum(axis=(4, 5)) // math.prod(self.op.kernel),
                "values are compared without sign": lambda x: _unsigned(taps(x, BELOW)),
            }
        )
        yield from subsets(lambda x: taps(x, BELOW), lambda x: x.max(axis=4), self.op.kernel)


def _sole(top: Bools) -> Bools:
    """Which places are the only one of some window that is marked, of (..., windows, places): (..., places)."""
    return np.asarray((top & (top.sum(axis=-1, keepdims=True) == 1)).any(axis=-2))


def _winners(channel: IntArray, windows: IntArray, won: IntArray, x: Value) -> None:
    """In windows apart from each other, one place after the other holds the maximum alone; `won` counts them."""
    taken = np.zeros(len(channel), dtype=bool)
    for window in windows[: WINDOWS * len(won)]:
        real = np.flatnonzero(window >= 0)
        if taken[window[real]].any():
            continue
        taken[window[real]] = True
        place = real[won[real].argmin()]
        won[place] += 1
        channel[window[real]] = np.minimum(channel[window[real]], max(x.type.lo, x.type.hi - 1))
        channel[window[place]] = min(x.type.hi, channel[window[real]].max() + 1)


def _unsigned(taps: IntArray) -> IntArray:
    """Negative values count as above all others; padding as below."""
    keys = np.where(taps == BELOW, 0, np.where(taps < 0, taps + LIMIT, taps))
    best: IntArray = keys.max(axis=(4, 5))
    return np.where(best >= LIMIT // 2, best - LIMIT, best)

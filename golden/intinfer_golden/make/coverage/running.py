"""Running sums: as far out on the way as they can be, and at the end where the result turns.

A design that adds its products one by one, or those of a pixel or a kernel at once, may clip on the way. Where its last
sums all fit, this shows only in sums that leave the range and come back; behind thresholds only in such that come back
to where a lower sum gives another result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from intinfer.accumulator import MIN_BITS
from intinfer.graph import Graph, Node
from intinfer.types import IntArray

from ...designs.mac import Mac, addresses
from .forms import overflows
from .group import Axis, Bools, Covergroup, Values
from .reach import Sums
from .shown import Rest, path_of

_FORWARD = (
    *("products in the order c, ky, kx", "products in the order ky, kx, c", "products in the order kx, ky, c"),
    *("a kernel at once, c by c", "a pixel at once, row by row", "a pixel at once, column by column"),
)
ORDERS = (*_FORWARD, *(f"{order}, from the end" for order in _FORWARD))
WAYS = ("highest", "lowest")
SIGNS = (1, -1)
CHANNELS = 4
"""Channels that are tried, those that can go out farthest first."""

ANY, NONE = "any", "none"
"""Targets of sums whose end all see, and of those that never turn a result."""

SAMPLES = 2**12
"""Last sums at which the result is looked at first; where it turns between two of them, the place is bisected."""

STEPS = 64
"""Sums on the way, from the farthest inwards, that are tried."""


@dataclass(frozen=True, eq=False)
class Excursion:
    """Inputs of one sum, with which it goes far out and comes back.

    Attributes:
        input: name of the input that is summed.
        order: place in ORDERS.
        way: place in WAYS.
        channel: of the result.
        place: (y, x) of the result.
        taps: (additions, products of each), flat over (C/groups, KH, KW), in the order of addition.
        indices: (M, 1 or 3) of the input's elements that are set.
        numbers: (M,) what they hold.
        bits: widths of which an accumulator that saturates gives another result.
    """

    input: str
    order: int
    way: int
    channel: int
    place: tuple[int, int]
    taps: IntArray
    indices: IntArray
    numbers: IntArray
    bits: tuple[int, ...]


class Running(Covergroup):
    """Bins (order, end, width): a running sum that saturates at this width gives another result of the region.

    Attributes:
        excursions: for each bin inputs that hit it.
    """

    def __init__(self, mac: Mac, rest: Rest | None, excursions: list[Excursion]) -> None:
        self._mac, self._rest = mac, rest
        bins = [(excursion, bits) for excursion in excursions for bits in excursion.bits]
        self.excursions = [excursion for excursion, _ in bins]
        least, most = min((bits for _, bits in bins), default=0), max((bits for _, bits in bins), default=0)
        words = tuple(f"{bits} bits" for bits in range(least, most + 1))
        axes = (Axis("order", ORDERS), Axis("end", WAYS), Axis("width", words))
        rows = [(excursion.order, excursion.way, bits - least) for excursion, bits in bins]
        self._bits = [bits for _, bits in bins]
        sentence = "the sum leaves this width on the way, and a design that clips it there gives another result"
        coordinates = np.array(rows, dtype=np.int64).reshape(-1, 3)
        super().__init__(mac.node.name, "running sums", sentence, axes, self._seen, coordinates=coordinates)

    def _seen(self, values: Values) -> Bools:
        seen = self.hit.copy()  # what is hit stays hit: only the others are looked at
        x = self._mac.map(values)
        added: dict[Excursion, IntArray] = {}  # each has a bin for every width
        for index in (~seen).nonzero()[0].tolist():
            excursion = self.excursions[index]
            if excursion not in added:
                added[excursion] = _added(self._mac, excursion, x)
            seen[index] = _shows(self._rest, excursion, added[excursion], self._bits[index]).any()
        return seen


def covergroups(graph: Graph, node: Node) -> list[Covergroup]:
    """What shows of the running sums of a node that reads the inputs and never overflows.

    Nothing of other nodes, where a linear node reads the sums, and where all see them and none goes farther on its way
    than at its end: any product can be 0.
    """
    found = path_of(graph, node)
    is_result = node.name in {out.value for out in graph.outputs}
    free = set(node.inputs) <= {x.name for x in graph.inputs}
    if not free or overflows(graph, node.name) is not None or (not is_result and (found is None or found[0])):
        return []
    mac, rest = Mac.of(graph, node), None if is_result or found is None else found[1]
    if rest is None and mac.type.lo <= 0 <= mac.type.hi and not (mac.window.padded and mac.pad_value.any()):
        return []
    group = Running(mac, rest, list(_excursions(mac, rest)))
    return [group] if len(group.hit) else []


def _orders(mac: Mac) -> Iterator[tuple[int, IntArray]]:
    """Taps flat over (C/groups, KH, KW) in each order, (additions, products of each); every way to add but once."""
    taps, seen = np.arange(mac.weight[0].size).reshape(mac.weight.shape[1:]), set()
    rows = [taps.transpose(axes).reshape(-1) for axes in ((0, 1, 2), (1, 2, 0), (2, 1, 0))]
    folds = (mac.weight[0, 0].size, len(taps), len(taps))
    ways = [*(row[:, None] for row in rows), *(row.reshape(-1, fold) for row, fold in zip(rows, folds, strict=True))]
    for number, way in enumerate([*ways, *(way[::-1] for way in ways)]):
        key = (way.shape, np.sort(way, axis=1).tobytes())
        if key not in seen and len(way) > 1:
            seen.add(key)
            yield number, way


def _excursions(mac: Mac, rest: Rest | None) -> Iterator[Excursion]:
    rng = np.random.default_rng(0)
    sums = [
        _Sum(channel, place, *_ends(mac, channel, place))
        for place in _places(mac)
        for channel in range(len(mac.weight))
    ]
    targets = [[ANY] * len(sums) if rest is None else _targets(sums, rest, sign) for sign in SIGNS]
    for (order, taps), (way, sign) in product(_orders(mac), enumerate(SIGNS)):
        ways = [_Way(one, taps, sign, target) for one, target in zip(sums, targets[way], strict=True)]
        for found in sorted(ways, key=lambda one: -one.farthest)[:CHANNELS]:
            numbers = found.solved(rng)
            if numbers is None:
                continue
            one = found.sum
            elements = _elements(mac, one.channel, one.place, numbers)
            excursion = Excursion(mac.x, order, way, one.channel, one.place, taps, *elements, ())
            if bits := tuple(_widths(mac, rest, excursion, sign)):
                yield replace(excursion, bits=bits)
                break


@dataclass(frozen=True, eq=False)
class _Sum:
    """An element of the result: its weights, and the ends of what each tap reads, (taps,)."""

    channel: int
    place: tuple[int, int]
    weight: IntArray
    lo: IntArray
    hi: IntArray

    @property
    def reach(self) -> tuple[int, int]:
        """The lowest and the highest sum."""
        ends = np.stack([self.weight * self.lo, self.weight * self.hi])
        return int(ends.min(axis=0).sum()), int(ends.max(axis=0).sum())


def _targets(sums: Sequence[_Sum], rest: Rest, sign: int) -> list[int | str]:
    """For each the last sum, as far out as is found, of which one less far gives another result; NONE where it never
    turns."""
    lo, hi = (np.array(ends) for ends in zip(*(one.reach for one in sums), strict=True))
    channel = np.array([one.channel for one in sums])

    def results(numbers: IntArray) -> IntArray:
        """Of numbers (sums, K)."""
        return rest(channel.repeat(numbers.shape[1]), numbers.reshape(-1)).reshape(numbers.shape)

    far, near = (hi, lo) if sign > 0 else (lo, hi)
    steps = min(int((hi - lo).max()), SAMPLES)
    share = np.arange(steps + 1)
    numbers = far[:, None] - sign * ((hi - lo)[:, None] // max(steps, 1) * share)  # from the far end inwards
    numbers = np.concatenate([numbers, near[:, None]], axis=1)
    found = results(numbers)
    turns = found[:, 1:] != found[:, :-1]
    at = turns.argmax(axis=1)[:, None]
    outer, inner = (np.take_along_axis(numbers, at + k, axis=1) for k in (0, 1))
    kept = np.take_along_axis(found, at, axis=1)
    while (np.abs(outer - inner) > 1).any():
        middle = (outer + inner) // 2
        same = results(middle) == kept
        outer, inner = np.where(same, middle, outer), np.where(same, inner, middle)
    return [int(n) if turn else NONE for n, turn in zip(outer[:, 0], turns.any(axis=1), strict=True)]


def _places(mac: Mac) -> list[tuple[int, int]]:
    """Places of the result whose windows have the most pixels, and the fewest."""
    inside = mac.inside.sum(axis=(2, 3))
    found = {divmod(int(flat), inside.shape[1]) for flat in (inside.argmax(), inside.argmin())}
    return sorted(found)


def _ends(mac: Mac, channel: int, place: tuple[int, int]) -> tuple[IntArray, IntArray, IntArray]:
    """Weights of a channel and the ends of what each tap reads at a place, (taps,)."""
    inside = np.tile(mac.inside[place].reshape(-1), mac.weight.shape[1])
    pads = mac.pad_value[mac.group_of(channel)].repeat(mac.weight[0, 0].size)
    lo, hi = (np.where(inside, end, pads) for end in (mac.type.lo, mac.type.hi))
    return mac.weight[channel].reshape(-1), lo, hi


class _Way:
    """How far out a running sum can be that ends on the target, in an order of the taps.

    Attributes:
        farthest: number, 0 where there is no such sum.
    """

    def __init__(self, one: _Sum, taps: IntArray, sign: int, target: int | str) -> None:
        self.sum, self._taps, self._sign, self._target = one, taps, sign, target
        ends = np.stack([sign * one.weight * one.lo, sign * one.weight * one.hi])[:, taps]
        most, least = ends.max(axis=0).sum(axis=1).cumsum(), ends.min(axis=0).sum(axis=1)
        self.farthest, self._split = 0, 0
        if target == ANY or (isinstance(target, int) and least.sum() <= sign * target <= most[-1]):
            far = np.minimum(most, sign * target - (least.sum() - least.cumsum())) if isinstance(target, int) else most
            self._split = int(far.argmax()) + 1
            self.farthest = int(far.max())

    def solved(self, rng: np.random.Generator) -> IntArray | None:
        """What the taps hold, (taps,), flat over (C/groups, KH, KW); None when no way is found."""
        one, parts = self.sum, (self._taps[: self._split].reshape(-1), self._taps[self._split :].reshape(-1))
        out, back = (Sums(self._sign * one.weight[part], one.lo[part], one.hi[part]) for part in parts)
        for far in range(self.farthest, max(self.farthest - STEPS, 0), -1):
            left = self._sign * self._target - far if isinstance(self._target, int) else back.range[0]
            if out.find(far, far).number is None or back.find(left, left).number is None:
                continue
            there, again = out.solve(far, rng), back.solve(left, rng)
            if there is not None and again is not None:
                numbers = np.empty_like(one.weight)
                numbers[parts[0]], numbers[parts[1]] = there, again
                return numbers
        return None


def _elements(mac: Mac, channel: int, place: tuple[int, int], numbers: IntArray) -> tuple[IntArray, IntArray]:
    """Where the taps (taps,) of a place read the input, and what, without those that read the border."""
    pixels = np.tile(addresses(mac.window, *mac.shape[1:])[place].reshape(-1), mac.weight.shape[1])
    inputs = mac.group_of(channel).start + np.arange(len(numbers)) // mac.weight[0, 0].size
    indices = np.stack([inputs, *np.divmod(pixels, mac.shape[2])], axis=1)[pixels >= 0]
    return indices[:, :1] if mac.dense else indices, numbers[pixels >= 0]


def _widths(mac: Mac, rest: Rest | None, excursion: Excursion, sign: int) -> Iterator[int]:
    """Widths that a running sum leaves, of which it shows."""
    x = np.full((1, *mac.shape), mac.type.lo, dtype=np.int64)
    indices = excursion.indices if not mac.dense else np.pad(excursion.indices, ((0, 0), (0, 2)))
    x[0, indices[:, 0], indices[:, 1], indices[:, 2]] = excursion.numbers
    added = _added(mac, excursion, x)
    farthest = int((sign * added).cumsum(axis=1).max())
    for bits in range(MIN_BITS, farthest.bit_length() + 1):
        if _shows(rest, excursion, added, bits).all():
            yield bits


def _added(mac: Mac, excursion: Excursion, x: IntArray) -> IntArray:
    """What is added to the sum, in the order of addition, (N, additions)."""
    part, (row, column) = mac.group_of(excursion.channel), excursion.place
    (sy, sx), (dy, dx), (height, width) = mac.window.stride, mac.window.dilation, mac.window.kernel
    padded = mac.window.pad(x[:, part], mac.pad_value[part])
    rows, columns = row * sy + dy * np.arange(height), column * sx + dx * np.arange(width)
    read = padded[:, :, rows[:, None], columns].reshape(len(x), -1)
    products: IntArray = read * mac.weight[excursion.channel].reshape(-1)
    return np.asarray(products[:, excursion.taps].sum(axis=2))


def _shows(rest: Rest | None, excursion: Excursion, added: IntArray, bits: int) -> Bools:
    """Whether a sum that saturates after each addition gives another result, (N,)."""
    lowest, highest = -(1 << bits - 1), (1 << bits - 1) - 1
    sums = added.cumsum(axis=1)
    beyond = sums.max(axis=1) > highest if excursion.way == 0 else sums.min(axis=1) < lowest
    right = sums[beyond, -1]
    wrong = np.zeros_like(right)
    for numbers in added[beyond].T:
        wrong = (wrong + numbers).clip(lowest, highest)
    shows = np.zeros(len(added), dtype=bool)
    if rest is None:
        shows[beyond] = wrong != right
    else:
        where = np.full(len(right), excursion.channel)
        shows[beyond] = rest(where, wrong) != rest(where, right)
    return shows

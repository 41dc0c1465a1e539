"""Running sums: as far out on the way as they can be, and at the end where the result turns.

A design that adds its products one by one, or those of a pixel or a kernel at once, may clip on the way. Where its last
sums all fit, this shows only in sums that leave the range and come back; behind thresholds only in such that come back
to where a lower sum gives another result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from intinfer.accumulator import MIN_BITS
from intinfer.graph import Graph, Node
from intinfer.types import IntArray

from ...designs.mac import Mac, addresses
from .forms import overflows
from .group import Axis, Bools, Covergroup, Values
from .shown import Rest, path_of
from .ways import Element, Target, Way, targets

_FORWARD = (
    *("products in the order c, ky, kx", "products in the order ky, kx, c", "products in the order kx, ky, c"),
    *("a kernel at once, c by c", "a pixel at once, row by row", "a pixel at once, column by column"),
)
ORDERS = (*_FORWARD, *(f"{order}, from the end" for order in _FORWARD))
WAYS = ("highest", "lowest")
SIGNS = (1, -1)
BINS = 512
"""Bins, at most, of channels that do not go farthest."""

APART = 64
"""Places of theirs."""

AT_ONCE = 2**21
"""Products that are looked at in one step, about."""

CHANNELS = 4
"""Channels that are tried, those that can go out farthest first."""


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
    """Bins (order, end, channel, width): a running sum that saturates at this width gives another result of the region.

    Attributes:
        excursions: for each bin inputs that hit it.
    """

    def __init__(self, mac: Mac, rest: Rest | None, excursions: list[Excursion]) -> None:
        self._mac, self._rest = mac, rest
        bins = [(excursion, bits) for excursion in excursions for bits in excursion.bits]
        self.excursions = [excursion for excursion, _ in bins]
        least, most = min((bits for _, bits in bins), default=0), max((bits for _, bits in bins), default=0)
        words = tuple(f"{bits} bits" for bits in range(least, most + 1))
        axes = (Axis("order", ORDERS), Axis("end", WAYS), Axis("channel", len(mac.weight)), Axis("width", words))
        rows = [(excursion.order, excursion.way, excursion.channel, bits - least) for excursion, bits in bins]
        self._bits = np.array([bits for _, bits in bins], dtype=np.int64)
        sentence = "the sum leaves this width on the way, and a design that clips it there gives another result"
        coordinates = np.array(rows, dtype=np.int64).reshape(-1, 4)
        super().__init__(mac.node.name, "running sums", sentence, axes, self._seen, coordinates=coordinates)

    def _seen(self, values: Values) -> Bools:
        seen = self.hit.copy()  # what is hit stays hit: only the others are looked at
        taps = self._mac.taps(values[self._mac.x])
        order = self.coordinates[:, 0]
        for number in np.unique(order[~seen]):
            size = int((order == number).sum()) * self._mac.weight[0].size
            for start in range(0, len(taps), step := max(1, AT_ONCE // size)):
                bins = np.flatnonzero((order == number) & ~seen)
                if len(bins):
                    seen[bins] = self._show(bins, taps[start : start + step]).any(axis=0)
        return seen

    def _show(self, bins: IntArray, taps: IntArray) -> Bools:
        """Whether bins of one order show in frames, (N, bins)."""
        mac, excursions = self._mac, [self.excursions[index] for index in bins]
        way, channel = self.coordinates[bins, 1:3].T
        inputs = np.stack([np.arange(taps.shape[1])[mac.group_of(c)] for c in channel])
        y, x = np.array([excursion.place for excursion in excursions]).T[..., None]
        read = taps[:, inputs, y, x].reshape(len(taps), len(bins), -1)
        added = (read * mac.weight[channel].reshape(len(bins), -1))[:, :, excursions[0].taps].sum(axis=3)
        return _shows(self._rest, channel, way, added, self._bits[bins])


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
    group = Running(mac, rest, list(_Search(mac, rest).excursions()))
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


class _Search:
    """Finds excursions of a node."""

    def __init__(self, mac: Mac, rest: Rest | None) -> None:
        self._mac, self._rest, self._rng = mac, rest, np.random.default_rng(0)
        inside = mac.inside.sum(axis=(2, 3))
        most, fewest = (divmod(int(flat), inside.shape[1]) for flat in (inside.argmax(), inside.argmin()))
        channels, places = range(len(mac.weight)), sorted({most, fewest})
        self._elements = [Element.of(mac, channel, place) for place in places for channel in channels]
        self._wanted: list[list[Target]] = [
            ["any"] * len(self._elements) if rest is None else targets(self._elements, rest, sign) for sign in SIGNS
        ]
        self._whole = _apart(mac, np.argwhere(inside == inside.max()))

    def excursions(self) -> Iterator[Excursion]:
        """Of each order and end the one that goes farthest, with all widths; in the usual orders one of each other
        channel with its widest, as long as BINS allows, at places whose windows have no pixel in common."""
        bins = 0
        for (order, taps), way in product(_orders(self._mac), range(len(WAYS))):
            pairs = zip(self._elements, self._wanted[way], strict=True)
            ways = sorted((Way(one, taps, SIGNS[way], target) for one, target in pairs), key=lambda one: -one.farthest)
            tried = (self._excursion(one, order, taps, way, one.element.place) for one in ways[:CHANNELS])
            farthest = next((found for found in tried if found), None)
            if farthest:
                yield farthest
            for one in ways if order < len(_FORWARD) else ():
                place = self._whole[bins % len(self._whole)]
                done = farthest is not None and one.element.channel == farthest.channel
                if done or one.element.place not in self._whole or bins >= BINS:
                    continue
                if found := self._excursion(one, order, taps, way, place):
                    bins += 1
                    yield replace(found, bits=found.bits[-1:])

    def _excursion(self, one: Way, order: int, taps: IntArray, way: int, place: tuple[int, int]) -> Excursion | None:
        """At a place whose window is cut as that of the way's element; None when none is found that shows."""
        numbers, channel = one.solved(self._rng), one.element.channel
        if numbers is None:
            return None
        added = (one.element.weight * numbers)[taps].sum(axis=1)[None]
        farthest = int((SIGNS[way] * added).cumsum(axis=1).max())
        elements = _elements(self._mac, channel, place, numbers)
        found = Excursion(self._mac.x, order, way, channel, place, taps, *elements, ())
        bits = np.arange(MIN_BITS, farthest.bit_length() + 1)
        channels, ways = (np.full(len(bits), number) for number in (channel, way))
        shown = _shows(self._rest, channels, ways, np.repeat(added[None], len(bits), axis=1), bits)
        return replace(found, bits=tuple(bits[shown[0]].tolist())) if shown.any() else None


def _apart(mac: Mac, places: IntArray) -> list[tuple[int, int]]:
    """Of places (P, 2) in C order some whose windows have no pixel in common, the first among them."""
    kept: list[tuple[int, int]] = []
    steps = [-(-reach // stride) for reach, stride in zip(mac.window.reach, mac.window.stride, strict=True)]
    for place in map(tuple, places.tolist()):
        if all(any(abs(a - b) >= step for a, b, step in zip(place, other, steps, strict=True)) for other in kept):
            kept.append(place)
        if len(kept) == APART:
            break
    return kept


def _elements(mac: Mac, channel: int, place: tuple[int, int], numbers: IntArray) -> tuple[IntArray, IntArray]:
    """Where the taps (taps,) of a place read the input, and what, without those that read the border."""
    pixels = np.tile(addresses(mac.window, *mac.shape[1:])[place].reshape(-1), mac.weight.shape[1])
    inputs = mac.group_of(channel).start + np.arange(len(numbers)) // mac.weight[0, 0].size
    indices = np.stack([inputs, *np.divmod(pixels, mac.shape[2])], axis=1)[pixels >= 0]
    return indices[:, :1] if mac.dense else indices, numbers[pixels >= 0]


def _shows(rest: Rest | None, channel: IntArray, way: IntArray, added: IntArray, bits: IntArray) -> Bools:
    """Whether sums of `added` (N, B, additions) that saturate at so many bits after each addition give other results.

    Args:
        channel, way, bits: (B,).
    """
    lowest, highest = -(1 << bits - 1), (1 << bits - 1) - 1
    sums = added.cumsum(axis=2)
    beyond = np.where(way == 0, sums.max(axis=2) > highest, sums.min(axis=2) < lowest)
    _, b = beyond.nonzero()
    right, wrong = sums[beyond, -1], np.zeros(len(b), dtype=np.int64)
    for numbers in added[beyond].T:
        wrong = (wrong + numbers).clip(lowest[b], highest[b])
    results = [wrong, right] if rest is None else [rest(channel[b], numbers) for numbers in (wrong, right)]
    shows = np.zeros(beyond.shape, dtype=bool)
    shows[beyond] = results[0] != results[1]
    return shows

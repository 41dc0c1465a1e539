"""What a design can get wrong in one frame only: tried on the reference's values of that frame, node by node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

import numpy as np

from intinfer.accumulator import Accumulator, Overflow
from intinfer.bounds import bounds_of
from intinfer.graph import Graph, Node, Value
from intinfer.ops import Gather, Op
from intinfer.ops.mac import Accumulating, weighted_sums
from intinfer.types import IntArray

from ...designs.mac import Mac
from .forms import Prover, overflows
from .group import Bools, Values

RESET, LOWEST, HIGHEST, EQUAL = range(4)
AFTER = ("after reset", "after all lowest", "after all highest", "after an equal frame")
"""What can come before a frame. What a design leaks from frame to frame shows in one of the last three."""

ENDS = {LOWEST: "lowest", HIGHEST: "highest"}
"""The frames before that are known."""

Before = Mapping[int, Values | None]
"""The values of the frames `ENDS`, one frame each; None of one on which an accumulator traps."""


@dataclass(frozen=True, eq=False)
class Faults:
    """Ways to be wrong in a frame that follows `after`, and whether it would show.

    Attributes:
        after: RESET, LOWEST, HIGHEST or EQUAL.
        words: what is wrong, one for each way.
        seen: (values of the frame, values of the one before) -> whether the node's result is another one, (ways,).
            Both are traces of one frame; nothing came before a reset.
        hidden: for each way why no frame at all shows it, or "".
    """

    after: int
    words: tuple[str, ...]
    seen: Callable[[Values, Values], Bools]
    hidden: tuple[str, ...]


def fault(after: int, words: str, seen: Callable[[Values, Values], bool], hidden: str) -> Faults:
    """A single way to be wrong."""
    return Faults(after, (words,), lambda now, before: np.array([bool(seen(now, before))]), (hidden,))


class Site:
    """A node at which faults are tried."""

    def __init__(self, graph: Graph, node: Node, prover: Prover, before: Before) -> None:
        self.graph, self.node, self.prover, self.before = graph, node, prover, before
        self.name = node.name
        self.operands: dict[str, Value] = {name: graph.values[name] for name in node.inputs}
        self.free = set(node.inputs) <= {x.name for x in graph.inputs}
        """Whether the node reads only what a frame sets as it likes."""
        self.rule = overflows(graph, node.name)
        op = node.op
        if isinstance(op, Accumulating) and op.accumulator.overflow is Overflow.TRAP:
            op = op.accumulating(Accumulator.prove(62))  # a wrong design goes on where the reference stops
        self.op: Op = op
        self.why_constant = f"{self.name!r} is the same in every frame"
        """The reason that `constant` is for faults that no frame shows."""

    def result(self, values: Values, changed: Values, op: Op | None = None) -> IntArray:
        """What the node, or another op in its place, makes of changed inputs."""
        return (op or self.op).reference(*(changed.get(name, values[name]) for name in self.node.inputs))

    def differs(self, values: Values, changed: Values, op: Op | None = None) -> bool:
        """Whether the node, or another op in its place, gives another result of changed inputs."""
        return not np.array_equal(self.result(values, changed, op), values[self.name])

    @property
    def _single(self) -> bool:
        """Whether there is but one input."""
        return all(value.type.lo == value.type.hi for value in self.operands.values())

    @cached_property
    def constant(self) -> bool:
        """Whether the result is proven to be the same in every frame."""
        if self._single:
            return True
        if self.rule is Overflow.SATURATE:
            return bool((self._saturated[0] == self._saturated[1]).all())
        if self.rule is Overflow.WRAP:
            places = self.prover.forms(self.name, True).places
            channels = ([self._wrapped(at) for at in places(self.name, c)] for c in range(self.node.output.shape[0]))
            return all(len({end for ends in channel for end in ends}) == 1 for channel in channels)
        lo, hi = bounds_of(self.graph).channels[self.name]
        return bool((lo == hi).all())

    @cached_property
    def _saturated(self) -> tuple[IntArray, IntArray]:
        """The lowest and highest result of a saturating accumulator by channel and border pattern, (O, patterns).

        Each clipped partial sum is monotone in each input: the ends of the inputs give the ends of the result.
        """
        mac = Mac.of(self.graph, self.node)
        order, _ = mac.folds()
        weights = mac.weight.reshape(len(mac.weight), -1)
        borders = np.stack(mac.border_patterns())
        pads = np.repeat(mac.pad_value.reshape(mac.groups, -1), mac.weight[0, 0].size, axis=1)
        pads = np.repeat(pads, len(weights) // mac.groups, axis=0)
        ends = []
        for up, down in ((mac.type.lo, mac.type.hi), (mac.type.hi, mac.type.lo)):
            inside = np.where(weights > 0, up, down)
            columns = np.where(borders[None, :], pads[:, None], inside[:, None])[..., order]
            ends.append(weighted_sums(columns[None], weights[:, None, order], mac.accumulator)[0])
        return ends[0], ends[1]

    def _wrapped(self, place: tuple[int, ...]) -> tuple[int, int]:
        """Between which numbers an element of a wrapping accumulator lies: one when sums differ by whole turns."""
        assert isinstance(self.node.op, Accumulating)
        rule, sums = self.node.op.accumulator, self.prover.forms(self.name, True).at(self.name, place).sums
        lo, hi = sums.range
        if ((hi - lo) % 2**rule.bits == 0 and sums.unit % 2**rule.bits == 0) or lo == hi:
            number = int(rule.wrap_sum(np.array(lo)))
            return number, number
        return rule.type.lo, rule.type.hi

    @property
    def first_place(self) -> tuple[int, ...]:
        """The first pixel of the result, (y, x); () of a vector."""
        return (0,) * (len(self.node.output.shape) - 1)

    @property
    def last_place(self) -> tuple[int, ...]:
        """The last pixel of the result, (y, x); () of a vector."""
        return tuple(extent - 1 for extent in self.node.output.shape[1:])

    def at(self, values: Values, place: tuple[int, ...]) -> IntArray:
        """The channels of the result at one pixel of a frame, (C,); all of a vector."""
        result: IntArray = values[self.name][0]
        return result[:, place[0], place[1]] if place else result

    def fixed(self, place: tuple[int, ...]) -> IntArray | None:
        """The channels at a pixel where they are proven to be always the same, (C,)."""
        known = [lo for lo, _ in takewhile(lambda ends: ends[0] == ends[1], self.ends(place))]
        return np.array(known) if len(known) == self.node.output.shape[0] else None

    def ends(self, place: tuple[int, ...]) -> Iterator[tuple[int, int]]:
        """Between which numbers each channel of a pixel is proven to lie."""
        channels, known = range(self.node.output.shape[0]), self.before[LOWEST]
        if self._single and known is not None:
            yield from ((number, number) for number in self.at(known, place).tolist())
        elif self.rule is Overflow.SATURATE:
            mac = Mac.of(self.graph, self.node)
            own = np.tile(~mac.inside[place or (0, 0)].reshape(-1), mac.weight.shape[1])
            k = next(k for k, pattern in enumerate(mac.border_patterns()) if np.array_equal(pattern, own))
            yield from ((int(self._saturated[0][c, k]), int(self._saturated[1][c, k])) for c in channels)
        elif isinstance(self.op, Gather):
            (x,), index = self.operands.values(), self.op.index.values
            for source in (index[:, place[0], place[1]] if place else index).tolist():
                yield (self.op.fill, self.op.fill) if source < 0 else (x.type.lo, x.type.hi)
        elif self.rule is Overflow.WRAP:
            yield from (self._wrapped((c, *place)) for c in channels)
        else:
            lo, hi = bounds_of(self.graph).ranges_at(self.name, place)
            yield from zip(lo.tolist(), hi.tolist(), strict=True)

    def zero(self, numbers: IntArray) -> Bools:
        """Whether adding these numbers to a sum changes nothing."""
        if isinstance(self.node.op, Accumulating) and self.rule is Overflow.WRAP:
            numbers = self.node.op.accumulator.wrap_sum(numbers)
        return np.asarray(numbers == 0)


def varies(rows: Sequence[IntArray]) -> Bools:
    """Whether the rows of one of the arrays (K, C) differ, by channel."""
    return np.asarray(np.logical_or.reduce([(array != array[:1]).any(axis=0) for array in rows]))


@dataclass(frozen=True, eq=False)
class Order:
    """Another order of the elements of a value.

    Attributes:
        words: what the order is.
        source: (elements,) where each element comes from, flat.
        channels: (C,) the same for whole channels, None when pixels move.
    """

    words: str
    source: IntArray
    channels: IntArray | None

    def of(self, array: IntArray) -> IntArray:
        """Values (N, *shape) in this order."""
        return array.reshape(len(array), -1)[:, self.source].reshape(array.shape)

    @property
    def moved(self) -> Bools:
        """Whether an element comes from elsewhere, (elements,)."""
        return np.asarray(self.source != np.arange(len(self.source)))


def orders(value: Value) -> Iterator[Order]:
    """Channels reversed and one off; pixels and rows one late."""
    channels = value.shape[0]
    places = np.arange(value.size).reshape(channels, -1)
    index = np.arange(channels)
    if channels > 1:
        yield Order(f"channels of {value.name!r} reversed", places[::-1].reshape(-1), index[::-1])
    if channels > 2:
        yield Order(f"channels of {value.name!r} one off", np.roll(places, 1, 0).reshape(-1), np.roll(index, 1))
    if places.shape[1] > 1:
        yield Order(f"{value.name!r} one pixel late", np.roll(places, 1, 1).reshape(-1), None)
        rows = places.reshape(value.shape)
        if min(rows.shape[1:]) > 1:
            yield Order(f"{value.name!r} one row late", np.roll(rows, 1, 1).reshape(-1), None)


Hidden = Callable[[Site, Value, Order], str]
"""Why no frame shows that an input of an op comes in another order, or ""."""


def reordered(site: Site, together: tuple[str, ...], hidden: Hidden) -> Iterator[Faults]:
    """What a node reads comes in another order: each input alone, but for those that are moved together."""
    for name in site.operands:
        if name in together[1:]:
            continue
        moving = together if name in together else (name,)
        for order in orders(site.operands[name]):

            def seen(now: Values, before: Values, order: Order = order, moving: tuple[str, ...] = moving) -> bool:
                return site.differs(now, {other: order.of(now[other]) for other in moving})

            reasons = [_reason(site, site.operands[other], order, hidden) for other in moving]
            yield fault(RESET, f"{site.name}: {order.words}", seen, reasons[0] if all(reasons) else "")


def _reason(site: Site, value: Value, order: Order, hidden: Hidden) -> str:
    if site.free and site.constant:  # elsewhere a channel may be constant because of what its input holds
        return site.why_constant
    if value.type.lo == value.type.hi:
        return f"{value.name!r} is always {value.type.lo}"
    return hidden(site, value, order)

"""Faults of order: what a node reads comes in another order in one frame, and the proofs that this changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from intinfer.accumulator import Overflow
from intinfer.graph import Value
from intinfer.ops import MaxPool, SumPool
from intinfer.ops.base import Elementwise, Monotone
from intinfer.ops.linear import Linear
from intinfer.types import IntArray

from .fault import RESET, Faults, Site, fault, varies
from .group import Bools, Values
from .mac import Mac

MATRIX = 2**20
"""Largest matrix of a linear op that is made to compare its columns."""


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
        return array.reshape(len(array), -1)[:, self.source].reshape(array.shape)

    @property
    def moved(self) -> Bools:
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


def faults(site: Site) -> Iterator[Faults]:
    """Of each input alone; of both branches of a multiplexer together where one channel shows but one of them."""
    names = tuple(site.operands)
    together: tuple[str, ...] = ()
    if site.node.op.kind == "mux" and site.operands[site.node.inputs[0]].shape == (1,):
        together = tuple(dict.fromkeys(site.node.inputs[1:]))
    for name in names:
        if name in together[1:]:
            continue
        moving = together if name in together else (name,)
        for order in orders(site.operands[name]):

            def seen(now: Values, before: Values, order: Order = order, moving: tuple[str, ...] = moving) -> bool:
                return site.differs(now, {other: order.of(now[other]) for other in moving})

            reasons = [hidden(site, site.operands[other], order) for other in moving]
            yield fault(RESET, f"{site.name}: {order.words}", seen, reasons[0] if all(reasons) else "")


def hidden(site: Site, value: Value, order: Order) -> str:
    """Why no frame shows the order, or ""."""
    if site.free and site.constant:  # elsewhere a channel may be constant because of what its input holds
        return site.why_constant()
    if value.type.lo == value.type.hi:
        return f"{value.name!r} is always {value.type.lo}"
    kind = site.node.op.kind
    if isinstance(site.node.op, Elementwise):
        channels = order.moved.reshape(value.shape[0], -1).any(axis=1)
        alike = not (channels & depends(site, value)).any()
        return f"{site.name!r} does not depend on what moves" if alike else ""
    if kind in ROUTING:
        source = sources(site, value)
        read = source[source >= 0]
        return "what moves is not read" if np.array_equal(order.source[read], read) else ""
    if kind in ("conv2d", "dense"):
        return "the weights are the same" if _same_weights(site, value, order) else ""
    if kind in ("max_pool", "sum_pool"):
        return "the windows hold the same pixels" if _same_windows(site, value, order) else ""
    if kind == "tgap" and order.channels is None:
        return "a sum does not depend on the order of its pixels"
    if kind == "mux":
        return _never_chosen(site, value)
    return ""


FEW = 4096
"""Numbers of a type that are all looked at."""
ROUTING = ("concat", "channel_select", "flatten", "gather")


def depends(site: Site, value: Value) -> Bools:
    """Whether a channel of an elementwise op depends on one of its inputs, (C,).

    A monotone op depends on an input when its ends give different results, for a mean of two levels beside one of two
    neighbouring levels. Of another op all numbers are looked at, if they are few; if not, it counts as depending.
    """
    channels, type_ = value.shape[0], value.type
    if isinstance(site.node.op, Monotone | Linear):
        numbers = np.array([type_.lo, type_.hi])
    elif type_.hi - type_.lo < FEW:
        numbers = np.arange(type_.lo, type_.hi + 1)
    else:
        return np.ones(channels, dtype=bool)
    rows = np.repeat(numbers[:, None], channels, axis=1)
    results = []
    for step in (0, 1):
        others = {
            name: np.full(rows.shape, min(other.type.lo + step, other.type.hi)) for name, other in site.operands.items()
        }
        results.append(site.result(others, {value.name: rows}))
    return varies(results)


def sources(site: Site, value: Value) -> IntArray:
    """Which element of a value an op that only moves puts at each place, flat; -1 for none of them."""
    found = []
    for base in (0, value.size):
        arrays = {name: np.zeros((1, *other.shape), dtype=np.int64) for name, other in site.operands.items()}
        address = base + np.arange(value.size).reshape(1, *value.shape)
        found.append(site.result(arrays, {value.name: address}).reshape(-1))
    return np.where(found[0] == found[1], -1, found[0])


def _same_weights(site: Site, value: Value, order: Order) -> bool:
    """Whether every sum has the same weight for an element and for the one that comes instead of it."""
    mac = Mac.of(site.graph, site.node)
    if site.rule is Overflow.SATURATE and not _clipped_once(mac):
        return False  # partial sums depend on the order as well
    if order.channels is not None:
        pairs = enumerate(order.channels.tolist())
        met = meets(mac)
        return not any(weighted_apart(site, mac, a, b, met).any() for a, b in pairs)
    noise = np.random.default_rng(0).integers(value.type.lo, value.type.hi, (1, *value.shape), endpoint=True)
    apart = mac.exact({value.name: order.of(noise)}) - mac.exact({value.name: noise})
    if not site.zero(apart).all() or value.size * site.node.output.size > MATRIX:
        return False
    hots = np.eye(value.size + 1, value.size, dtype=np.int64).reshape(-1, *value.shape)  # and zeros
    matrix = mac.exact({value.name: hots})
    return bool(site.zero(matrix[order.source] - matrix[:-1]).all())


def _clipped_once(mac: Mac) -> bool:
    """Whether a saturating sum is its exact sum clipped: it has one fold, or its products all have the same sign."""
    weight = mac.weight.reshape(len(mac.weight), -1)
    one_way = (weight >= 0).all(axis=1) | (weight <= 0).all(axis=1)
    one_sided = mac.type.lo >= 0 or mac.type.hi <= 0
    return weight.shape[1] <= (mac.accumulator.fold or 1) or bool(one_sided and one_way.all())


def meets(mac: Mac) -> IntArray:
    """Which taps of a kernel meet a pixel somewhere, (KH, KW) of 0 and 1."""
    inside = mac.window.pad(np.ones((1, 1, *mac.shape[1:]), dtype=np.int64), 0)
    return np.asarray(mac.window.view(inside)[0, 0].max(axis=(0, 1)))


def kernel_apart(mac: Mac, a: int, b: int) -> IntArray:
    """What the difference of two input channels is weighted with when they are exchanged, (outputs, KH, KW)."""
    inner, share = mac.weight.shape[1], len(mac.weight) // mac.groups
    one, other = (mac.weight[c // inner * share : (c // inner + 1) * share, c % inner] for c in (a, b))
    return one - other if a // inner == b // inner else np.concatenate([one, -other])


def weighted_apart(site: Site, mac: Mac, a: int, b: int, met: IntArray) -> Bools:
    """Where sums weight two input channels differently."""
    return ~site.zero(kernel_apart(mac, a, b) * met)


def _same_windows(site: Site, value: Value, order: Order) -> bool:
    """Pixels move alike in all channels: the set of pixels of each window is compared. Whole channels always show."""
    op = site.node.op
    assert isinstance(op, MaxPool | SumPool)
    if order.channels is not None:
        return False
    pixels = value.size // value.shape[0]
    address = np.arange(pixels).reshape(1, 1, *value.shape[1:])
    windows = op.window.view(op.window.pad(address, -1)).reshape(-1, op.kernel[0] * op.kernel[1])
    moved = np.where(windows < 0, -1, order.source[:pixels][windows])
    return np.array_equal(np.sort(windows, axis=1), np.sort(moved, axis=1))


def _never_chosen(site: Site, value: Value) -> str:
    select, one, zero = (site.values[name] for name in site.node.inputs)
    if value.name == select.name:
        return "" if may_differ(one, zero) else "both branches are one and the same"
    if one.name != zero.name:
        if value.name == one.name and select.type.hi == 0:
            return f"{select.name!r} is always 0"
        if value.name == zero.name and select.type.lo == 1:
            return f"{select.name!r} is always 1"
    return ""


def may_differ(one: Value, zero: Value) -> bool:
    """Whether the branches of a multiplexer can hold different numbers."""
    return one.name != zero.name and not one.type.lo == one.type.hi == zero.type.lo == zero.type.hi

"""Faults of order: what a node reads comes in another order in one frame, and the proofs that this changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from intinfer.graph import Value
from intinfer.types import IntArray

from .fault import RESET, Faults, Site, fault
from .group import Bools, Values


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


def faults(site: Site, together: tuple[str, ...], hidden: Hidden) -> Iterator[Faults]:
    """Another order of each input alone, but for those that are moved together."""
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
        return site.why_constant()
    if value.type.lo == value.type.hi:
        return f"{value.name!r} is always {value.type.lo}"
    return hidden(site, value, order)

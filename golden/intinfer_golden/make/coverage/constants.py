"""Faults of constants: a channel works with those of another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from intinfer.ops import Op
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from .fault import RESET, Faults, Site, fault
from .group import Bools, Values

FEW = 3
"""Elements that stand on both sides of thresholds only where other faults are hidden by it."""


def exchanged(site: Site, telling: Callable[[IntArray], tuple[IntArray, bool]]) -> Iterator[Faults]:
    """Constants of channel 0 for all channels, and those of the next channel.

    Args:
        telling: see `ops.base.PerChannel`.
    """
    (x,) = site.operands.values()
    channels = x.shape[0]
    for words, order in others(channels):
        wrong = with_rows(site.op, channels, order) if channels > 1 else None
        if wrong is None or (x.size <= FEW and not order.any()):
            continue  # of so few elements the next row has to do in one frame
        numbers, complete = telling(order)
        same = not varies_between(site.op, wrong, numbers).any()
        reason = "these constants give the same results" if complete and same else ""

        def seen(now: Values, before: Values, wrong: Op = wrong) -> bool:
            return site.differs(now, {}, wrong)

        yield fault(RESET, f"{site.name}: {words}", seen, reason)


def others(channels: int) -> Iterator[tuple[str, IntArray]]:
    """Whose constants each channel may wrongly have: in words, and their channels (C,)."""
    yield "constants of channel 0 for all channels", np.zeros(channels, dtype=np.int64)
    yield "constants of the next channel", np.roll(np.arange(channels), -1)


def with_rows(op: Op, channels: int, order: IntArray) -> Op | None:
    """The op with the rows of its constants in another order, None when all channels share one row."""
    tensors = {name: value for name, value in vars(op).items() if isinstance(value, IntTensor)}
    rows = {name: t for name, t in tensors.items() if t.shape[0] == channels}
    if not rows:
        return None
    return replace(op, **{name: IntTensor(t.values[order], t.encoding) for name, t in rows.items()})


def varies_between(op: Op, wrong: Op, numbers: IntArray) -> Bools:
    """(K, C) where two ops differ on the numbers (K, C)."""
    return np.asarray(op.reference(numbers) != wrong.reference(numbers))

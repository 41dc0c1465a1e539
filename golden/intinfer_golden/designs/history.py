"""What is left over of the frame before: states that are not cleared."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.types import IntArray

from .mistake import Change, Mistake, listed


def delayed(values: IntArray, zero: bool = False) -> IntArray:
    """Each frame is the one before; the first stays, or is 0."""
    first = np.zeros_like(values[:1]) if zero else values[:1]
    return np.concatenate([first, values[:-1]])


def running(what: str, sums: Change, finish: Change) -> Iterator[Mistake]:
    """Sums that go on from frame to frame, in `what`; `finish` makes the result of them."""

    def once(x: IntArray) -> IntArray:
        found = sums(x)
        return finish(found + delayed(found, zero=True))

    table: dict[str, Change] = {
        f"{what} is not cleared: the sums of all frames before are added": lambda x: finish(sums(x).cumsum(axis=0)),
        f"{what} is not cleared: the sum of the frame before is added": once,
        "the sum is the one of the frame before": lambda x: finish(delayed(sums(x), zero=True)),
    }
    return listed(table, history=True)

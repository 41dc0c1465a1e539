"""What mistakes are made of: arrays cut to fewer bits, or with another value in some place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from intinfer.types import IntArray

Change = Callable[..., IntArray]
"""From the operands of a node, each int64 (N, *shape), or from one array, to what is made of them."""

Place = tuple[int | slice, ...]
"""Of one entry of an array, or of several."""


def ends(bits: int, signed: bool) -> tuple[int, int]:
    """The lowest and highest number of `bits` bits."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def with_entry(array: IntArray, at: int | Place, value: int | IntArray) -> IntArray:
    """A copy with another value at some place."""
    changed = array.copy()
    changed[at] = value
    return changed


def at_axis(axis: int, index: int | slice) -> Place:
    """The place of an index along an axis, all of the axes before it."""
    return (*[slice(None)] * axis, index)


def wrapped(values: IntArray, bits: int, signed: bool) -> IntArray:
    """Values cut to their low `bits` bits, which are two's complement where `signed`; as they are from 64 bits on."""
    if bits >= 64:
        return values
    half = np.int64(1 << (bits - 1)) if signed else np.int64(0)
    return ((values + half) & np.int64((1 << bits) - 1)) - half

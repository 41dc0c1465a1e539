"""A mistake of a design, and what mistakes are made of: arrays of fewer bits, or with another value in some place, ops
with other constants, other roundings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from intinfer.ops import Op
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, Mask

Kind = TypeVar("Kind", bound=Op)
What = TypeVar("What")

Change = Callable[..., IntArray]
"""From the operands of a node, each int64 (N, *shape), or from one array, to what is made of them."""

Place = tuple[int | slice, ...]
"""Of one entry of an array, or of several."""

Families = tuple[Iterator["Mistake"], ...]
"""Mistakes of several kinds, those of a kind in the order in which they are told."""


@dataclass(frozen=True)
class Mistake:
    """What a design may have done, and what a node then gives.

    Attributes:
        text: what the design did, with numbers and coordinates.
        values: what the node then gives, from its operands for some frames, each int64 (N, *shape).
        choices: among how many of its kind this one was picked to fit; 1 where there was nothing to pick.
        history: a frame depends on those before it; `values` gets all frames from the first on.
        placed: it shows in one place alone, which was known before the dump was seen: a single difference may be it.
        kind: of several that explain a dump and are of one kind, the first alone is told.
    """

    text: str
    values: Change
    choices: int = 1
    history: bool = False
    placed: bool = False
    kind: str = ""


def listed(
    table: Mapping[str, Change], choices: int = 1, *, history: bool = False, kind: str = ""
) -> Iterator[Mistake]:
    """A mistake an entry: what the design did, and what the node then gives."""
    return (Mistake(text, values, choices, history, kind=kind) for text, values in table.items())


def possible(*rows: tuple[bool, str, What]) -> dict[str, What]:
    """A table of the rows (whether it can be, what the design did, how) that can be."""
    return {text: what for can_be, text, what in rows if can_be}


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


def stored(op: Op) -> dict[str, IntTensor]:
    """The constants of an op by the names of its attributes."""
    return {name: value for name, value in vars(op).items() if isinstance(value, IntTensor)}


def altered(op: Kind, **constants: IntArray) -> Kind:
    """An op with other constants."""
    return replace(op, **{name: IntTensor(values) for name, values in constants.items()})


def of_channels(op: Kind, channels: IntArray | list[int]) -> Kind:
    """A channelwise op on some channels, in any order; constants that all channels share stay as they are."""
    return altered(op, **{name: t.values[channels] for name, t in stored(op).items() if t.shape[0] > 1})


def of_channel(op: Kind, channel: int) -> Kind:
    """A channelwise op on one channel alone."""
    return of_channels(op, [channel])


def weighted(multipliers: Sequence[int]) -> Change:
    """The sum of the operands, each with its multiplier."""
    return lambda *xs: np.sum([m * x for m, x in zip(multipliers, xs, strict=True)], axis=0)


def clipped(change: Change, lo: int, hi: int) -> Change:
    """A change whose values are then clipped to lo..hi."""
    return lambda z: np.clip(change(z), lo, hi)


ROUNDINGS: dict[str, Callable[[IntArray, IntArray, IntArray, IntArray], Mask]] = {
    "floor": lambda rest, half, floor, z: rest < 0,
    "ceil": lambda rest, half, floor, z: rest > 0,
    "toward zero": lambda rest, half, floor, z: (rest > 0) & (z < 0),
    "half_up": lambda rest, half, floor, z: rest >= half,
    "half down": lambda rest, half, floor, z: rest > half,
    "half_even": lambda rest, half, floor, z: (rest > half) | ((rest == half) & (floor & 1 == 1)),
    "half odd": lambda rest, half, floor, z: (rest > half) | ((rest == half) & (floor & 1 == 0)),
    "half_away": lambda rest, half, floor, z: (rest > half) | ((rest == half) & (z >= 0)),
    "half toward zero": lambda rest, half, floor, z: (rest > half) | ((rest == half) & (z < 0)),
}
"""Every way in which designs round: whether z, the quotient `floor` and a rest above it, rounds up."""


def shifted(kind: str, z: IntArray, shift: IntArray) -> IntArray:
    """z / 2^shift as an integer."""
    floor = z >> shift
    half = np.int64(1) << np.maximum(shift - 1, 0)  # without a shift there is no rest
    return floor + ROUNDINGS[kind](z - (floor << shift), half, floor, z)

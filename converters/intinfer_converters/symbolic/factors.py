"""Factors of a layout: places of elements as sums of a few tables, one a digit of the element's number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from intinfer.types import IntArray

NOWHERE = -(2**40)
"""The place of what is no element of the value: sums of it with other places stay below `_PRESENT`."""
_PRESENT = -(2**39)


@dataclass(frozen=True, eq=False)
class Factor:
    """A digit of `extent` values: it moves an element by stride * digit, or by places[digit] where there are places."""

    extent: int
    stride: int
    places: IntArray | None = None

    @property
    def table(self) -> IntArray:
        """(extent,) by how much each digit moves an element."""
        return np.arange(self.extent) * self.stride if self.places is None else self.places

    @property
    def moves(self) -> bool:
        """Whether its places differ."""
        return self.stride != 0 or self.places is not None

    def same(self, other: Factor) -> bool:
        """Whether it has the places of another one."""
        if self.places is None or other.places is None:
            return self.places is other.places and (self.extent, self.stride) == (other.extent, other.stride)
        return np.array_equal(self.places, other.places)

    def split(self, inner: int) -> tuple[int, Factors] | None:
        """An offset, and factors of which the last ones have `inner` digits; None when there are none."""
        if self.places is None:
            return 0, (Factor(self.extent // inner, self.stride * inner), Factor(inner, self.stride))
        grid = self.places.reshape(-1, inner)
        row, column = np.unravel_index(np.argmax(is_present(grid)), grid.shape)
        outer, rest = grid[:, column], grid[row] - grid[row, column]
        if not np.array_equal(clamped(np.add.outer(outer, rest)), grid):
            return None
        first, second = factors_of(outer), factors_of(clamped(rest))
        return first[0] + second[0], (*first[1], *second[1])


Factors = tuple[Factor, ...]


def is_present(places: IntArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whether each place is that of an element."""
    return places > _PRESENT


def clamped(places: IntArray) -> IntArray:
    """Every place of what is nowhere as `NOWHERE`."""
    return np.where(is_present(places), places, NOWHERE)


def factors_of(table: IntArray) -> tuple[int, Factors]:
    """An offset and factors whose sums are the table: regular ones where it is made of equal runs, else the table."""
    there = is_present(table)
    if table.size == 1 and there[0]:
        return int(table[0]), ()
    if there.all():
        steps = np.diff(table)
        breaks = np.flatnonzero(steps != steps[0]) + 1
        run = int(np.gcd.reduce(np.append(breaks, table.size)))
        if run > 1:  # every entry but the first of a run is one step behind the one before it
            offset, outer = factors_of(table[::run])
            return offset, (*outer, Factor(run, int(steps[0])))
    offset = int(table[np.argmax(there)]) if there.any() else 0
    places = clamped(table - offset)
    places.setflags(write=False)
    return offset, (Factor(table.size, 0, places),)


def table_of(factors: Sequence[Factor]) -> IntArray:
    """All sums of the factors' places, the last digit fastest."""
    table = np.zeros(1, dtype=np.int64)
    for factor in factors:
        table = np.add.outer(table, factor.table).reshape(-1)
    return table


def joined(factors: Iterable[Factor]) -> Factors:
    """The same without factors of one digit, and neighbours that are one run as one."""
    result: list[Factor] = []
    for factor in factors:
        if factor.extent == 1 and factor.places is None:
            continue
        last = result[-1] if result else None
        if last and last.places is factor.places is None and last.stride == factor.extent * factor.stride:
            result[-1] = Factor(last.extent * factor.extent, factor.stride)
        else:
            result.append(factor)
    return tuple(result)


def grouped(factors: Sequence[Factor], extents: Sequence[int]) -> tuple[int, list[Factors]] | None:
    """An offset, and for each extent the factors whose digits make it; None when one of them has to be cut and cannot.

    The product of the factors' extents is that of `extents`.
    """
    left, offset, groups = list(factors[::-1]), 0, []
    for extent in extents:
        group: list[Factor] = []
        while extent > 1 or (left and left[-1].extent == 1):
            factor = left.pop()
            if factor.extent > extent:
                parts = factor.split(factor.extent // extent) if factor.extent % extent == 0 else None
                if parts is None:
                    return None
                offset += parts[0]
                left.extend(parts[1][::-1])
                factor = left.pop()
            if extent % factor.extent:
                return None
            group.append(factor)
            extent //= factor.extent
        groups.append(tuple(group))
    return offset, groups


def distinct(factors: Sequence[Factor]) -> int | None:
    """How many different places they say; None when their sums have to be looked at."""
    reach = 0
    moving = sorted((factor for factor in factors if factor.moves), key=lambda factor: abs(factor.stride))
    for factor in moving:
        if factor.places is not None or abs(factor.stride) <= reach:
            return None
        reach += abs(factor.stride) * (factor.extent - 1)
    return prod(factor.extent for factor in moving)


def composed(factors: Factors, offset: int, inner: Sequence[Factor]) -> tuple[int, list[Factor]] | None:
    """An offset and factors of the elements that `inner`, regular and from `offset` on, picks of those of `factors`.

    None where a digit of `inner` carries from one of `factors` into another, or several move an irregular one.
    """
    weights = [prod(factor.extent for factor in factors[place + 1 :]) for place in range(len(factors))]
    first = [offset // weight % factor.extent for weight, factor in zip(weights, factors, strict=True)]
    moves = _moves(factors, weights, inner)
    if moves is None:
        return None
    total, result = 0, []
    for place, factor in enumerate(factors):
        spans = [move.stride * (move.extent - 1) for moved, move in moves if moved == place]
        low, high = (first[place] + sum(limit(span, 0) for span in spans) for limit in (min, max))
        if low < 0 or high >= factor.extent or (factor.places is not None and len(spans) != 1):
            return None
        total += first[place] * factor.stride
    for moved, move in moves:
        places = None if moved is None else factors[moved].places
        if moved is None or places is None:
            result.append(Factor(move.extent, 0 if moved is None else move.stride * factors[moved].stride))
        else:
            more, parts = factors_of(clamped(places[first[moved] + move.table]))
            total += more
            result += parts
    return total, result


def _moves(factors: Factors, weights: Sequence[int], inner: Sequence[Factor]) -> list[tuple[int | None, Factor]] | None:
    """Which of `factors` each digit of `inner`, split where it runs through several, moves and by how many digits."""
    result: list[tuple[int | None, Factor]] = []
    left = list(inner[::-1])
    while left:
        factor = left.pop()
        place = next((place for place, weight in enumerate(weights) if weight <= abs(factor.stride)), None)
        if place is None:
            result.append((None, factor))
            continue
        step, rest = divmod(factor.stride, weights[place])
        run = factors[place].extent // abs(step)
        if (factor.extent - 1) * abs(step) < factors[place].extent:
            result.append((place, Factor(factor.extent, step)))
        elif factors[place].extent % step == 0 and 1 < run < factor.extent and factor.extent % run == 0:
            left += [Factor(run, factor.stride), Factor(factor.extent // run, factor.stride * run)]
        else:
            return None
        if rest:
            return None
    return result

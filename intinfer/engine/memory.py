"""Sharing memory out: what is not alive at the same time may lie in the same place, if it is of one pool.

Plain arrays are one pool, of bytes. Planes of one geometry with one word in their margins are one each, of planes: so
margins are written once and stay.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable
from dataclasses import dataclass
from math import inf
from typing import Generic, TypeVar

Pool = TypeVar("Pool", bound=Hashable)


@dataclass
class Block(Generic[Pool]):
    """Some units of a pool, from the action that makes them to the last one that reads them; `start` once placed."""

    pool: Pool
    units: int
    made: int
    last: float
    start: int = 0


def place(blocks: list[Block[Pool]]) -> dict[Pool, int]:
    """First fit in order of creation, in each pool; those that never die stand behind the others. The pools' sizes."""
    sizes: dict[Pool, int] = {}
    for pool in dict.fromkeys(block.pool for block in blocks):
        holes = _Holes()
        mine = sorted((block for block in blocks if block.pool == pool), key=lambda block: block.made)
        alive: list[Block[Pool]] = []
        for block in mine:
            if block.last == inf:
                continue
            for old in [old for old in alive if old.last < block.made]:
                holes.free(old.start, old.units)
                alive.remove(old)
            block.start = holes.take(block.units)
            alive.append(block)
        top = holes.size
        for block in mine:
            if block.last == inf:
                block.start, top = top, top + block.units
        sizes[pool] = top
    return sizes


class _Holes:
    """Holes between what is taken, as (start, stop) in order, none next to another, the last without end."""

    def __init__(self) -> None:
        self._holes: list[tuple[int, float]] = [(0, inf)]
        self.size = 0

    def take(self, size: int) -> int:
        """The first place of this size."""
        for i, (start, stop) in enumerate(self._holes):
            if start + size <= stop:
                self._holes[i : i + 1] = [(start + size, stop)] if start + size < stop else []
                self.size = max(self.size, start + size)
                return start
        raise AssertionError("the last hole has no end")

    def free(self, start: int, size: int) -> None:
        stop: float = start + size
        i = bisect_left(self._holes, (start, stop))
        if self._holes[i][0] == stop:
            stop = self._holes.pop(i)[1]
        if i and self._holes[i - 1][1] == start:
            i -= 1
            start = self._holes.pop(i)[0]
        if size:
            self._holes.insert(i, (start, stop))

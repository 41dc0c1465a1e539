"""Where the words of a dump stand, in few bytes a word."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intinfer.types import IntArray

Part = range | tuple[int, npt.NDArray[np.unsignedinteger]]


@dataclass(frozen=True)
class Places:
    """Numbers that never fall: the line or the time of each word.

    Attributes:
        starts: number of the first word of each part.
        parts: a range where they are consecutive, else the first and what is added to it.
    """

    starts: tuple[int, ...]
    parts: tuple[Part, ...]
    count: int

    @classmethod
    def of(cls, array: IntArray) -> Places:
        """The places of an array of numbers that never fall."""
        return cls((0,), (_part(array),), len(array)) if len(array) else cls((), (), 0)

    @classmethod
    def joined(cls, several: Iterable[Places]) -> Places:
        """Several one after the other."""
        starts: list[int] = []
        parts: list[Part] = []
        count = 0
        for places in several:
            starts += [count + start for start in places.starts]
            parts += places.parts
            count += places.count
        return cls(tuple(starts), tuple(parts), count)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, word: int) -> int:
        if not 0 <= word < self.count:
            raise IndexError(word)
        number = bisect_right(self.starts, word) - 1
        part, inside = self.parts[number], word - self.starts[number]
        return part[inside] if isinstance(part, range) else part[0] + int(part[1][inside])


def _part(array: IntArray) -> Part:
    first, last = int(array[0]), int(array[-1])
    if last - first == len(array) - 1 and bool((np.diff(array) == 1).all()):
        return range(first, last + 1)
    return first, (array - first).astype(np.min_scalar_type(last - first))

"""Skipping in the compiled loop: the lists of items that rows behind it run, from the select bits of a mux.

For each list there is a row of bits an item for what is always needed, and two for each select bit: what it needs as 0
and as 1. The list is the items of their union.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..types import IntArray
from .compiled import compiled
from .rows import Column, Kept, Kind
from .vectors import byte, number, put_number

TARGET_BYTES = 8 * 4
TARGETS_AT, SELECT_AT, BITS_AT, COUNT_AT = (
    8 * column for column in (Column.ITEMS, Column.FIRST, Column.SECOND, Column.VECTORS)
)


class Listed(NamedTuple):
    """A list to be made: bytes from the start of a run's lists, and which items are needed.

    Attributes:
        always: (items,).
        one, zero: (bits, items) if a bit is 1, if it is 0.
    """

    start: int
    always: npt.NDArray[np.bool_]
    one: npt.NDArray[np.bool_]
    zero: npt.NDArray[np.bool_]


@compiled()
def narrow(row, lists, memory):
    """Columns of its row beside those of all: the select bits, how many, and how many lists. It has no list itself."""
    targets, select = number(row + TARGETS_AT), memory + number(row + SELECT_AT)
    bits, count = number(row + BITS_AT), number(row + COUNT_AT)
    for target in range(targets, targets + count * TARGET_BYTES, TARGET_BYTES):
        where, words = lists + number(target), number(target + 8)
        always, needs = number(target + 16), number(target + 24)
        found = 0
        for w in range(words):
            needed = number(always + 8 * w)
            for c in range(bits):
                needed |= number(needs + 8 * (words * (2 * c + (byte(select + c) == 1)) + w))
            item = 64 * w
            while needed != 0:
                if needed & 1:
                    found += 1
                    put_number(where + 8 * found, item)
                needed = (needed >> 1) & 0x7FFFFFFFFFFFFFFF
                item += 1
        put_number(where, found)


class Narrowing:
    """A row that makes lists. `row` as for a kernel; `select` in bytes from the start of memory."""

    def __init__(self, select: int, bits: int, lists: Sequence[Listed]) -> None:
        self._kept = Kept()
        targets = []
        for start, always, one, zero in lists:
            needs = np.stack([zero, one], axis=1)
            words = -(-always.size // 64)
            targets.append([start, words, self._kept(_words(always)), self._kept(_words(needs))])
        self.row = np.zeros(len(Column), dtype=np.int64)
        self.row[Column.KIND], self.row[Column.ITEMS] = Kind.NARROW, self._kept(np.array(targets, dtype=np.int64))
        self.row[Column.FIRST], self.row[Column.SECOND], self.row[Column.VECTORS] = select, bits, len(targets)


def _words(bits: npt.NDArray[np.bool_]) -> IntArray:
    """(..., items) as 64 bits a word, the first item lowest."""
    padded = np.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, -bits.shape[-1] % 64)])
    return np.ascontiguousarray(np.packbits(padded, axis=-1, bitorder="little")).view(np.int64)

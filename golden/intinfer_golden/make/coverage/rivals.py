"""Comparisons decided by one: the largest number beats one that is just below it, whichever bits that turns over.

A comparator that leaves out a bit, or takes a sign for a magnitude, decides wrongly only between numbers that differ
there. From z - 1 to z every bit up to the lowest 1 of z changes (0 is beside -1 in all of them), so that z with each
lowest 1 that the type has, beside z - 1, tries every bit of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from intinfer.graph import Node
from intinfer.types import LIMIT, IntArray, IntType

from .group import Axis, Bools, Covergroup, Values

ORDERS = ("behind the rival", "before the rival")
NEVER = -2 * LIMIT
"""In the place of what takes no part in a comparison."""


def winners(type_: IntType) -> dict[int, int]:
    """Lowest 1 of z, as a power of two, or 0 of z = 0 -> a z of the type with it that is not the type's lowest."""
    found = {0: 0} if type_.lo < 0 <= type_.hi else {}
    for k in range(max(abs(type_.lo), abs(type_.hi)).bit_length() + 1):
        low, turn = 1 << k, 2 << k
        least = type_.lo + 1 + (low - type_.lo - 1) % turn
        most = type_.hi - (type_.hi - low) % turn
        if least <= most:
            found[low] = min(max(low, least), most)
    return found


def covergroup(node: Node, channels: int, type_: IntType, compared: Callable[[Values], IntArray]) -> Covergroup:
    """Bins: channel, lowest 1 of the winner, and whether it comes before or behind its only close rival.

    Args:
        channels: that are compared apart from each other.
        compared: gives the numbers that one comparison is between, (channels, comparisons, numbers), NEVER for none.
    """
    lows = np.array(sorted(winners(type_)), dtype=np.int64)

    def see(values: Values) -> Bools:
        numbers = compared(values)
        top = numbers.max(axis=2)
        best = numbers == top[:, :, None]
        second = np.where(best, NEVER, numbers).max(axis=2)
        close = (best.sum(axis=2) == 1) & (top - second == 1)
        rival = numbers == second[:, :, None]
        earlier = np.arange(numbers.shape[2]) < numbers.argmax(axis=2)[:, :, None]
        behind, before = (rival & earlier).any(axis=2), (rival & ~earlier).any(axis=2)
        seen = np.zeros((channels, len(lows), 2), dtype=bool)
        for i, low in enumerate(lows.tolist()):
            here = close & (top & -top == low)
            seen[:, i, 0], seen[:, i, 1] = (here & behind).any(axis=1), (here & before).any(axis=1)
        return seen.reshape(-1)

    words = tuple("0 beside -1" if low == 0 else f"bit {low.bit_length() - 1}" for low in lows.tolist())
    axes = (Axis("channel", channels), Axis("up to", words), Axis("winner", ORDERS))
    sentence = "the winner is one above the next number, with its lowest 1 there: every bit of the comparison decides"
    return Covergroup(node.name, "close calls", sentence, axes, see)


def close_calls(type_: IntType, count: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """`count` numbers of which the largest is one above the next, for each bit, before it and behind it in turn."""
    for turn, winner in enumerate(winners(type_).values() if count > 1 else ()):
        for behind in (True, False):
            numbers = rng.integers(type_.lo, winner, count)
            first = turn % (count - 1)
            numbers[first], numbers[first + 1] = (winner - 1, winner) if behind else (winner, winner - 1)
            numbers[first + 2 :] -= numbers[first + 2 :] == winner - 1  # one rival
            yield numbers.clip(type_.lo)

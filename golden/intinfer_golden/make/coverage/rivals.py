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
        seen = np.zeros((channels, len(lows), 2), dtype=bool)
        for i, (here, best, rival) in enumerate(_close(compared(values), lows)):
            earlier = np.arange(best.shape[2]) < best.argmax(axis=2)[:, :, None]
            behind, before = (rival & earlier).any(axis=2), (rival & ~earlier).any(axis=2)
            seen[:, i, 0], seen[:, i, 1] = (here & behind).any(axis=1), (here & before).any(axis=1)
        return seen.reshape(-1)

    axes = (Axis("channel", channels), _up_to(lows), Axis("winner", ORDERS))
    sentence = "the winner is one above the next number, with its lowest 1 there: every bit of the comparison decides"
    return Covergroup(node.name, "close calls", sentence, axes, see)


def of_places(
    node: Node, type_: IntType, together: Bools, kernel: tuple[int, int], compared: Callable[[Values], IntArray]
) -> Covergroup:
    """Bins: lowest 1 of the winner, its place in the window and that of a close rival, which meet in some comparator of
    a tree, whatever its form.

    Args:
        together: (P, P), places that are both pixels in some window.
    """
    lows, places = np.array(sorted(winners(type_)), dtype=np.int64), len(together)

    def see(values: Values) -> Bools:
        pairs = [best[here].T.astype(np.float32) @ rival[here] for here, best, rival in _close(compared(values), lows)]
        return np.stack(pairs).reshape(-1) > 0

    names = tuple(str(place) for place in np.ndindex(*kernel))
    axes = (
        _up_to(lows),
        Axis("winner", tuple(f"winner {n}" for n in names)),
        Axis("rival", tuple(f"rival {n}" for n in names)),
    )
    sentence = "the winner is one above the number at this other place: every comparator of a tree decides alone"
    group = Covergroup(node.name, "close calls of places", sentence, axes, see)
    group.exclude(np.tile(np.eye(places, dtype=bool).reshape(-1), len(lows)), "a place is not compared with itself")
    group.exclude(np.tile(~together.reshape(-1), len(lows)), "no window has real values at both places")
    return group


def _close(numbers: IntArray, lows: IntArray) -> Iterator[tuple[Bools, Bools, Bools]]:
    """For each lowest 1 where the winner has it and is one above the next number, (C, M), which places win, and which
    hold that next number, (C, M, P)."""
    top = numbers.max(axis=2)
    best = numbers == top[:, :, None]
    second = np.where(best, NEVER, numbers).max(axis=2)
    close = (best.sum(axis=2) == 1) & (top - second == 1)
    rival = numbers == second[:, :, None]
    for low in lows.tolist():
        yield close & (top & -top == low), best, rival


def _up_to(lows: IntArray) -> Axis:
    return Axis("up to", tuple("0 beside -1" if low == 0 else f"bit {low.bit_length() - 1}" for low in lows.tolist()))


def close_calls(type_: IntType, count: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """`count` numbers of which the largest is one above the next, for each bit, before it and behind it in turn."""
    for turn, winner in enumerate(winners(type_).values() if count > 1 else ()):
        for behind in (True, False):
            numbers = rng.integers(type_.lo, winner, count)
            first = turn % (count - 1)
            numbers[first], numbers[first + 1] = (winner - 1, winner) if behind else (winner, winner - 1)
            numbers[first + 2 :] -= numbers[first + 2 :] == winner - 1  # one rival
            yield numbers.clip(type_.lo)

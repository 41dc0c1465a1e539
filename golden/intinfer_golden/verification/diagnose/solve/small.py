"""Small constants in the sums of a node, tried one by one where other nodes stand between it and the dump."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from intinfer.types import IntArray

from ..suspect import Suspect

CONSTANTS = 512
"""Constants that are all tried, up and down; of larger ones some."""
CHOICES = 1024
"""Among how many the one is picked that fits."""
MOST = 16
"""Constants of a sign of which it is asked whether they explain the whole dump."""


def fitting(suspect: Suspect, channel: int, right: IntArray, counted: IntArray, frames: Sequence[int]) -> list[int]:
    """The constants that make one channel of the dump.

    Args:
        right: (len(frames), *one channel's shape), of the node.
        counted: of the same shape, 1 where the constant is added and 0 elsewhere.
    """
    sizes = [*range(1, CONSTANTS + 1), *(part << k for k in range(8, 30) for part in (2, 3))]
    constants: IntArray = np.array([k for n in dict.fromkeys(sizes) for k in (n, -n)], dtype=np.int64)
    tries: IntArray = right[None] + constants.reshape(-1, *[1] * right.ndim) * counted
    found: list[int] = constants[suspect.channel_fits(channel, tries, frames)].tolist()
    return found


def intervals(constants: list[int], explained: Callable[[int], bool]) -> Iterator[tuple[int, str]]:
    """Of the constants above 0, and of those below, the ones that explain the dump, consecutive from the smallest on:
    that one, and all of them in words."""
    found = sorted(constants, key=abs)
    for sign in (1, -1):
        alive: list[int] = []
        for k in [k for k in found if sign * k > 0][:MOST]:
            if alive and abs(k) != abs(alive[-1]) + 1:
                break
            if explained(k):
                alive.append(k)
        if alive:
            lo, hi = min(alive), max(alive)
            yield alive[0], f"{lo:+d}" if lo == hi else f"a constant between {lo:+d} and {hi:+d}"

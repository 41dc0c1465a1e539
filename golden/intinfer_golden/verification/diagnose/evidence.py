"""How much a dump must say before a mistake is believed, and its numbers in words."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, log2

STRUCTURAL_BITS = 6.0
"""Evidence that a mistake without free parameters needs: a dump of a few values is explained by too many."""
SOLVED_BITS = 10.0
"""Evidence beyond the choice of its parameters that a solved mistake needs: one chance in a thousand."""
PLACED_BITS = 8.0
"""Evidence of a place that was known beforehand, whatever stands there: one chance in 256."""


@dataclass(frozen=True)
class Evidence:
    """How surprising it would be if corruption by chance looked like a mistake.

    Attributes:
        compared, differences: values of the dump, and of them those that are wrong.
        bits: of a value.
    """

    compared: int
    differences: int
    bits: int

    def convinces(self, choices: int = 1, placed: bool = False) -> bool:
        """Whether a mistake that was picked among `choices` can be told: the places of the differences, and where a
        value can be wrong in more than one way their values, say more than the pick. The places say log2 of the ways
        to choose the differences among the values; of 256 where they are more, and of half of the values where more
        are wrong, as each could have been right as well.

        A solved mistake needs two differences at least, as a single one is explained by too much; unless its place was
        known beforehand (`placed`), when the place is all that counts.
        """
        chosen = min(self.differences, self.compared // 2, 256)
        places = log2(comb(self.compared, chosen))
        if placed:
            return places - log2(choices) >= PLACED_BITS
        known = places + (self.differences if self.bits > 1 else 0)
        if choices == 1:
            return known >= STRUCTURAL_BITS
        return self.differences > 1 and known - log2(choices) >= SOLVED_BITS


def interval(lo: int | None, hi: int | None) -> str:
    """The whole numbers from `lo` to `hi`, None where there is no end, in words.

    >>> interval(3, 3), interval(1, 4), interval(None, 7), interval(7, None)
    ('3', 'between 1 and 4', 'at most 7', 'at least 7')
    """
    if lo is None or hi is None:
        return f"at most {hi}" if lo is None else f"at least {lo}"
    return str(lo) if lo == hi else f"between {lo} and {hi}"

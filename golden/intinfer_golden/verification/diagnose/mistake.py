"""One thing that a design may have got wrong, and how much a dump must say before it is believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import comb, log2

from ...describe.spans import split
from .changes import Change

STRUCTURAL_BITS = 6.0
"""Evidence that a mistake without free parameters needs: a dump of a few values is explained by too many."""
SOLVED_BITS = 10.0
"""Evidence beyond the choice of its parameters that a solved mistake needs: one chance in a thousand."""


@dataclass(frozen=True)
class Mistake:
    """A hypothesis.

    Attributes:
        text: what the design did, with numbers and coordinates.
        values: what the node then gives, from its operands for some frames, each int64 (N, *shape).
        choices: among how many of its kind this one was picked to fit; 1 where there was nothing to pick.
        history: a frame depends on those before it; `values` gets all frames from the first on.
        kind: of several that explain a dump and are of one kind, the first alone is told.
    """

    text: str
    values: Change
    choices: int = 1
    history: bool = False
    kind: str = ""


def listed(
    table: Mapping[str, Change], choices: int = 1, *, history: bool = False, kind: str = ""
) -> Iterator[Mistake]:
    """A mistake an entry: what the design did, and what the node then gives."""
    return (Mistake(text, values, choices, history, kind) for text, values in table.items())


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

    def convinces(self, choices: int = 1) -> bool:
        """Whether a mistake that was picked among `choices` can be told: the places of the differences, and where a
        value can be wrong in more than one way their values, say more than the pick. The places say log2 of the ways
        to choose the differences among the values; of 256 where they are more, and of half of the values where more
        are wrong, as each could have been right as well.

        A solved mistake needs two differences at least: a single one is explained by too much.
        """
        chosen = min(self.differences, self.compared // 2, 256)
        known = log2(comb(self.compared, chosen)) + (self.differences if self.bits > 1 else 0)
        if choices == 1:
            return known >= STRUCTURAL_BITS
        return self.differences > 1 and known - log2(choices) >= SOLVED_BITS


def spans(numbers: list[int]) -> str:
    """
    >>> spans([1, 2, 3, 5, 8, 9])
    '1..3, 5, 8..9'
    """
    return ", ".join(str(first) if first == last else f"{first}..{last}" for first, last in split(numbers))


def interval(lo: int | None, hi: int | None) -> str:
    """The whole numbers from `lo` to `hi`, None where there is no end, in words.

    >>> interval(3, 3), interval(1, 4), interval(None, 7), interval(7, None)
    ('3', 'between 1 and 4', 'at most 7', 'at least 7')
    """
    if lo is None or hi is None:
        return f"at most {hi}" if lo is None else f"at least {lo}"
    return str(lo) if lo == hi else f"between {lo} and {hi}"

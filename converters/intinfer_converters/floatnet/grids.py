"""What calibration has to know of an op: which inputs it can read as integers, and on which grids its result lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction


class Reads(Enum):
    """What an op needs of its inputs so that it has an exact integer meaning."""

    ANYTHING = "nothing"
    WAITING = "nothing by itself: it waits for what is behind it"
    PASSED = "what is behind it needs: it moves elements"
    LEVELS = "integers on one grid"
    SUMMED = "integers on grids a power of two apart"
    JOINED = "integers on grids a power of two apart, of which each input may have several"
    CHOSEN = "integers on one grid, the same one for all inputs"


class Status(Enum):
    """What a value is before quantisers are added."""

    LEVELS = "integers on one grid that holds 0"
    MIXED = "integers, the channels on several grids a power of two apart"
    RAW = "an exact affine of integers, a channel: a sum, an average"
    CURVED = "a float chain that is not affine"


@dataclass(frozen=True)
class OnGrid:
    """A value of the float net while quantisers are planned.

    Attributes:
        grid: scale and offset of its integers when no new quantiser made it.
        origins: the new quantisers that made it.
        positive: whether it is never negative.
        early: whether only pointwise ops stand between it and the input.
    """

    status: Status
    grid: tuple[Fraction, Fraction] | None = None
    origins: frozenset[str] = frozenset()
    positive: bool = False
    early: bool = False


def integers(positive: bool, early: bool = False) -> OnGrid:
    """Integers as they are."""
    return OnGrid(Status.LEVELS, (Fraction(1), Fraction(0)), positive=positive, early=early)


def raw(positive: bool) -> OnGrid:
    """Sums and averages of integers."""
    return OnGrid(Status.RAW, positive=positive)


def merged(inputs: Sequence[OnGrid]) -> OnGrid:
    """Elements that each come from one of the inputs, all on the first one's grid."""
    origins = frozenset[str]().union(*(x.origins for x in inputs))
    return OnGrid(Status.LEVELS, inputs[0].grid, origins, all(x.positive for x in inputs))

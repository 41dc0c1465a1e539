"""What a float tensor has become: an exact integer tensor, an exact affine, and the float ops that still wait."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from intinfer.graph import Value

from .evaluator import Chain

Fractions = tuple[Fraction, ...]
ONE: Fractions = (Fraction(1),)
ZERO: Fractions = (Fraction(0),)


class RefusalError(Exception):
    """A float node without an exact integer meaning: the reason, and what to do about it."""


@dataclass(frozen=True, eq=False)
class Lowered:
    """real = tail(scale * z + offset). `scale` and `offset` have one entry or one a channel of z.

    `pending` names the sources of `tail`, so that the node which closes it can quote them.
    """

    z: Value
    scale: Fractions = ONE
    offset: Fractions = ZERO
    tail: Chain = ()
    pending: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        return self.z.shape[0]

    def scales(self) -> Fractions:
        """One scale a channel."""
        return spread(self.scale, self.channels)

    def offsets(self) -> Fractions:
        """One offset a channel."""
        return spread(self.offset, self.channels)

    def settled(self) -> Lowered:
        """Itself, or a RefusalError while float ops wait for a quantiser."""
        if self.tail:
            raise RefusalError(
                f"its input still has float ops pending ({', '.join(self.pending)}), which have no exact integer "
                "value here; put a quantiser behind them"
            )
        return self


def spread(numbers: Fractions, count: int) -> Fractions:
    """One number for each of `count` channels."""
    return numbers * count if len(numbers) == 1 else numbers


def squeeze(numbers: Sequence[Fraction]) -> Fractions:
    """One number when all are equal."""
    return (numbers[0],) if len(set(numbers)) == 1 else tuple(numbers)


def common_unit(numbers: Sequence[Fraction]) -> Fraction:
    """The largest positive unit of which every number is an integer multiple (1 when all are 0).

    >>> common_unit([Fraction(3, 4), Fraction(1, 6)])
    Fraction(1, 12)
    """
    denominator = math.lcm(*(number.denominator for number in numbers))
    numerator = math.gcd(*(int(number * denominator) for number in numbers))
    return Fraction(numerator, denominator) if numerator else Fraction(1)

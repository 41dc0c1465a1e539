"""The state of a lowering: what a float tensor has become (an exact integer tensor, an exact affine, and the float
ops that still wait), and the graph under construction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy.typing as npt

from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.errors import GraphError
from intinfer.graph import Value
from intinfer.ops import Op
from intinfer.ops.mac import sum_range
from intinfer.tensor import Weights

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


class Lowering:
    """The state of one walk: the graph under construction and the choices that hold for all of it."""

    def __init__(self, dtype: npt.DTypeLike, accumulator: Accumulator | None) -> None:
        self.dtype = dtype
        self._accumulator = accumulator
        self.builder = GraphBuilder()
        self._used: set[str] = set()

    def add(self, op: Op, *inputs: Value, name: str, source: Sequence[str]) -> Value:
        """Append a node; what its type rule refuses becomes a RefusalError of the float node."""
        try:
            return self.builder.add(op, *inputs, name=self._unique(name), source=source)
        except GraphError as error:
            raise RefusalError(str(error)) from None

    def accumulator(self, weight: Weights, x: Value) -> Accumulator:
        """The accumulator that sums weight[o] times the channels of `x`: the one asked for, or the narrowest proven."""
        if self._accumulator is not None:
            return self._accumulator
        return Accumulator.proving(sum_range(weight.values.reshape(weight.shape[0], -1), x.type))

    def _unique(self, name: str) -> str:
        """`name`, or name2, name3 ... when it is used: a raw sum that two quantisers read has two `.act`."""
        candidate, number = name, 2
        while candidate in self._used:
            candidate, number = f"{name}{number}", number + 1
        self._used.add(candidate)
        return candidate


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

"""The state of a lowering: what a float tensor has become (an exact integer tensor, an exact affine, and the float
ops that still wait), and the graph under construction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.errors import GraphError
from intinfer.graph import Value
from intinfer.ops import Affine, ChannelSelect, Clamp, Flatten, Gather, Op
from intinfer.ops.mac import sum_range
from intinfer.tensor import IntTensor, Weights

from .evaluator import Chain, FloatArray, affine_of
from .primitives import Affine as AffinePrimitive
from .primitives import Clip

if TYPE_CHECKING:
    from .floatnet import FloatNode

Fractions = tuple[Fraction, ...]
ONE: Fractions = (Fraction(1),)
ZERO: Fractions = (Fraction(0),)
MAX_MULTIPLIER = 2**16
"""Integers up to this bring different scales together without further ado."""
MAX_WIDE = 2**40
"""The widest ones, which the provenance states."""
REORDERING = (Gather, ChannelSelect, Flatten)


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
        """How many channels it has."""
        return self.z.shape[0]

    @property
    def by_channel(self) -> bool:
        """Whether its meaning differs between channels."""
        return max(len(self.scale), len(self.offset), *(p.channels for p in self.tail), 1) > 1

    def scales(self) -> Fractions:
        """The scale of each channel."""
        return spread(self.scale, self.channels)

    def offsets(self) -> Fractions:
        """The offset of each channel."""
        return spread(self.offset, self.channels)

    def times(self, factor: Fractions, shift: Fractions) -> Lowered:
        """factor * real + shift, exactly, where nothing is pending; numbers one or one a channel."""
        factors, shifts = spread(factor, self.channels), spread(shift, self.channels)
        scale = [f * s for f, s in zip(factors, self.scales(), strict=True)]
        offset = [f * o + b for f, o, b in zip(factors, self.offsets(), shifts, strict=True)]
        return replace(self, scale=squeeze(scale), offset=squeeze(offset))


@dataclass(frozen=True, eq=False, kw_only=True)
class PendingSum(Lowered):
    """tail(sum of signs[i] * terms[i]) of two float tensors whose scales have no small ratio.

    The quantiser that reads it decides how the integers are added; `z` is no value of the graph yet.
    """

    node: FloatNode
    terms: tuple[Lowered, ...]
    signs: tuple[int, ...]


@dataclass(eq=False)
class Lowering:
    """The state of one walk.

    Attributes:
        dtype: of the net's chains.
        asked: the accumulator of all convolutions and dense layers; None gives each the narrowest that its type rule
            proves.
        exact_pixels: a float preprocessing of the pixels may become wide integers.
        approximate_adds: an add may be rounded to multipliers of 16 bits, its largest error being noted.
        made: what each value of the graph was made by: its op and inputs.
        optional: nodes that are left out of the graph when nothing reads them.
        sums, tables, shared: what pending sums have become, by node name: whole ones, sums of tables, and (with the
            multipliers behind the name) integers that a quantiser tells apart.
        pixels: what the input behind a float preprocessing has become.
        notes: entries of the graph's provenance.
    """

    dtype: npt.DTypeLike
    asked: Accumulator | None
    exact_pixels: bool
    approximate_adds: bool
    builder: GraphBuilder = field(default_factory=GraphBuilder)
    made: dict[str, tuple[Op, tuple[Value, ...]]] = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)
    sums: dict[str, Lowered] = field(default_factory=dict)
    tables: dict[str, Lowered] = field(default_factory=dict)
    shared: dict[tuple[str | int, ...], Value] = field(default_factory=dict)
    pixels: dict[Lowered, Lowered] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    _settled: dict[Lowered, Lowered] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    def add(self, op: Op, *inputs: Value, name: str, source: Sequence[str]) -> Value:
        """Append a node; what its type rule refuses becomes a RefusalError of the float node."""
        try:
            value = self.builder.add(op, *inputs, name=unused(name, self._used), source=source)
        except GraphError as error:
            raise RefusalError(str(error)) from None
        self.made[value.name] = op, inputs
        return value

    def note(self, key: str, text: str) -> None:
        """Put a line under `key` of the graph's provenance."""
        self.notes.setdefault(key, []).append(text)

    def note_width(self, name: str, multiplier: int) -> None:
        """State a multiplier of node `name` that is wider than usual."""
        if multiplier > MAX_MULTIPLIER:
            self.note("wide multipliers", f"{name}: {multiplier.bit_length()} bits")

    def is_pixels(self, value: Value) -> bool:
        """Whether `value` is the network's own input, or its elements in another order."""
        while value.name in self.made and isinstance(self.made[value.name][0], REORDERING):
            (value,) = self.made[value.name][1]
        return value in self.builder.inputs

    def settle(self, x: Lowered) -> Lowered:
        """`x` without pending ops, for what reads exact values; one result for all its readers.

        Adding, subtracting, multiplying and dividing by constants go into scale and offset, exactly. A clip at integers
        of z, such as ReLU where real 0 is one, becomes a `clamp`.

        Raises:
            RefusalError: other ops wait, or the limits of a clip lie between integers.
        """
        if x not in self._settled:
            result = replace(x, tail=())
            for primitive in x.tail:
                if isinstance(primitive, AffinePrimitive):
                    result = result.times(*primitive.factor_and_shift())
                elif isinstance(primitive, Clip):
                    result = self._clamped(result, primitive.exact)
                else:
                    raise RefusalError(
                        f"its input still has float ops pending ({', '.join(x.pending)}), which have no exact integer "
                        "value here; put a quantiser behind them"
                    )
            self._settled[x] = result
        return self._settled[x]

    def _clamped(self, x: Lowered, operand: FloatArray) -> Lowered:
        """`x`, of which nothing is pending, clipped to the real numbers `operand` (2,)."""
        limits = _integer_limits(x, operand)
        if limits is None:
            return x
        z = self.add(Clamp(*limits), x.z, name=f"{x.z.name}.clamp", source=x.pending)
        self.optional.add(z.name)
        return replace(x, z=z)

    def scaled(
        self, z: Value, multiplier: Sequence[int], offset: Sequence[int] = (0,), *, name: str, source: Sequence[str]
    ) -> Value:
        """Append a node that multiplies `z` with an integer a channel and adds another one."""
        op = Affine(IntTensor(np.array(multiplier)), IntTensor(np.resize(np.array(offset), len(multiplier))))
        return self.add(op, z, name=name, source=source)

    def in_units(self, node: FloatNode, x: Lowered, unit: Fraction) -> Lowered:
        """`x` as multiples of one unit in all channels, of which scales and offsets are multiples."""
        multiplier, offset = ([int(n / unit) for n in numbers] for numbers in (x.scales(), x.offsets()))
        widest = max(map(abs, (*multiplier, *offset)))
        if widest > MAX_WIDE:
            raise RefusalError(
                f"it needs one scale for all channels, which takes integers of {widest.bit_length()} bits, over "
                f"{MAX_WIDE.bit_length() - 1}; put one quantiser before it"
            )
        z = self.scaled(x.z, multiplier, offset, name=f"{node.name}.scale", source=node.source)
        self.note_width(z.name, widest)
        return Lowered(z, (unit,), ZERO, (), x.pending)

    def accumulator(self, weight: Weights, x: Value) -> Accumulator:
        """The accumulator that sums weight[o] times the channels of `x`: the one asked for, or the narrowest proven."""
        return self.asked or Accumulator.proving(sum_range(weight.values.reshape(weight.shape[0], -1), x.type))


def folded(x: Lowered) -> Lowered:
    """`x` with a pending chain of affine ops, exactly in scale and offset; a RefusalError for other ops."""
    affine = affine_of(x.tail, x.channels)
    if affine is None:
        raise RefusalError(
            f"its input still has float ops pending ({', '.join(x.pending)}); put a quantiser behind them"
        )
    return replace(x, tail=()).times(*affine)


def _integer_limits(x: Lowered, limits: FloatArray) -> tuple[int, int] | None:
    """The clip of the real values as one of z, None when it changes none; RefusalError when it is not an integer's."""
    found: set[tuple[int, int]] = set()
    for scale, offset in set(zip(x.scales(), x.offsets(), strict=True)):
        if scale == 0:
            raise RefusalError("a clip of a channel that is constant; put a quantiser behind it")
        ends = [None if math.isinf(limit) else (Fraction(float(limit)) - offset) / scale for limit in limits]
        low, high = ends if scale > 0 else ends[::-1]
        low = Fraction(x.z.type.lo) if low is None or low <= x.z.type.lo else low
        high = Fraction(x.z.type.hi) if high is None or high >= x.z.type.hi else high
        if low > high:  # no value lies inside: all are at one limit
            low = high = high if high < x.z.type.lo else low
        if low.denominator > 1 or high.denominator > 1:
            raise RefusalError(
                f"its input is clipped to {float(limits[0]):g}..{float(limits[1]):g} ({', '.join(x.pending)}), "
                f"which is {float(low):g}..{float(high):g} in its integers; put a quantiser behind it"
            )
        found.add((int(low), int(high)))
    if len(found) > 1:
        raise RefusalError(
            f"its input is clipped ({', '.join(x.pending)}) at integers that differ between channels; put a quantiser "
            "behind it"
        )
    (only,) = found
    return None if only == (x.z.type.lo, x.z.type.hi) else only


def unused(name: str, used: set[str], joint: str = "") -> str:
    """`name`, or name2, name3 ... when it is used, behind a `joint`; used from now on.

    A raw sum that two quantisers read has two `.act`.
    """
    candidate, number = name, 2
    while candidate in used:
        candidate, number = f"{name}{joint}{number}", number + 1
    used.add(candidate)
    return candidate


def same_chain(one: Chain, other: Chain) -> bool:
    """Whether two chains are the same ops with the same operands."""
    return len(one) == len(other) and all(a.same(b) for a, b in zip(one, other, strict=True))


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

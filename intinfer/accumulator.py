"""Accumulator rules: what the adder of a convolution or dense layer does at the edge of its width.

    prove     the graph is refused unless the proven range fits the width
    wrap      two's complement, modulo 2^bits; the order of additions does not matter
    saturate  clip after every addition; the order is part of the definition
    trap      as saturate, but leaving the range is an error naming image, channel and pixel

For saturate and trap the products of one output are added in `order`: "CKK" is input channel, kernel row, kernel
column (outermost first), "KKC" is kernel row, kernel column, input channel. `fold` consecutive products are
added exactly (an adder tree of that many lanes), then the sum goes through one saturating or checked addition;
a last incomplete fold is taken as it is. The accumulator starts at 0; padded taps take part like any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from .errors import GraphError
from .types import IntArray, IntType

MIN_BITS, MAX_BITS = 2, 62


def signed_bits(type_: IntType) -> int:
    """The fewest bits of a signed accumulator that hold a range, be it of one sign or not."""
    return type_.union(IntType(-1, 0)).bits


def accumulator_bits(type_: IntType) -> int:
    """The width of the narrowest accumulator that holds a range; of more than MAX_BITS there is none."""
    return max(MIN_BITS, signed_bits(type_))


class Overflow(StrEnum):
    """What an accumulator does at the edge of its width, as the text of this module says."""

    PROVE = "prove"
    WRAP = "wrap"
    SATURATE = "saturate"
    TRAP = "trap"


class TapOrder(StrEnum):
    """The order in which the products of one sum are added, outermost axis first."""

    CKK = "CKK"
    KKC = "KKC"


@dataclass(frozen=True, slots=True)
class Accumulator:
    """A signed accumulator of `bits` bits (2..62) with its overflow rule.

    `order` and `fold` are given for saturate and trap, and only there: the other rules do not depend on them.
    """

    bits: int
    overflow: Overflow
    order: TapOrder | None = None
    fold: int | None = None

    def __post_init__(self) -> None:
        if type(self.bits) is not int or not MIN_BITS <= self.bits <= MAX_BITS:
            raise GraphError(f"accumulator of {self.bits} bits: {MIN_BITS}..{MAX_BITS} are possible")
        if not isinstance(self.overflow, Overflow) or not isinstance(self.order, TapOrder | None):
            raise GraphError(f"overflow {self.overflow!r} and order {self.order!r} must be an Overflow and a TapOrder")
        if self.sequential and (self.order is None or type(self.fold) is not int or self.fold < 1):
            raise GraphError(f"a {self.overflow} accumulator needs an order (CKK or KKC) and a fold of at least 1")
        if not self.sequential and (self.order is not None or self.fold is not None):
            raise GraphError(f"a {self.overflow} accumulator does not depend on order or fold: leave them out")

    @classmethod
    def of(cls, text: str) -> Accumulator:
        """The accumulator that `str` writes so: "16 prove", "9 wrap", "12 saturate CKK fold 2".

        Raises GraphError for another text.
        """
        form = r"([0-9]{1,3}) (prove|wrap|saturate|trap)(?: (CKK|KKC) fold ([0-9]{1,9}))?"
        match = re.fullmatch(form, text) if isinstance(text, str) else None
        if match is None:
            raise GraphError(
                f"accumulator {text!r} is not such as '16 prove', '9 wrap', '12 saturate CKK fold 2' or '12 trap KKC "
                "fold 1'"
            )
        bits, overflow, order, fold = match.groups()
        return cls(int(bits), Overflow(overflow), *((TapOrder(order), int(fold)) if order else ()))

    @classmethod
    def prove(cls, bits: int) -> Accumulator:
        """An accumulator that is proven to hold every sum."""
        return cls(bits, Overflow.PROVE)

    @classmethod
    def wrap(cls, bits: int) -> Accumulator:
        """An accumulator that wraps, modulo 2^bits."""
        return cls(bits, Overflow.WRAP)

    @classmethod
    def saturate(cls, bits: int, order: TapOrder, fold: int = 1) -> Accumulator:
        """An accumulator that clips after every `fold` products."""
        return cls(bits, Overflow.SATURATE, order, fold)

    @classmethod
    def trap(cls, bits: int, order: TapOrder, fold: int = 1) -> Accumulator:
        """An accumulator that ends a run with an error when it leaves its range after any `fold` products."""
        return cls(bits, Overflow.TRAP, order, fold)

    @classmethod
    def proving(cls, proven: IntType) -> Accumulator:
        """The narrowest accumulator that is proven to hold the range `proven`."""
        return cls.prove(accumulator_bits(proven))

    @property
    def type(self) -> IntType:
        """The range that the width holds, in two's complement."""
        return IntType.twos_complement(self.bits)

    def infer(self, proven: IntType) -> IntType:
        """The range of what leaves the accumulator, from the proven range of the exact sum."""
        if self.type.contains(proven):
            if self.overflow in (Overflow.PROVE, Overflow.WRAP):
                return proven
        elif self.overflow is Overflow.PROVE:
            raise GraphError(
                f"sums reach {proven} and need {signed_bits(proven)} signed bits, the accumulator has "
                f"{self.bits}: widen it, or state wrap, saturate or trap"
            )
        # Partial sums may leave the range of the final sum, so a saturated result is only known to fit the width.
        return self.type

    @property
    def sequential(self) -> bool:
        """Tell whether partial sums matter, so that the products must be added in the stated order."""
        return self.overflow in (Overflow.SATURATE, Overflow.TRAP)

    def __str__(self) -> str:
        """Write the accumulator, such as "16 wrap" or "16 saturate CKK fold 1"."""
        return f"{self.bits} {self.overflow}" + (f" {self.order} fold {self.fold}" if self.sequential else "")

    def to_json(self) -> dict[str, Any]:
        """Give the four fields by name, as a model file and reports write them; None where there is none."""
        order = None if self.order is None else str(self.order)
        return {"bits": self.bits, "overflow": str(self.overflow), "order": order, "fold": self.fold}

    def wrap_sum(self, total: IntArray) -> IntArray:
        """The value a wrapping accumulator holds when the exact sum is `total`."""
        half, mask = np.int64(2 ** (self.bits - 1)), np.int64(2**self.bits - 1)
        return ((total + half) & mask) - half

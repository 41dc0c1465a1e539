"""`Symbolic`: what a tensor of the source is, in terms of a `FloatNet` node.

A tensor is `chain(node.flat[layout.index])`: elements of one node's value, in any order and shape, behind pointwise ops
that wait for a quantiser. Reshapes, transposes, slices, splits, nearest resizes only change the layout; so it is
recognised by what it computes, whatever ops the exporter wrote it with.

`Known` is what is known of a tensor's values, derived from what is known of those that it is computed of: its rules
stand here. The facts that a pending op changes (`integral`, `step`) are derived with the op, in `chains`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from intinfer.types import IntArray

from ..evaluator import Chain
from ..floatnet import QuantisedWeight, RealWeight
from .base import Array
from .layout import Layout

Bounds = tuple[float, float]
EVERYTHING: Bounds = (-np.inf, np.inf)


@dataclass(frozen=True)
class Compared:
    """What a 0/1 tensor was compared from: `tensor kind operand`."""

    tensor: Symbolic
    kind: str
    operand: Array


@dataclass(frozen=True, eq=False)
class Symbolic:
    """A tensor of the source. Readers look at `shape` and `dtype` only; `SymbolicNet` makes it.

    Attributes:
        node: name of the float node.
        layout: which element of the node's value each element is, batch axis (1) included; where it is none, it is
            the real number `fill`.
        dtype: the source's type.
        chain: pending pointwise ops, operands one a channel of the node or one for all.
        sources: the source ops in `chain`.
        bounds: every element lies in this closed range, as far as is known.
        whole: every element is an integer.
        integral: `chain` ends in a rounding, so that it may be closed as a quantiser.
        step: the distance of its levels.
        compared: what it was compared from.
        difference: (a, b) when it is a - b.
    """

    node: str
    layout: Layout
    dtype: np.dtype[Any]
    fill: Fraction = Fraction(0)
    chain: Chain = ()
    sources: tuple[str, ...] = ()
    bounds: Bounds = EVERYTHING
    whole: bool = False
    integral: bool = False
    step: int = 1
    compared: Compared | None = None
    difference: tuple[Symbolic, Symbolic] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in the source, batch axis 1 first."""
        return self.layout.shape

    @property
    def size(self) -> int:
        """How many elements it has."""
        return self.layout.size

    @property
    def is_float(self) -> bool:
        """Whether the source's type is a float type."""
        return self.dtype.kind == "f"

    @property
    def padded(self) -> bool:
        """Whether some elements are no elements of the node."""
        return self.layout.padded

    @property
    def bounded(self) -> bool:
        """Whether both of its bounds are finite."""
        return bool(np.isfinite(self.bounds).all())

    def changed(self, **facts: Any) -> Symbolic:
        """The tensor with other facts; unless they say so, it is no longer known to be a comparison or a difference."""
        return replace(self, **{"compared": None, "difference": None, **facts})

    def same(self, other: Symbolic) -> bool:
        """Whether the two are one tensor, as far as is seen: the same elements behind the same ops."""
        alike = self.node == other.node and self.fill == other.fill
        return self is other or (
            alike
            and (self.chain is other.chain or not self.chain + other.chain)
            and self.shape == other.shape
            and self.layout.same(other.layout)
        )

    @property
    def is_bit(self) -> bool:
        """Whether it is 0 or 1."""
        return self.whole and self.bounds == (0, 1)


@dataclass(frozen=True, eq=False)
class Tap:
    """Where a tensor of the source is found in the float net: `tensor.flat[i] = chain(node.flat[index[i]])`.

    Where the layout has no element of the node, it is the real number `fill`.
    """

    node: str
    layout: Layout
    chain: Chain
    fill: Fraction = Fraction(0)

    @cached_property
    def index(self) -> IntArray:
        """(size,) the layout's places, flat: -1 is `fill`."""
        return self.layout.index.reshape(-1)


Operand = Symbolic | Array
"""A tensor of the network or a constant."""


@dataclass(frozen=True)
class Known:
    """Every element lies in the closed range `bounds`, and is an integer if `whole`."""

    bounds: Bounds = EVERYTHING
    whole: bool = False

    def negated(self) -> Known:
        """What is known of -x."""
        return Known((-self.bounds[1], -self.bounds[0]), self.whole)

    def plus(self, other: Known) -> Known:
        """What is known of a sum of two elements."""
        low, high = (a + b for a, b in zip(self.bounds, other.bounds, strict=True))
        return Known((low, high), self.whole and other.whole)

    def times(self, count: int) -> Known:
        """What is known of a sum of `count` such elements."""
        return Known((count * self.bounds[0], count * self.bounds[1]), self.whole)


UNKNOWN = Known()


def known(x: Operand) -> Known:
    """What is known of a tensor, or of a constant."""
    if isinstance(x, Symbolic):
        return Known(x.bounds, x.whole)
    return Known((float(np.min(x)), float(np.max(x))), bool((x == np.rint(x)).all()))


def hull(*parts: Known) -> Known:
    """What is known of elements that each come from one of the parts."""
    low, high = min(part.bounds[0] for part in parts), max(part.bounds[1] for part in parts)
    return Known((low, high), all(part.whole for part in parts))


def type_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """The integers of a NumPy type; bool is 0 and 1."""
    if dtype.kind == "b":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def known_range(x: Symbolic) -> tuple[int, int]:
    """The integers that `x`, of an integer type, may hold: what is known of it, else its type."""
    if x.bounded:
        return int(x.bounds[0]), int(x.bounds[1])
    return type_range(x.dtype)


def of_integers(x: Symbolic) -> Known:
    """`known_range` as what is known."""
    low, high = known_range(x)
    return Known((float(low), float(high)), True)


def of_products(x: Symbolic, weight: QuantisedWeight | RealWeight, bias: Array | None, padded: bool) -> Known | None:
    """What is known of sums of weights times elements of `x` (or of a border of zeros) plus bias, all of them integers.

    None when some are no integers.
    """
    if not (x.whole and isinstance(weight, QuantisedWeight) and weight.tensor and weight.scale == (Fraction(1),)):
        return None
    if bias is not None and (bias != np.rint(bias)).any():
        return None
    if not x.bounded and x.is_float:
        return Known(EVERYTHING, True)
    low, high = known_range(x)
    if padded:
        low, high = min(low, 0), max(high, 0)
    q = weight.tensor.values.reshape(weight.shape[0], -1)
    positive, negative = (np.array(np.clip(q, *ends).sum(axis=1), dtype=object) for ends in ((0, None), (None, 0)))
    constant = np.array([0] if bias is None else [int(b) for b in bias.reshape(-1)], dtype=object)
    least, most = (
        (positive * low + negative * high + constant).min(),
        (positive * high + negative * low + constant).max(),
    )
    return Known((float(least), float(most)), True)

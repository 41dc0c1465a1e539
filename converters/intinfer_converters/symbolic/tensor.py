"""`Symbolic`: what a tensor of the source is, in terms of a `FloatNet` node.

A tensor is `chain(node.flat[index])`: elements of one node's value, in any order and shape, behind pointwise ops that
wait for a quantiser. Reshapes, transposes, slices, splits, nearest resizes only change `index`; so a layout is
recognised by what it computes, whatever ops the exporter wrote it with.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.types import IntArray

from ..evaluator import Chain

Bounds = tuple[float, float]
EVERYTHING: Bounds = (-np.inf, np.inf)


class Unsupported(Exception):  # noqa: N818 - an answer about a network, not a failure
    """An op of the source that has no counterpart here: the reason, and what to do about it."""


@dataclass(frozen=True)
class Compared:
    """What a 0/1 tensor was compared from: `tensor kind operand`."""

    tensor: Symbolic
    kind: str
    operand: npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Symbolic:
    """A tensor of the source. Readers look at `shape` and `dtype` only; `SymbolicNet` makes it.

    Attributes:
        node: name of the float node.
        index: of the tensor's shape, batch axis (1) included: elements of the node's value, flat in C order; -1 is
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
    index: IntArray
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
        shape: tuple[int, ...] = self.index.shape
        return shape

    @property
    def size(self) -> int:
        return int(self.index.size)

    @property
    def is_float(self) -> bool:
        return self.dtype.kind == "f"

    @property
    def padded(self) -> bool:
        """Whether some elements are no elements of the node."""
        return bool(self.size) and int(self.index.min()) < 0

    @property
    def bounded(self) -> bool:
        return bool(np.isfinite(self.bounds).all())

    def same(self, other: Symbolic) -> bool:
        """Whether the two are one tensor, as far as is seen: the same elements behind the same ops."""
        alike = self.node == other.node and self.fill == other.fill
        return self is other or (
            alike and (self.chain is other.chain or not self.chain + other.chain) and self.index is other.index
        )

    @property
    def is_bit(self) -> bool:
        """Whether it is 0 or 1."""
        return self.whole and self.bounds == (0, 1)


@dataclass(frozen=True, eq=False)
class Tap:
    """Where a tensor of the source is found in the float net: `tensor.flat[i] = chain(node.flat[index[i]])`.

    The batch axis is left out; -1 in `index` is the real number `fill`.
    """

    node: str
    index: IntArray
    chain: Chain
    fill: Fraction = Fraction(0)

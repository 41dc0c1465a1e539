"""`Symbolic`: what a tensor of the source is, in terms of a `FloatNet` node.

A tensor is `chain(node.flat[layout.index])`: elements of one node's value, in any order and shape, behind pointwise ops
that wait for a quantiser. Reshapes, transposes, slices, splits, nearest resizes only change the layout; so it is
recognised by what it computes, whatever ops the exporter wrote it with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.types import IntArray

from ..evaluator import Chain
from .errors import Unsupported as Unsupported
from .layout import Layout

Bounds = tuple[float, float]
EVERYTHING: Bounds = (-np.inf, np.inf)


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
        return self.layout.shape

    @property
    def size(self) -> int:
        return self.layout.size

    @property
    def is_float(self) -> bool:
        return self.dtype.kind == "f"

    @property
    def padded(self) -> bool:
        """Whether some elements are no elements of the node."""
        return self.layout.padded

    @property
    def bounded(self) -> bool:
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

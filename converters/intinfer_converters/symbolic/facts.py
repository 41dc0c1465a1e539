"""What is known of a tensor's values, derived from what is known of those it is computed of: the rules, one place.

The facts that a pending op changes (`integral`, `step`) are derived with the op, in `chains`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ..floatnet import QuantisedWeight, RealWeight
from .tensor import EVERYTHING, Bounds, Symbolic

Array = npt.NDArray[Any]
Operand = Symbolic | Array


@dataclass(frozen=True)
class Known:
    """Every element lies in the closed range `bounds`, and is an integer if `whole`."""

    bounds: Bounds = EVERYTHING
    whole: bool = False

    def negated(self) -> Known:
        return Known((-self.bounds[1], -self.bounds[0]), self.whole)

    def plus(self, other: Known) -> Known:
        low, high = (a + b for a, b in zip(self.bounds, other.bounds, strict=True))
        return Known((low, high), self.whole and other.whole)

    def times(self, count: int) -> Known:
        """Of a sum of `count` such elements."""
        return Known((count * self.bounds[0], count * self.bounds[1]), self.whole)


UNKNOWN = Known()


def known(x: Operand) -> Known:
    """What is known of a tensor, or of a constant."""
    if isinstance(x, Symbolic):
        return Known(x.bounds, x.whole)
    return Known((float(np.min(x)), float(np.max(x))), bool((x == np.rint(x)).all()))


def hull(*parts: Known) -> Known:
    """Of elements that each come from one of the parts."""
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
    """Of sums of weights times elements of `x` (or of a border of zeros) plus bias, when all of these are integers."""
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

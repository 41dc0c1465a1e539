"""A pointwise op with a constant, in the arithmetic of the tensor's type: float chains, exact integers."""

from __future__ import annotations

import numpy.typing as npt

from .floats import float_pointwise
from .integers import integer_pointwise
from .net import SymbolicNet
from .tensor import Symbolic, Unsupported


def pointwise(net: SymbolicNet, x: Symbolic, kind: str, operand: npt.ArrayLike | None = None) -> Symbolic:
    """An op of `evaluator.Primitive` with a constant that does not vary within a channel.

    Args:
        kind: as `Primitive.kind`. `clip` takes (lo, hi), numbers; `count` the thresholds (C, n) or (1, n) along axis 1
            of `x`.
        operand: broadcasts against `x`.

    Raises:
        Unsupported: the constant is not finite or varies within a channel; an integer type would overflow.
    """
    if x.dtype.kind not in "iufb":
        raise Unsupported(f"works on {x.dtype}")
    return (integer_pointwise if x.dtype.kind in "iu" else float_pointwise)(net, x, kind, operand)

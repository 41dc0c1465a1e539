"""Another type for the same values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..facts import type_range
from ..floats import float_pointwise
from ..net import SymbolicNet
from ..tensor import Symbolic, Unsupported


def cast(net: SymbolicNet, x: Symbolic, dtype: npt.DTypeLike) -> Symbolic:
    """Another type: float to integer truncates, integers to float are exact up to the chain's precision."""
    target = np.dtype(dtype)
    if target == x.dtype:
        return x
    if target.kind == "b":
        return _to_bool(net, x)
    if target.kind == "f":
        if x.is_float and not x.whole and target != net.dtype:
            raise Unsupported(f"casts {x.dtype} to {target}; the float ops of a network are all in {net.dtype}")
        return _retyped(x, target)
    if target.kind not in "iu":
        raise Unsupported(f"casts to {target}")
    if x.is_float and not x.whole:
        x = float_pointwise(net, x, "trunc", None)
    least, most = type_range(target)
    if x.bounded and not (least <= x.bounds[0] and x.bounds[1] <= most):
        raise Unsupported(f"casts {x.bounds[0]:g}..{x.bounds[1]:g} to {target}, which does not hold it; clip before")
    if not x.bounded and target.itemsize < 4:
        raise Unsupported(f"casts to {target} what is not known to fit it; clip before")
    return _retyped(x, target)


def _retyped(x: Symbolic, dtype: np.dtype[Any]) -> Symbolic:
    return replace(x, dtype=dtype, compared=None, difference=None)


def _to_bool(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """Whether `x`, which is not negative, is not 0."""
    if x.is_bit:
        return replace(x, dtype=np.dtype(bool))
    if x.bounds[0] < 0:
        raise Unsupported("casts to bool what may be negative; compare with 0")
    return float_pointwise(net, x, "greater", np.zeros(1, dtype=net.dtype))

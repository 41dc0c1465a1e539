"""Pointwise ops as arithmetic of the network's float type: one op more in the pending chain of a tensor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..evaluator import Primitive
from . import chains
from .net import SymbolicNet
from .tensor import Compared, Symbolic, Unsupported

MAX_CHANNELS = 2**16
"""Numbers of a constant that varies within a channel: they make channels of the axes along which it varies."""
Array = npt.NDArray[Any]


def float_pointwise(net: SymbolicNet, x: Symbolic, kind: str, operand: npt.ArrayLike | None) -> Symbolic:
    """`pointwise` as arithmetic of the chain's dtype, whatever the type of `x`."""
    numbers = chains.operand_of(kind, operand, net.dtype)
    if chains.is_nothing(kind, numbers):
        return x
    if x.padded:
        x = net.spread(x)
    origin, given = x, numbers
    if x.integral:
        closing = _absorbed(net, x, kind, numbers)
        if closing is not None:
            return closing
        x = net.settled(x)
    if kind == "count" and numbers is not None:
        numbers = _rows(net, x, numbers)
    elif kind != "clip" and numbers is not None:
        x, numbers = per_channel(net, x, numbers)
    result = replace(chains.appended(x, Primitive(kind, numbers), net.dtype), sources=_sources(net, x))
    if x.is_float and x.dtype != net.dtype:
        _need_exact(net, x, result, operand, given)
    if kind in chains.COMPARISONS and given is not None:
        result = replace(result, dtype=np.dtype(bool), compared=Compared(origin, kind, given))
    return result


def per_channel(net: SymbolicNet, x: Symbolic, operand: Array) -> tuple[Symbolic, Array]:
    """The operand as one number, or one a channel of x's node.

    Where it varies within one, x becomes a node of its own, whose channels are the axes along which it varies.
    """
    if operand.size == 1:
        return x, operand.reshape(1)
    try:
        np.broadcast_to(operand, x.shape)
    except ValueError:
        raise Unsupported(f"its constant of shape {operand.shape} does not fit {x.shape}") from None
    if (operand == operand.reshape(-1)[0]).all():
        return x, operand.reshape(-1)[:1]
    if x.padded:
        x = net.spread(x)
    numbers = x.layout.by_channel(net.value_shape(x.node), operand)
    if numbers is not None:
        return x, numbers
    if operand.size > MAX_CHANNELS:
        raise Unsupported(
            f"its constant of shape {operand.shape} varies within a channel of {x.shape}; constants are one "
            f"number, one a channel, or up to {MAX_CHANNELS:,}"
        )
    first = len(x.shape) - operand.ndim
    axes = [first + axis for axis, extent in enumerate(operand.shape) if extent > 1]
    return net.spread(x, axes), operand.reshape(-1)


def _need_exact(
    net: SymbolicNet, x: Symbolic, result: Symbolic, operand: npt.ArrayLike | None, numbers: Array | None
) -> None:
    """Refuse arithmetic of another float type than the chain's, but for small integers, which no type rounds."""
    given = np.asarray(0 if operand is None else operand, dtype=np.float64)
    kept = numbers is None or np.array_equal(given, np.asarray(numbers, dtype=np.float64))
    limit = min(chains.exact_limit(net.dtype), chains.exact_limit(x.dtype))
    small = x.whole and result.whole and max(map(abs, (*x.bounds, *result.bounds))) <= limit
    if not (kept and small):
        raise Unsupported(f"computes in {x.dtype}; the float ops of a network are all in {net.dtype}")


def _absorbed(net: SymbolicNet, x: Symbolic, kind: str, numbers: Array | None) -> Symbolic | None:
    if numbers is not None and kind not in ("clip", "count"):
        if (numbers != numbers.reshape(-1)[0]).any():
            return None
        numbers = numbers.reshape(-1)[:1]
    result = chains.absorbed(x, Primitive(kind, numbers), net.dtype)
    if result is None or result is x:
        return result
    dtype = np.dtype(bool) if kind in chains.COMPARISONS else x.dtype
    return replace(result, sources=_sources(net, x), dtype=dtype)


def _sources(net: SymbolicNet, x: Symbolic) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*x.sources, *net.sources)))


def _rows(net: SymbolicNet, x: Symbolic, thresholds: Array) -> Array:
    """(C, n) along axis 1 of x to one row a channel of its node."""
    if thresholds.ndim != 2 or thresholds.shape[0] not in (1, x.shape[1]):
        raise Unsupported(f"thresholds of shape {thresholds.shape} do not fit {x.shape}: one row, or one a channel")
    if thresholds.shape[0] == 1:
        return thresholds
    axis = np.arange(x.shape[1]).reshape(-1, *[1] * (len(x.shape) - 2))
    row = x.layout.by_channel(net.value_shape(x.node), axis)
    if row is None:
        raise Unsupported("its thresholds vary within a channel of what it reads")
    rows: Array = thresholds[row]
    return rows

"""Sums, means, extremes and their places, over axes of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from intinfer.ops import ArgMax

from ...floatnet import GlobalAverage, GlobalSum, IntegerOp, MaximumPool
from ..net import SymbolicNet
from ..pointwise import in_type
from ..tensor import Known, Symbolic, Unsupported, known, of_integers
from .arithmetic import negative, sub
from .arrangement import axis_of, move_axis, reshape, take, transpose
from .elementwise import cast


def mean(net: SymbolicNet, x: Symbolic, axes: Sequence[int], keepdims: bool = False) -> Symbolic:
    """The mean over some axes, of floats."""
    if not x.is_float:
        raise Unsupported(f"the mean of {x.dtype} tensors rounds; dequantise before")
    moved, shape = _as_map(x, axes, keepdims)
    return net.made(net.emit(GlobalAverage(), net.realised(moved)), shape, x.dtype, Known(x.bounds))


def total(net: SymbolicNet, x: Symbolic, axes: Sequence[int], keepdims: bool = False) -> Symbolic:
    """The sum over some axes."""
    moved, shape = _as_map(x, axes, keepdims)
    facts = (known(x) if x.is_float else of_integers(x)).times(moved.shape[2] * moved.shape[3])
    result = net.made(net.emit(GlobalSum(), net.realised(moved)), shape, x.dtype, facts)
    return result if x.is_float else in_type(net, result)


def max_over(net: SymbolicNet, x: Symbolic, axes: Sequence[int], keepdims: bool = False) -> Symbolic:
    """The maximum over some axes."""
    moved, shape = _as_map(x, axes, keepdims)
    _, count, height, width = moved.shape
    node = net.emit(MaximumPool((height, width), (height, width)), net.realised(moved))
    return reshape(net.made(node, (1, count, 1, 1), x.dtype, known(x)), shape)


def min_over(net: SymbolicNet, x: Symbolic, axes: Sequence[int], keepdims: bool = False) -> Symbolic:
    """The minimum over some axes: -max(-x)."""
    return cast(net, negative(net, max_over(net, _opposite(net, x), axes, keepdims)), x.dtype)


def _opposite(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """-x, of integers in a type that holds it."""
    return negative(net, x if x.is_float else cast(net, x, np.int64))


def _as_map(x: Symbolic, axes: Sequence[int], keepdims: bool) -> tuple[Symbolic, tuple[int, ...]]:
    """`x` as a map (1, K, H, W) whose height and width are `axes`, and the shape of what is left."""
    rank = len(x.shape)
    if not axes or any(not -rank <= axis < rank for axis in axes):
        raise Unsupported(f"axes {tuple(axes)} of {x.shape}")
    chosen = sorted({axis % rank for axis in axes})
    kept = [axis for axis in range(rank) if axis not in chosen]
    if 0 in chosen:
        raise Unsupported("it reduces over the batch axis; give the other axes")
    shape = tuple(1 if a in chosen else n for a, n in enumerate(x.shape) if keepdims or a in kept)
    extents = [x.shape[axis] for axis in chosen]
    height, width = (extents[0], prod(extents[1:])) if len(chosen) > 1 else (1, extents[0])
    count = prod(x.shape[axis] for axis in kept)
    return reshape(transpose(x, (*kept, *chosen)), (1, count, height, width)), shape


def argmax(net: SymbolicNet, x: Symbolic, axis: int, keepdims: bool = False, last: bool = False) -> Symbolic:
    """The place of the largest element along `axis`, the first of equal ones, or the last."""
    axis = axis_of(axis, len(x.shape))
    count, rest = x.shape[axis], x.size // x.shape[axis]
    if axis == 0:
        raise Unsupported("along the batch axis; give another axis")
    if last:
        place = argmax(net, take(x, np.arange(x.shape[axis])[::-1], axis), axis, keepdims)
        return sub(net, np.full(1, count - 1, np.int64), place)
    if rest == 1:
        node = net.emit(IntegerOp(ArgMax(), (1,)), net.realised(x, (count,)))
    else:
        moved = reshape(move_axis(x, axis, 1), (1, count, rest, 1))
        node = net.emit(IntegerOp(ArgMax(), (1, rest, 1)), net.realised(moved))
    shape = tuple(1 if a == axis else n for a, n in enumerate(x.shape) if keepdims or a != axis)
    return net.made(node, shape, np.int64, Known((0, count - 1), True))


def argmin(net: SymbolicNet, x: Symbolic, axis: int, keepdims: bool = False, last: bool = False) -> Symbolic:
    """The place of the smallest element: of the largest of -x."""
    return argmax(net, _opposite(net, x), axis, keepdims, last)

"""Sums, means, extremes and their places, over axes of a tensor, or over what a window that slides over a map sees.

One axis (1, C, L) is a map of height 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from intinfer.errors import GraphError
from intinfer.ops import ArgMax
from intinfer.ops.geometry import Window

from ...floatnet import AveragePool, FloatOp, GlobalAverage, GlobalSum, IntegerOp, MaximumPool
from .. import Symbolic, SymbolicNet, Unsupported, layout
from ..pointwise import in_type
from ..tensor import Known, known, of_integers
from .arithmetic import negative, sub
from .arrangement import axis_of, move_axis, reshape, take, transpose
from .elementwise import cast
from .words import word


@word("axes", "ReduceMean", "mean")
def mean(net: SymbolicNet, x: Symbolic, axes: Sequence[int], keepdims: bool = False) -> Symbolic:
    """The mean over some axes, of floats."""
    if not x.is_float:
        raise Unsupported(f"the mean of {x.dtype} tensors rounds; dequantise before")
    moved, shape = _as_map(x, axes, keepdims)
    return net.made(net.emit(GlobalAverage(), net.realised(moved)), shape, x.dtype, Known(x.bounds))


@word("axes", "ReduceSum")
def total(net: SymbolicNet, x: Symbolic, axes: Sequence[int], keepdims: bool = False) -> Symbolic:
    """The sum over some axes; of integers, in their type."""
    moved, shape = _as_map(x, axes, keepdims)
    facts = (known(x) if x.is_float else of_integers(x)).times(moved.shape[2] * moved.shape[3])
    result = net.made(net.emit(GlobalSum(), net.realised(moved)), shape, x.dtype, facts)
    return in_type(net, result)


@word("axes", "ReduceMax", "amax")
def max_over(net: SymbolicNet, x: Symbolic, axes: Sequence[int], keepdims: bool = False) -> Symbolic:
    """The maximum over some axes, whose order does not matter."""
    moved, shape = _as_map(x, axes, keepdims)
    _, count, height, width = moved.shape
    node = net.emit(MaximumPool((height, width), (height, width)), net.realised(moved))
    return reshape(net.made(node, (1, count, 1, 1), x.dtype, known(x)), shape)


@word("axes", "ReduceMin", "amin")
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


@word("place", "ArgMax", "argmax")
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


@word("place", "ArgMin", "argmin")
def argmin(net: SymbolicNet, x: Symbolic, axis: int, keepdims: bool = False, last: bool = False) -> Symbolic:
    """The place of the smallest element: of the largest of -x."""
    return argmax(net, _opposite(net, x), axis, keepdims, last)


@dataclass(frozen=True)
class Sliding:
    """A window over the axes behind the channels; every list has an entry an axis.

    Attributes:
        stride, dilation: 1 where left out.
        pads: all begins, then all ends; 0 where left out.
        ceil_mode: the last windows may reach beyond the map and its pads, if they begin inside.
    """

    kernel: Sequence[int]
    stride: Sequence[int] = ()
    pads: Sequence[int] = ()
    dilation: Sequence[int] = ()
    ceil_mode: bool = False

    def on(self, x: Symbolic) -> Window:
        """The 2-d window on `x` (1, C, H, W) or (1, C, L)."""
        axes = len(self.kernel)
        if axes not in (1, 2) or len(x.shape) != axes + 2:
            raise Unsupported(f"a window {tuple(self.kernel)} on {x.shape}; 1-d and 2-d ones are supported")
        pads = self.pads or (0,) * (2 * axes)
        lists = (self.stride or (1,) * axes, self.dilation or (1,) * axes, pads[:axes], pads[axes:])
        if any(len(numbers) != axes for numbers in lists):
            raise Unsupported(
                f"strides {tuple(lists[0])}, dilations {tuple(lists[1])}, pads {tuple(pads)} do not fit a window "
                f"{tuple(self.kernel)}"
            )
        if min(pads) < 0:
            raise Unsupported(f"negative pads {tuple(pads)}")
        (top, left), (bottom, right) = (_two(numbers, 0) for numbers in lists[2:])
        kernel, stride, dilation = (_two(numbers, 1) for numbers in (self.kernel, *lists[:2]))
        try:
            window = Window(kernel, stride, (top, left, bottom, right), dilation)
        except GraphError as error:
            raise Unsupported(str(error)) from None
        return _ceiled(window, layout.value_shape(x.shape)) if self.ceil_mode else window


def _two(numbers: Sequence[int], missing: int) -> tuple[int, int]:
    first, second = numbers if len(numbers) == 2 else (missing, *numbers)
    return int(first), int(second)


def same_pads(
    extents: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], more_first: bool
) -> tuple[int, ...]:
    """Pads with which stride s makes ceil(n / s) of n; of an odd total one more before or behind the map."""
    totals = [
        max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
        for n, k, s, d in zip(extents, kernel, stride, dilation, strict=True)
    ]
    less, more = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
    return (*more, *less) if more_first else (*less, *more)


def _ceiled(window: Window, value: tuple[int, ...]) -> Window:
    """The window with pads such that the last one, which begins inside the map or its first pads, is there."""
    top, left, bottom, right = window.pads
    ends = []
    for extent, before, after, reach, stride in zip(
        value[1:], (top, left), (bottom, right), window.reach, window.stride, strict=True
    ):
        count = -(-(extent + before + after - reach) // stride) + 1
        if (count - 1) * stride >= extent + before:
            count -= 1
        ends.append(max(after, (count - 1) * stride + reach - extent - before))
    return replace(window, pads=(top, left, ends[0], ends[1]))


def slid(net: SymbolicNet, op: FloatOp, x: Symbolic, rank: int) -> tuple[str, tuple[int, ...]]:
    """The node of an op on `x`, and the shape of its result as a tensor of `rank` axes."""
    try:
        node = net.emit(op, net.realised(x))
    except GraphError as error:
        raise Unsupported(str(error)) from None
    channels, height, width = net.value_shape(node)
    return node, (1, channels, height, width) if rank == 4 else (1, channels, width)


def max_pool(net: SymbolicNet, x: Symbolic, sliding: Sliding) -> Symbolic:
    """The maximum of each window; the border never wins."""
    window = sliding.on(x)
    op = MaximumPool(window.kernel, window.stride, window.pads, window.dilation)
    return net.made(*slid(net, op, x, len(x.shape)), x.dtype, known(x))


def average_pool(net: SymbolicNet, x: Symbolic, sliding: Sliding, count_include_pad: bool = True) -> Symbolic:
    """The mean of each window, all of one count: padding is counted, or there is none."""
    if not x.is_float:
        raise Unsupported(f"the mean of {x.dtype} tensors rounds; dequantise before")
    if any(d != 1 for d in sliding.dilation):
        raise Unsupported(f"dilations {tuple(sliding.dilation)} of an average pool; only 1 is supported")
    window = replace(sliding, ceil_mode=False).on(x)
    if sliding.on(x) != window:
        raise Unsupported("with ceil_mode its last windows have fewer elements; pad or crop so that windows fit")
    if window.padded and not count_include_pad:
        raise Unsupported("the padding is left out of its counts, which differ then; use count_include_pad")
    if window.kernel == layout.value_shape(x.shape)[1:] and not window.padded:
        return mean(net, x, spatial(x), keepdims=True)
    op = AveragePool(window.kernel, window.stride, window.pads)
    return net.made(*slid(net, op, x, len(x.shape)), x.dtype)


def spatial(x: Symbolic) -> tuple[int, ...]:
    """The axes behind the channels."""
    if len(x.shape) < 3:
        raise Unsupported(f"a pool of {x.shape}: there are no axes behind the channels")
    return tuple(range(2, len(x.shape)))


def tiles(x: Symbolic, counts: Sequence[int]) -> Sliding:
    """The window of an adaptive pool: windows of one size that tile the map, `counts` an axis."""
    extents = x.shape[2:]
    if len(counts) != len(extents) or any(n < 1 or extent % n for extent, n in zip(extents, counts, strict=True)):
        raise Unsupported(f"its windows differ in size: {extents} does not divide into {tuple(counts)}")
    size = tuple(extent // n for extent, n in zip(extents, counts, strict=True))
    return Sliding(size, size)

"""Ops that only move elements, and borders: each is the same operation on an array of indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from intinfer.types import IntArray

from .. import layout
from ..facts import Known, hull, known
from ..net import SymbolicNet
from ..tensor import Symbolic, Unsupported

MAX_BORDER = 2**20
"""Elements that a pad adds at one side."""


def rearrange(x: Symbolic, change: Callable[[IntArray], IntArray]) -> Symbolic:
    """The elements of `x` in another order or shape: `change` does to an index array what the op does to `x`."""
    index = layout.rearranged(x.index, change)
    if index.size == 0 or index.shape[:1] != (1,):
        raise Unsupported(f"it gives shape {index.shape}; the batch axis stays first and of 1, and no other is empty")
    return replace(x, index=index, compared=None, difference=None)


def axis_of(axis: int, rank: int) -> int:
    """A negative axis counted from the end."""
    if not -rank <= axis < rank:
        raise Unsupported(f"axis {axis} of a tensor with {rank} axes")
    return axis % rank


def reshape(x: Symbolic, shape: Sequence[int]) -> Symbolic:
    """The same elements in C order in another shape."""
    return rearrange(x, lambda index: index.reshape(shape))


def transpose(x: Symbolic, order: Sequence[int]) -> Symbolic:
    """Axis i of the result is axis order[i] of `x`."""
    return rearrange(x, lambda index: index.transpose(order))


def move_axis(x: Symbolic, source: int, target: int) -> Symbolic:
    """One axis at another place, the others in their order."""
    return rearrange(x, lambda index: np.moveaxis(index, source, target))


def take(x: Symbolic, places: IntArray, axis: int) -> Symbolic:
    """The entries at `places` along an axis; an array of places gives as many axes as it has."""
    layout.check_size(x.size // x.shape[axis] * places.size)
    return rearrange(x, lambda index: np.take(index, places, axis))


def broadcast(x: Symbolic, shape: tuple[int, ...]) -> Symbolic:
    """`x` with the shape that NumPy's broadcasting gives it beside `shape`."""
    try:
        wide = np.broadcast_shapes(x.shape, shape)
    except ValueError:
        raise Unsupported(f"shapes {x.shape} and {shape} do not broadcast") from None
    layout.check_size(prod(wide))
    return x if wide == x.shape else rearrange(x, lambda index: np.broadcast_to(index, wide))


def tile(x: Symbolic, repeats: Sequence[int]) -> Symbolic:
    """`x` repeated along each axis."""
    if len(repeats) != len(x.shape) or min(repeats) < 1:
        raise Unsupported(f"repeats {tuple(repeats)} for {x.shape}")
    layout.check_size(prod(repeats) * x.size)
    return rearrange(x, lambda index: np.tile(index, repeats))


def pad(net: SymbolicNet, x: Symbolic, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Symbolic:
    """A border of `value`: (before, after) an axis of `x`, negative ones cut off."""
    if not any(n for pair in widths for n in pair):
        return x
    fill = Fraction(float(value))
    x = net.without_chain(x)
    if x.padded and x.fill != fill:
        x = net.spread(x)
    border = _bordered(x, widths, lambda index, grown: np.pad(index, grown, constant_values=-1))
    facts = hull(known(x), Known((float(value), float(value)), float(value).is_integer()))
    return replace(border, fill=fill, bounds=facts.bounds, whole=facts.whole)


def pad_with_elements(x: Symbolic, widths: Sequence[tuple[int, int]], mode: str) -> Symbolic:
    """A border of elements of `x`: `mode` is "reflect", "edge" or "wrap", as `numpy.pad` has them."""
    return _bordered(x, widths, lambda index, grown: np.pad(index, grown, mode=mode))  # type: ignore[call-overload]


Border = Callable[[IntArray, list[tuple[int, int]]], IntArray]


def _bordered(x: Symbolic, widths: Sequence[tuple[int, int]], border: Border) -> Symbolic:
    if len(widths) != len(x.shape) or any(widths[0]):
        raise Unsupported(f"pads {list(widths)} do not fit {x.shape}; the batch axis is not padded")
    cut = tuple(slice(max(0, -a), n - max(0, -b)) for (a, b), n in zip(widths, x.shape, strict=True))
    grown = [(max(0, a), max(0, b)) for a, b in widths]
    widest = max(max(pair) for pair in grown)
    if widest > MAX_BORDER:
        raise Unsupported(f"it pads by {widest}; at most {MAX_BORDER}")
    shape = [n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)]
    if min(shape) < 1:
        raise Unsupported(f"it gives shape {tuple(shape)}")
    layout.check_size(prod(shape))
    return rearrange(x, lambda index: border(index[cut], grown))


def depth_to_space(x: Symbolic, block: int, depth_first: bool) -> Symbolic:
    """Blocks of channels become blocks of pixels; the block is the outer part of the channels if `depth_first`."""
    channels, height, width = _blocks(x, block)
    rest = channels // block**2
    if channels % block**2:
        raise Unsupported(f"{channels} channels in blocks of {block} by {block}")
    parts = (1, block, block, rest, height, width) if depth_first else (1, rest, block, block, height, width)
    order = (0, 3, 4, 1, 5, 2) if depth_first else (0, 1, 4, 2, 5, 3)
    shape = (1, rest, height * block, width * block)
    return rearrange(x, lambda index: index.reshape(parts).transpose(order).reshape(shape))


def space_to_depth(x: Symbolic, block: int, depth_first: bool) -> Symbolic:
    """The inverse of `depth_to_space`."""
    channels, height, width = _blocks(x, block)
    if height % block or width % block:
        raise Unsupported(f"{height} by {width} in blocks of {block}")
    parts = (1, channels, height // block, block, width // block, block)
    order = (0, 3, 5, 1, 2, 4) if depth_first else (0, 1, 3, 5, 2, 4)
    shape = (1, channels * block**2, height // block, width // block)
    return rearrange(x, lambda index: index.reshape(parts).transpose(order).reshape(shape))


def _blocks(x: Symbolic, block: int) -> tuple[int, int, int]:
    if len(x.shape) != 4 or block < 1:
        raise Unsupported(f"blocks of {block} of a tensor {x.shape}")
    return x.shape[1], x.shape[2], x.shape[3]

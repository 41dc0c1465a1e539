"""From an index array to the float op that computes it: nothing, a choice of channels, a flattening, or a gather."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import prod

import numpy as np

from intinfer.graph import Shape
from intinfer.types import IntArray

from ..floatnet import FlattenMap, FloatOp, Gather, SelectChannels
from .tensor import Unsupported

MAX_ELEMENTS = 2**26
"""Of a tensor: 1080 x 1920 pixels of 32 channels."""


def check_size(count: int) -> None:
    """Refuse a tensor of more than `MAX_ELEMENTS`, before it is made."""
    if count > MAX_ELEMENTS:
        raise Unsupported(f"it gives {count:,} elements; at most {MAX_ELEMENTS:,}")


@lru_cache(maxsize=256)
def identity(shape: Shape) -> IntArray:
    """0, 1, 2, ... in C order; one read-only array a shape. Raises Unsupported when it is too large."""
    check_size(prod(shape))
    index = np.arange(prod(shape), dtype=np.int64).reshape(shape)
    index.setflags(write=False)
    return index


def is_identity(index: IntArray) -> bool:
    return index is identity(index.shape) or np.array_equal(index, identity(index.shape))


def value_shape(shape: Shape) -> Shape:
    """The graph's shape of a source tensor, batch axis first: (C, H, W), (C, 1, L), (C,), or all in one vector."""
    if len(shape) == 4:
        return shape[1:]
    if len(shape) == 3:
        return (shape[1], 1, shape[2])
    return (int(np.prod(shape)),)


def arrangement(before: Shape, index: IntArray, fill: Fraction) -> list[FloatOp]:
    """The float ops that make a value of shape `index.shape` with elements `index` from one of shape `before`."""
    after = index.shape
    if before == after and is_identity(index):
        return []
    if len(before) == len(after) == 1 and index.min() >= 0:
        return [_select(index)]
    if len(before) == 3 and len(after) == 1 and index.min() >= 0:
        whole = index.size == np.prod(before) and is_identity(index)
        return [FlattenMap()] if whole else [FlattenMap(), _select(index)]
    if len(before) == len(after) == 3 and before[1:] == after[1:] and index.min() >= 0:
        pixels = before[1] * before[2]
        chosen = index[:, 0, 0] // pixels
        if np.array_equal(index.reshape(after[0], -1), chosen[:, None] * pixels + np.arange(pixels)):
            return [_select(chosen)]
    return [Gather(after, np.ascontiguousarray(index.reshape(-1)), fill)]


def _select(channels: IntArray) -> FloatOp:
    return SelectChannels(tuple(int(c) for c in channels))


def channel_of(index: IntArray, value: Shape) -> IntArray:
    """The channel of the node's value that each element comes from."""
    return index // (int(np.prod(value)) // value[0])


def rearranged(index: IntArray, change: Callable[[IntArray], IntArray]) -> IntArray:
    """`change(index)`, read-only, shared when it is the identity."""
    result = np.asarray(change(index), dtype=np.int64)
    if index is identity(index.shape) and result.size == index.size and is_identity(result):
        return identity(result.shape)
    return result


def border(index: IntArray) -> tuple[IntArray, tuple[int, int, int, int]] | None:
    """The inner map (C, h, w) of `index` (C, H, W) without its frame of -1, and (top, left, bottom, right).

    None when the elements that are -1 are not a frame.
    """
    there = np.any(index >= 0, axis=0)
    if not there.any():
        return None
    rows, columns = np.flatnonzero(np.any(there, axis=1)), np.flatnonzero(np.any(there, axis=0))
    top, left = int(rows[0]), int(columns[0])
    bottom, right = int(there.shape[0] - 1 - rows[-1]), int(there.shape[1] - 1 - columns[-1])
    inner = index[:, top : there.shape[0] - bottom, left : there.shape[1] - right]
    if inner.min() < 0:
        return None
    return inner, (top, left, bottom, right)

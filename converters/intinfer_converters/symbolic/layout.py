"""`Layout`: where the elements of a source's tensor lie in a node's value, and the float ops that bring them there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from intinfer.graph import Shape
from intinfer.types import IntArray

from ..floatnet import FlattenMap, FloatOp, Gather, SelectChannels
from . import factors as digits
from .base import Array, Unsupported
from .factors import NOWHERE, Factor, Factors

MAX_ELEMENTS = 2**26
"""Of a tensor: 1080 x 1920 pixels of 32 channels."""


def check_size(count: int) -> None:
    """Refuse a tensor of more than `MAX_ELEMENTS`, before it is made."""
    if count > MAX_ELEMENTS:
        raise Unsupported(f"it gives {count:,} elements; at most {MAX_ELEMENTS:,}")


@dataclass(frozen=True, eq=False)
class Layout:
    """Which element of a node's value, flat in C order, each element of a tensor is; or that it is none of them.

    The place of an element is `offset` plus what the factors say for the digits of its own number in C order. A
    transposed, sliced, flipped, padded or broadcast map has a factor or two an axis, so that nothing is as large as
    the tensor; only places that are no such sums are listed one by one, as one irregular factor.

    Attributes:
        shape: of the tensor.
        factors: the product of their extents is the tensor's size; no two neighbours are one regular factor.
    """

    shape: Shape
    offset: int
    factors: Factors

    @staticmethod
    def whole(shape: Sequence[int]) -> Layout:
        """The value itself, in C order. Raises Unsupported when it is too large."""
        check_size(prod(shape))
        return _layout(shape, 0, [Factor(prod(shape), 1)])

    @staticmethod
    def of(index: IntArray) -> Layout:
        """The layout with these places; -1 is none of the value."""
        places: IntArray = np.where(index < 0, NOWHERE, index)
        first: tuple[Any, ...] = np.unravel_index(int(np.argmax(index >= 0)), index.shape)
        axes: list[IntArray] = [places[(*first[:a], slice(None), *first[a + 1 :])] for a in range(index.ndim)]
        parts = [digits.factors_of(digits.clamped(axis - places[first])) for axis in axes]
        offset = int(places[first]) + sum(more for more, _ in parts)
        found = _layout(index.shape, offset, chain.from_iterable(part for _, part in parts))
        if places[first] >= 0 and np.array_equal(found.index, np.maximum(index, -1)):
            return found
        return _layout(index.shape, *digits.factors_of(places.reshape(-1)))

    @property
    def size(self) -> int:
        """How many elements it has."""
        return prod(self.shape)

    @property
    def index(self) -> IntArray:
        """The place of each element, -1 where it is none; an array of the tensor's shape, made anew each time."""
        check_size(self.size)
        places = digits.table_of(self.factors) + self.offset
        return np.maximum(places, -1, out=places).reshape(self.shape)

    @property
    def padded(self) -> bool:
        """Whether some elements are none of the value."""
        return any(not digits.is_present(factor.table).all() for factor in self.factors if factor.places is not None)

    @property
    def distinct(self) -> int:
        """How many elements of the value it shows."""
        known = digits.distinct(self.factors)
        return int(np.unique(self.index[self.index >= 0]).size) if known is None else known

    def is_whole(self, value: Shape) -> bool:
        """Whether it is all of the value in C order, whatever the two shapes."""
        return self.same(Layout.whole(value))

    def same(self, other: Layout) -> bool:
        """Whether both have the same places in the same order, whatever their shapes."""
        if self is other or self.size != other.size:
            return self is other
        alike = self.offset == other.offset and len(self.factors) == len(other.factors)
        if alike and all(map(Factor.same, self.factors, other.factors)):
            return True
        # Regular factors are the only ones of their places; irregular ones may be written in several ways.
        irregular = any(factor.places is not None for factor in (*self.factors, *other.factors))
        return irregular and np.array_equal(self.index.reshape(-1), other.index.reshape(-1))

    # ---- what layout ops make of it

    def reshape(self, shape: Sequence[int]) -> Layout:
        """The same elements in C order, in another shape of as many."""
        if prod(shape) != self.size:
            raise Unsupported(f"shape {tuple(shape)} for {self.size} elements of {self.shape}")
        return Layout(tuple(shape), self.offset, self.factors)

    def gather(self, places: IntArray) -> Layout:
        """The elements at `places` (0..size - 1) of this tensor, flat in C order."""
        return self._picked(Layout.of(places))

    def strided(self, shape: Sequence[int], strides: Sequence[int], offset: int) -> Layout:
        """The elements at offset + sum of index * stride of this tensor, flat in C order: a view as NumPy has them."""
        return self._picked(_layout(shape, offset, map(Factor, shape, strides)))

    def _picked(self, inner: Layout) -> Layout:
        """The elements at the places of a layout in this tensor."""
        if self.is_whole(self.shape):
            return inner
        regular = all(factor.places is None for factor in inner.factors)
        found = digits.composed(self.factors, inner.offset, inner.factors) if regular else None
        if found is None:
            return Layout.of(self.index.reshape(-1)[inner.index])
        return _layout(inner.shape, self.offset + found[0], found[1])

    def transpose(self, order: Sequence[int]) -> Layout:
        """Axis i of the result is axis order[i]."""
        if self._axes is None:
            return Layout.of(self.index.transpose(order))
        shape = [self.shape[axis] for axis in order]
        return _layout(shape, self._axes[0], chain.from_iterable(self._axes[1][axis] for axis in order))

    def take(self, places: IntArray, axis: int) -> Layout:
        """The entries at `places` along an axis, 0..extent - 1, or -1 for what is none of the value.

        Slices, flips, crops, borders, repetitions, nearest resizes; an array of places gives as many axes as it has.
        """
        shape = (*self.shape[:axis], *places.shape, *self.shape[axis + 1 :])
        if self._axes is None:
            nowhere = places.reshape(*places.shape, *[1] * (len(self.shape) - 1 - axis)) < 0
            return Layout.of(np.where(nowhere, -1, np.take(self.index, places, axis)))
        offset, axes = self._axes
        table = np.where(places < 0, NOWHERE, digits.table_of(axes[axis])[places])
        more, factors = digits.factors_of(digits.clamped(table.reshape(-1)))
        return _layout(shape, offset + more, _with_axis(axes, axis, factors))

    def broadcast_to(self, shape: Sequence[int]) -> Layout:
        """As NumPy's; the shapes fit."""
        check_size(prod(shape))
        result = self.reshape((1,) * (len(shape) - len(self.shape)) + self.shape)
        for axis, extent in enumerate(shape):
            if result.shape[axis] != extent:
                result = result.take(np.zeros(extent, dtype=np.int64), axis)
        return result

    @staticmethod
    def concatenate(layouts: Sequence[Layout], axis: int) -> Layout:
        """One behind the other along an axis, all of the same value. Raises ValueError when the shapes do not fit."""
        extents = [layout.shape[axis] for layout in layouts]
        shape = (*layouts[0].shape[:axis], sum(extents), *layouts[0].shape[axis + 1 :])
        first = layouts[0]._axes
        tables = [layout._along(axis, first[1]) for layout in layouts] if first is not None else [None]
        known = [table for table in tables if table is not None]
        if first is None or len(known) < len(layouts):
            return Layout.of(np.concatenate([layout.index for layout in layouts], axis))
        offset, factors = digits.factors_of(digits.clamped(np.concatenate(known)))
        return _layout(shape, offset, _with_axis(first[1], axis, factors))

    def _along(self, axis: int, like: Sequence[Factors]) -> IntArray | None:
        """The places along an axis, when those along all others are as in `like`."""
        if self._axes is None:
            return None
        offset, mine = self._axes
        pairs = [(a, b) for place, (a, b) in enumerate(zip(mine, like, strict=True)) if place != axis]
        alike = all(len(a) == len(b) and all(map(Factor.same, a, b)) for a, b in pairs)
        return offset + digits.table_of(mine[axis]) if alike else None

    @cached_property
    def _axes(self) -> tuple[int, list[Factors]] | None:
        """The offset, and the factors of each axis; None where an irregular factor spans several."""
        found = digits.grouped(self.factors, self.shape)
        return None if found is None else (self.offset + found[0], [digits.joined(axis) for axis in found[1]])

    # ---- what is asked of it

    def thin(self) -> IntArray:
        """`index` with an extent of 1 along axes that do not change it: it broadcasts to the shape."""
        if self._axes is None:
            return self.index
        offset, axes = self._axes
        moved = [any(factor.moves for factor in axis) for axis in axes]
        shape = [extent if moves else 1 for extent, moves in zip(self.shape, moved, strict=True)]
        kept = chain.from_iterable(axis for axis, moves in zip(axes, moved, strict=True) if moves)
        return _layout(shape, offset, kept).index

    def channels(self, value: Shape) -> Layout:
        """The channel of `value` (C, ...), in which this layout is, that each element comes from."""
        pixels = prod(value[1:])
        channels, regular = (Factor(value[0], 1), Factor(pixels, 0)), all(f.places is None for f in self.factors)
        found = digits.composed(channels, self.offset, self.factors) if regular else None
        if found is None:
            return Layout.of(np.where(self.index < 0, -1, self.index // pixels))
        return _layout(self.shape, *found)

    def by_channel(self, value: Shape, numbers: Array) -> Array | None:
        """(C,) numbers of which each element gets its channel's, when they are `numbers`, which broadcast to the shape.

        A channel of `value` (C, ...) that no element comes from gets any of them; None where a channel has several.
        The layout is not padded.
        """
        channel, wide = np.broadcast_arrays(self.channels(value).thin(), numbers)
        result = np.full(value[0], wide.flat[0], dtype=numbers.dtype)
        result[channel] = wide
        return result if (result[channel] == wide).all() else None

    def frame(self) -> tuple[Layout, tuple[int, int, int, int]] | None:
        """What is inside of the frame of a padded (C, H, W), and (top, left, bottom, right), the extents of the frame.

        The frame is made of elements that are none; the result is None where those are no frame.
        """
        inner, widths = self, []
        for axis in (1, 2):
            there = np.flatnonzero(self._present(axis))
            if not there.size:
                return None
            first, last = int(there[0]), int(there[-1])
            inner = inner.take(np.arange(first, last + 1), axis)
            widths.append((first, self.shape[axis] - 1 - last))
        (top, bottom), (left, right) = widths
        return None if inner.padded else (inner, (top, left, bottom, right))

    def _present(self, axis: int) -> Array:
        """Where along an axis there are elements of the value."""
        if self._axes is None:
            others = tuple(place for place in range(len(self.shape)) if place != axis)
            return np.asarray(np.any(self.index >= 0, axis=others))
        return digits.is_present(digits.table_of(self._axes[1][axis]))


def _layout(shape: Sequence[int], offset: int, factors: Iterable[Factor]) -> Layout:
    return Layout(tuple(shape), offset, digits.joined(factors))


def _with_axis(axes: Sequence[Factors], axis: int, factors: Factors) -> Iterable[Factor]:
    return chain.from_iterable([*axes[:axis], factors, *axes[axis + 1 :]])


def value_shape(shape: Shape) -> Shape:
    """The graph's shape of a source tensor, batch axis first: (C, H, W), (C, 1, L), (C,), or all in one vector."""
    if len(shape) == 4:
        return shape[1:]
    if len(shape) == 3:
        return (shape[1], 1, shape[2])
    return (prod(shape),)


def arrangement(before: Shape, layout: Layout, fill: Fraction) -> list[FloatOp]:
    """The float ops that make a value of the layout's shape and elements from one of shape `before`."""
    after = layout.shape
    if before == after and layout.is_whole(before):
        return []
    if len(before) == len(after) == 1 and not layout.padded:
        return [_select(layout.index)]
    if len(before) == 3 and len(after) == 1 and not layout.padded:
        return [FlattenMap()] if layout.is_whole(before) else [FlattenMap(), _select(layout.index)]
    if len(before) == len(after) == 3 and before[1:] == after[1:] and not layout.padded:
        chosen = layout.take(np.zeros(1, np.int64), 1).take(np.zeros(1, np.int64), 2).index.reshape(-1)
        channels = chosen // prod(before[1:])
        if layout.same(Layout.whole(before).take(channels, 0)):
            return [_select(channels)]
    return [Gather(after, layout.index.reshape(-1), fill)]


def _select(channels: IntArray) -> FloatOp:
    return SelectChannels(tuple(channels.tolist()))

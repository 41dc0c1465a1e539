"""Ops that only move elements, borders, and tensors and constants brought together.

Each op that moves elements is the same operation on a layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from intinfer.types import IntArray

from ...floatnet import Concatenate, FlattenMap, Gather
from .. import Array, Layout, Operand, Symbolic, SymbolicNet, Unsupported, layout
from ..layout import check_size
from ..tensor import Known, hull, known

MAX_BORDER = 2**20
"""Elements that a pad adds at one side."""


def gather(x: Symbolic, places: IntArray) -> Symbolic:
    """The elements of `x` at `places`, flat in C order: for an order that the functions below do not say."""
    return _laid_out(x, places.shape, lambda: x.layout.gather(places))


def strided(x: Symbolic, shape: Sequence[int], strides: Sequence[int], offset: int) -> Symbolic:
    """A view of `x`: the elements at offset + sum of index * stride, flat in C order."""
    return _laid_out(x, shape, lambda: x.layout.strided(shape, strides, offset))


def _laid_out(x: Symbolic, shape: Sequence[int], layout: Callable[[], Layout]) -> Symbolic:
    """`x` in another layout, of a shape that is checked before."""
    check_size(prod(shape))
    if 0 in shape or tuple(shape[:1]) != (1,):
        raise Unsupported(f"it gives shape {tuple(shape)}; the batch axis stays first and of 1, and no other is empty")
    return x.changed(layout=layout())


def axis_of(axis: int, rank: int) -> int:
    """A negative axis counted from the end."""
    if not -rank <= axis < rank:
        raise Unsupported(f"axis {axis} of a tensor with {rank} axes")
    return axis % rank


def reshape(x: Symbolic, shape: Sequence[int]) -> Symbolic:
    """The same elements in C order in another shape."""
    return _laid_out(x, shape, lambda: x.layout.reshape(shape))


def transpose(x: Symbolic, order: Sequence[int]) -> Symbolic:
    """Axis i of the result is axis order[i] of `x`."""
    return _laid_out(x, [x.shape[axis] for axis in order], lambda: x.layout.transpose(order))


def move_axis(x: Symbolic, source: int, target: int) -> Symbolic:
    """One axis at another place, the others in their order."""
    rank = len(x.shape)
    order = list(range(rank))
    order.insert(target % rank, order.pop(source))
    return transpose(x, order)


def take(x: Symbolic, places: IntArray, axis: int) -> Symbolic:
    """The entries at `places` along an axis; an array of places gives as many axes as it has."""
    places = np.arange(x.shape[axis])[places]
    axis %= len(x.shape)
    shape = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
    return _laid_out(x, shape, lambda: x.layout.take(places, axis))


def broadcast(x: Symbolic, shape: tuple[int, ...]) -> Symbolic:
    """`x` with the shape that NumPy's broadcasting gives it beside `shape`."""
    try:
        wide = np.broadcast_shapes(x.shape, shape)
    except ValueError:
        raise Unsupported(f"shapes {x.shape} and {shape} do not broadcast") from None
    return x if wide == x.shape else _laid_out(x, wide, lambda: x.layout.broadcast_to(wide))


def tile(x: Symbolic, repeats: Sequence[int]) -> Symbolic:
    """`x` repeated along each axis."""
    if len(repeats) != len(x.shape) or min(repeats) < 1:
        raise Unsupported(f"repeats {tuple(repeats)} for {x.shape}")
    check_size(prod(repeats) * x.size)
    for axis, times in enumerate(repeats):
        x = take(x, np.tile(np.arange(x.shape[axis]), times), axis) if times > 1 else x
    return x


def pad(net: SymbolicNet, x: Symbolic, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Symbolic:
    """A border of `value`: (before, after) an axis of `x`, negative ones cut off."""
    if not any(n for pair in widths for n in pair):
        return x
    fill = Fraction(float(value))
    x = net.without_chain(x)
    if x.padded and x.fill != fill:
        x = net.spread(x)
    border = _bordered(x, widths, constant_values=-1)
    facts = hull(known(x), Known((float(value), float(value)), float(value).is_integer()))
    return border.changed(fill=fill, bounds=facts.bounds, whole=facts.whole)


def pad_with_elements(x: Symbolic, widths: Sequence[tuple[int, int]], mode: str) -> Symbolic:
    """A border of elements of `x`: `mode` is "reflect", "edge" or "wrap", as `numpy.pad` has them."""
    return _bordered(x, widths, mode=mode)


def _bordered(x: Symbolic, widths: Sequence[tuple[int, int]], **how: Any) -> Symbolic:
    """`x` with a border whose places `numpy.pad` gives, as `how` says."""
    if len(widths) != len(x.shape) or any(widths[0]):
        raise Unsupported(f"pads {list(widths)} do not fit {x.shape}; the batch axis is not padded")
    widest = max(max(pair) for pair in widths)
    if widest > MAX_BORDER:
        raise Unsupported(f"it pads by {widest}; at most {MAX_BORDER}")
    shape = [n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)]
    if min(shape) < 1:
        raise Unsupported(f"it gives shape {tuple(shape)}")
    layout = x.layout
    for axis, (a, b) in enumerate(widths):
        kept = np.arange(max(0, -a), x.shape[axis] - max(0, -b))
        if a or b:
            layout = layout.take(np.pad(kept, (max(0, a), max(0, b)), **how), axis)
    return _laid_out(x, shape, lambda: layout)


def depth_to_space(x: Symbolic, block: int, depth_first: bool) -> Symbolic:
    """Blocks of channels become blocks of pixels; the block is the outer part of the channels if `depth_first`."""
    channels, height, width = _blocks(x, block)
    rest = channels // block**2
    if channels % block**2:
        raise Unsupported(f"{channels} channels in blocks of {block} by {block}")
    parts = (1, block, block, rest, height, width) if depth_first else (1, rest, block, block, height, width)
    order = (0, 3, 4, 1, 5, 2) if depth_first else (0, 1, 4, 2, 5, 3)
    shape = (1, rest, height * block, width * block)
    return _laid_out(x, shape, lambda: x.layout.reshape(parts).transpose(order).reshape(shape))


def space_to_depth(x: Symbolic, block: int, depth_first: bool) -> Symbolic:
    """The inverse of `depth_to_space`."""
    channels, height, width = _blocks(x, block)
    if height % block or width % block:
        raise Unsupported(f"{height} by {width} in blocks of {block}")
    parts = (1, channels, height // block, block, width // block, block)
    order = (0, 3, 5, 1, 2, 4) if depth_first else (0, 1, 3, 5, 2, 4)
    shape = (1, channels * block**2, height // block, width // block)
    return _laid_out(x, shape, lambda: x.layout.reshape(parts).transpose(order).reshape(shape))


def _blocks(x: Symbolic, block: int) -> tuple[int, int, int]:
    if len(x.shape) != 4 or block < 1:
        raise Unsupported(f"blocks of {block} of a tensor {x.shape}")
    return x.shape[1], x.shape[2], x.shape[3]


def apart(a: Operand, b: Operand) -> tuple[Symbolic, Array]:
    """The tensor and the constant of a pair that has one of each."""
    x, constant = (a, b) if isinstance(a, Symbolic) else (b, a)
    assert isinstance(x, Symbolic)
    assert not isinstance(constant, Symbolic)
    return x, np.asarray(constant)


def one_number(constant: Array, reason: str) -> float:
    """The one number of a constant; Unsupported with `reason` when its elements differ."""
    flat = np.asarray(constant).reshape(-1)
    if (flat != flat[0]).any():
        raise Unsupported(f"its constant differs between elements; {reason}")
    return float(flat[0])


def aligned(net: SymbolicNet, tensors: Sequence[Symbolic]) -> tuple[list[str], Layout]:
    """Nodes of one shape whose values are the tensors, element by element, and the layout of the result.

    Tensors in the same unusual layout stay in it: nothing is moved.
    """
    shape = np.broadcast_shapes(*(x.shape for x in tensors))
    plain = [net.without_chain(broadcast(x, shape)) for x in tensors]
    values = {net.value_shape(x.node) for x in plain}
    first = plain[0].layout
    alike = len(values) == 1 and all(x.layout.same(first) for x in plain[1:])
    if alike and not first.padded and first.size == np.prod(next(iter(values))):
        return [x.node for x in plain], first
    return [net.realised(x) for x in plain], Layout.whole(shape)


def as_tensor(net: SymbolicNet, x: Operand, like: Symbolic, shape: tuple[int, ...]) -> Symbolic:
    """The operand with `shape`; a constant is a map of `like` of which nothing is left but the fill."""
    if isinstance(x, Symbolic):
        return broadcast(x, shape)
    number = Fraction(one_number(x, "beside a tensor it is one number"))
    value = layout.value_shape(shape)
    index = np.full(int(np.prod(value)), -1, dtype=np.int64)
    node = net.emit(Gather(value, index, number), net.without_chain(like).node, name=f"{net.name}.constant")
    return net.made(node, shape, like.dtype, known(np.array(float(number))))


def concat(net: SymbolicNet, tensors: Sequence[Operand], axis: int) -> Symbolic:
    """Tensors one behind the other along `axis`."""
    first = next(x for x in tensors if isinstance(x, Symbolic))
    shapes = ", ".join(str(x.shape) for x in tensors)
    rank = len(first.shape)
    if not -rank <= axis < rank or any(len(x.shape) != rank for x in tensors):
        raise Unsupported(f"shapes {shapes} do not concatenate along axis {axis}")
    axis %= rank
    if axis == 0:
        raise Unsupported("it concatenates images: the batch axis stays 1")
    parts = [x if isinstance(x, Symbolic) else as_tensor(net, x, first, np.shape(x)) for x in tensors]
    if len({x.dtype for x in parts}) > 1:
        raise Unsupported(f"its inputs are {', '.join(sorted({str(x.dtype) for x in parts}))}")
    if len(parts) == 1:
        return parts[0]
    layout.check_size(sum(x.size for x in parts))
    try:
        return _joined(net, parts, axis)
    except ValueError:
        raise Unsupported(f"shapes {shapes} do not concatenate") from None


def _joined(net: SymbolicNet, parts: list[Symbolic], axis: int) -> Symbolic:
    """As elements of the node that all of them come from, as a map of more channels, or as one vector."""
    first, facts = parts[0], hull(*map(known, parts))
    joined = Layout.concatenate([x.layout for x in parts], axis)
    if all(x.node == first.node and x.chain is first.chain and x.fill == first.fill for x in parts):
        return first.changed(layout=joined, bounds=facts.bounds, whole=facts.whole)
    if axis == 1 and len(joined.shape) in (2, 3, 4):
        node = net.emit(Concatenate(), *(net.realised(x) for x in parts))
        return net.made(node, joined.shape, first.dtype, facts)
    starts = np.cumsum([0, *(x.size for x in parts)])
    places = [replace(Layout.whole(x.shape), offset=int(start)) for start, x in zip(starts, parts, strict=False)]
    node = net.emit(Concatenate(), *(_flat(net, x) for x in parts))
    return Symbolic(node, Layout.concatenate(places, axis), first.dtype, bounds=facts.bounds, whole=facts.whole)


def _flat(net: SymbolicNet, x: Symbolic) -> str:
    node = net.realised(x)
    if len(net.value_shape(node)) == 1:
        return node
    return net.emit(FlattenMap(), node, name=f"{net.name}.flat")


def stack(net: SymbolicNet, tensors: Sequence[Operand], axis: int) -> Symbolic:
    """Tensors one behind the other along a new axis."""
    rank = len(next(x for x in tensors if isinstance(x, Symbolic)).shape)
    place = axis_of(axis, rank + 1)
    if place == 0:
        raise Unsupported("it stacks images: the batch axis stays first")
    return concat(
        net,
        [
            reshape(x, (*x.shape[:place], 1, *x.shape[place:])) if isinstance(x, Symbolic) else np.expand_dims(x, place)
            for x in tensors
        ],
        place,
    )

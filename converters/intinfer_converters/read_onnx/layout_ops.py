"""Operators that only move elements: each is the same operation on an array of indices."""

from __future__ import annotations

from math import prod

import numpy as np

from intinfer.types import IntArray

from ..symbolic import Symbolic, Unsupported
from .call import Call, axis_of
from .tensors import Constant, constant_of


def reshape(call: Call) -> Symbolic:
    """Reshape: 0 keeps an extent, -1 is what is left."""
    x = call.tensor()
    wanted = call.integers_or_input("shape", 1, 5) or ()
    keep = not call.integer("allowzero", 0)
    if any(n == 0 and place >= len(x.shape) for place, n in enumerate(wanted)) or wanted.count(-1) > 1:
        raise Unsupported(f"shape {wanted} for {x.shape}")
    shape = [x.shape[place] if n == 0 and keep else n for place, n in enumerate(wanted)]
    known = prod(n for n in shape if n != -1)
    if -1 in shape and known > 0 and x.size % known == 0:
        shape[shape.index(-1)] = x.size // known
    if prod(shape) != x.size or min(shape, default=1) < 1:
        raise Unsupported(f"shape {wanted} for {x.size} elements of {x.shape}; export with batch 1, or give --shape")
    return call.net.rearrange(x, lambda index: index.reshape(shape))


def flatten(call: Call) -> Symbolic:
    """Flatten to a matrix."""
    x, axis = call.tensor(), call.integer("axis", 1)
    axis = axis + len(x.shape) if axis < 0 else axis
    shape = (prod(x.shape[:axis]), prod(x.shape[axis:]))
    return call.net.rearrange(x, lambda index: index.reshape(shape))


def transpose(call: Call) -> Symbolic:
    """Transpose; without perm the axes are reversed."""
    x = call.tensor()
    order = call.integers("perm") or tuple(reversed(range(len(x.shape))))
    if sorted(order) != list(range(len(x.shape))):
        raise Unsupported(f"perm {order} for {x.shape}")
    return call.net.rearrange(x, lambda index: index.transpose(order))


def squeeze(call: Call) -> Symbolic:
    """Squeeze; without axes, every axis of 1 but the batch axis."""
    x = call.tensor()
    axes = call.integers_or_input("axes", 1, 13)
    if axes is None:
        raise Unsupported("without axes it takes away the batch axis too; give the axes")
    chosen = tuple(axis_of(axis, len(x.shape)) for axis in axes)
    return call.net.rearrange(x, lambda index: np.squeeze(index, chosen))


def unsqueeze(call: Call) -> Symbolic:
    """Unsqueeze: the axes are places in the result."""
    x = call.tensor()
    axes = call.integers_or_input("axes", 1, 13) or ()
    chosen = tuple(axis_of(axis, len(x.shape) + len(axes)) for axis in axes)
    return call.net.rearrange(x, lambda index: np.expand_dims(index, chosen))


def expand(call: Call) -> Symbolic:
    """Expand to a shape, both ways of broadcasting."""
    x, wanted = call.tensor(), tuple(int(n) for n in call.array(1, "shape"))
    shape = np.broadcast_shapes(x.shape, wanted)
    return call.rearranged(x, shape, lambda index: np.broadcast_to(index, shape))


def tile(call: Call) -> Symbolic:
    """Tile by repeats an axis."""
    x, repeats = call.tensor(), tuple(int(n) for n in call.array(1, "repeats"))
    if len(repeats) != len(x.shape) or min(repeats) < 1:
        raise Unsupported(f"repeats {repeats} for {x.shape}")
    shape = [n * r for n, r in zip(x.shape, repeats, strict=True)]
    return call.rearranged(x, shape, lambda index: np.tile(index, repeats))


def concat(call: Call) -> Symbolic:
    """Concat along an axis."""
    return call.net.concat([call.operand(place) for place in range(len(call.inputs))], call.integer("axis", 1))


def split(call: Call) -> list[Symbolic]:
    """Split into given sizes, or into equal parts of which the last may be smaller."""
    x = call.tensor()
    axis, parts = axis_of(call.integer("axis", 0), len(x.shape)), len(call.node.outputs)
    sizes = call.integers_or_input("split", 1, 13)
    if sizes is None:
        each = -(-x.shape[axis] // call.integer("num_outputs", parts))
        sizes = tuple(max(0, min(each, x.shape[axis] - each * part)) for part in range(parts))
    if len(sizes) != parts or sum(sizes) != x.shape[axis] or min(sizes) < 1:
        raise Unsupported(f"sizes {sizes} of {x.shape[axis]} entries for {parts} outputs")
    ends = np.cumsum(sizes)
    return [taken(call, x, axis, np.arange(end - size, end)) for size, end in zip(sizes, ends, strict=True)]


def taken(call: Call, x: Symbolic, axis: int, places: IntArray) -> Symbolic:
    """The entries at `places` along an axis; an array of places gives as many axes as it has."""
    shape = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
    return call.rearranged(x, shape, lambda index: np.take(index, places, axis))


def slice_(call: Call) -> Symbolic:
    """Slice, with the clamping that ONNX defines."""
    x = call.tensor()
    starts, ends = call.integers_or_input("starts", 1, 10) or (), call.integers_or_input("ends", 2, 10) or ()
    axes = call.integers_or_input("axes", 3, 10) or tuple(range(len(starts)))
    steps = (call.integers_or_input("steps", 4, 10) if call.opset >= 10 else None) or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Unsupported(f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes, {len(steps)} steps")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = axis_of(axis, len(x.shape))
        extent = x.shape[axis]
        if step == 0:
            raise Unsupported("a step of 0")
        start, end = (n + extent if n < 0 else n for n in (start, end))
        if step > 0:
            start, end = min(max(start, 0), extent), min(max(end, 0), extent)
        else:
            start, end = min(max(start, 0), extent - 1), min(max(end, -1), extent - 1)
        x = taken(call, x, axis, np.arange(start, end, step))
    return x


def gather(call: Call) -> Symbolic:
    """Gather along an axis at constant places."""
    x, places = call.tensor(), call.array(1, "indices")
    axis = axis_of(call.integer("axis", 0), len(x.shape))
    if places.dtype.kind not in "iu" or (np.abs(places + 0.5) > x.shape[axis]).any():
        raise Unsupported(f"indices outside the {x.shape[axis]} entries of axis {axis}")
    if axis == 0:
        raise Unsupported("it gathers along the batch axis")
    return taken(call, x, axis, places.astype(np.int64))


_PAD_MODES = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def pad(call: Call) -> Symbolic:
    """Pad: constant, reflect, edge or wrap."""
    x, rank = call.tensor(), len(call.tensor().shape)
    pads = call.integers_or_input("pads" if call.opset >= 2 else "paddings", 1, 11) or ()
    axes = call.integers_or_input("axes", 3, 18) if call.opset >= 18 else None
    axes = tuple(range(rank)) if axes is None else tuple(axis_of(axis, rank) for axis in axes)
    if len(pads) != 2 * len(axes):
        raise Unsupported(f"{len(pads)} pads for {len(axes)} axes")
    widths = [(0, 0)] * rank
    for place, axis in enumerate(axes):
        widths[axis] = (pads[place], pads[place + len(axes)])
    shape = [n + before + after for n, (before, after) in zip(x.shape, widths, strict=True)]
    mode = call.text("mode", "constant")
    if mode == "constant":
        value = call.number("value", 0.0) if call.opset < 11 else call.one(2, "value", 0)
        if prod(shape) > 2**28 or min(shape) < 1:
            raise Unsupported(f"it gives shape {tuple(shape)}")
        return call.net.pad(x, widths, value)
    if mode not in _PAD_MODES:
        raise Unsupported(f"mode {mode!r} is not supported; constant, {', '.join(_PAD_MODES)} are")
    cut = tuple(slice(max(0, -a), n - max(0, -b)) for (a, b), n in zip(widths, x.shape, strict=True))
    grown = [(max(0, a), max(0, b)) for a, b in widths]
    return call.rearranged(x, shape, lambda index: np.pad(index[cut], grown, mode=mode))  # type: ignore[call-overload]


def depth_to_space(call: Call) -> Symbolic:
    """DepthToSpace, DCR (depth first) or CRD."""
    x, block, (channels, height, width) = _blocks(call)
    mode = call.text("mode", "DCR")
    if mode not in ("DCR", "CRD") or channels % block**2:
        raise Unsupported(f"mode {mode!r} of {channels} channels in blocks of {block}")
    rest = channels // block**2

    def move(index: IntArray) -> IntArray:
        if mode == "DCR":
            parts = index.reshape(1, block, block, rest, height, width).transpose(0, 3, 4, 1, 5, 2)
        else:
            parts = index.reshape(1, rest, block, block, height, width).transpose(0, 1, 4, 2, 5, 3)
        return parts.reshape(1, rest, height * block, width * block)

    return call.net.rearrange(x, move)


def space_to_depth(call: Call) -> Symbolic:
    """SpaceToDepth, DCR (all channels of a block's first element first) or CRD."""
    x, block, (channels, height, width) = _blocks(call)
    mode = call.text("mode", "DCR")
    if mode not in ("DCR", "CRD") or height % block or width % block:
        raise Unsupported(f"mode {mode!r} of {height} by {width} in blocks of {block}")
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    split_shape = (1, channels, height // block, block, width // block, block)
    shape = (1, channels * block**2, height // block, width // block)
    return call.net.rearrange(x, lambda i: i.reshape(split_shape).transpose(order).reshape(shape))


def _blocks(call: Call) -> tuple[Symbolic, int, tuple[int, int, int]]:
    x, block = call.tensor(), call.integer("blocksize", 0)
    if len(x.shape) != 4 or block < 1:
        raise Unsupported(f"blocks of {block} of a tensor {x.shape}")
    return x, block, (x.shape[1], x.shape[2], x.shape[3])


def shape_of(call: Call) -> Constant:
    """Shape, or a part of it: known without an input."""
    shape = call.value(0).shape
    return constant_of(np.array(shape[call.integer("start", 0) : call.integer("end", len(shape))], dtype=np.int64))


def size_of(call: Call) -> Constant:
    """The number of elements."""
    return constant_of(np.array(prod(call.value(0).shape), dtype=np.int64))

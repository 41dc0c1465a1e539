"""Operators that only move elements: what ONNX's attributes and inputs say of shapes, axes and places.

Resize and Upsample with mode nearest take their source coordinates in exact arithmetic, as ONNX defines them.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor, prod

import numpy as np

from ..symbolic import Array, Symbolic, Unsupported
from ..symbolic.vocabulary import arrangement
from .call import Call, Rule
from .tensors import Constant, constant_of


def reshape(call: Call) -> Symbolic:
    """Reshape: 0 keeps an extent, -1 is what is left."""
    x = call.tensor()
    wanted = call.integers_or_input("shape", 1) or ()
    keep = not call.integer("allowzero", 0)
    if any(n == 0 and place >= len(x.shape) for place, n in enumerate(wanted)) or wanted.count(-1) > 1:
        raise Unsupported(f"shape {wanted} for {x.shape}")
    shape = [x.shape[place] if n == 0 and keep else n for place, n in enumerate(wanted)]
    known = prod(n for n in shape if n != -1)
    if -1 in shape and known > 0 and x.size % known == 0:
        shape[shape.index(-1)] = x.size // known
    if prod(shape) != x.size or min(shape, default=1) < 1:
        raise Unsupported(f"shape {wanted} for {x.size} elements of {x.shape}; export with batch 1, or give --shape")
    return arrangement.reshape(x, shape)


def flatten(call: Call) -> Symbolic:
    """Flatten: the axes before `axis` become the rows of a matrix, those from it on the columns."""
    x, axis = call.tensor(), call.integer("axis", 1)
    axis = axis + len(x.shape) if axis < 0 else axis
    return arrangement.reshape(x, (prod(x.shape[:axis]), prod(x.shape[axis:])))


def transpose(call: Call) -> Symbolic:
    """Transpose; without perm the axes are reversed."""
    x = call.tensor()
    order = call.integers("perm") or tuple(reversed(range(len(x.shape))))
    if sorted(order) != list(range(len(x.shape))):
        raise Unsupported(f"perm {order} for {x.shape}")
    return arrangement.transpose(x, order)


def squeeze(call: Call) -> Symbolic:
    """Squeeze: the given axes, all of 1, are left out."""
    x, axes = call.tensor(), call.integers_or_input("axes", 1)
    if axes is None:
        raise Unsupported("without axes it takes away the batch axis too; give the axes")
    chosen = {arrangement.axis_of(axis, len(x.shape)) for axis in axes}
    if any(x.shape[axis] != 1 for axis in chosen):
        raise Unsupported(f"axes {axes} of {x.shape} are not all of 1")
    return arrangement.reshape(x, [n for axis, n in enumerate(x.shape) if axis not in chosen])


def unsqueeze(call: Call) -> Symbolic:
    """Unsqueeze: the axes are places in the result."""
    x, axes = call.tensor(), call.integers_or_input("axes", 1) or ()
    rank = len(x.shape) + len(axes)
    chosen = {arrangement.axis_of(axis, rank) for axis in axes}
    if len(chosen) != len(axes):
        raise Unsupported(f"its axes {axes} name one place twice")
    extents = iter(x.shape)
    return arrangement.reshape(x, [1 if axis in chosen else next(extents) for axis in range(rank)])


def expand(call: Call) -> Symbolic:
    """Expand to a shape, both ways of broadcasting."""
    return arrangement.broadcast(call.tensor(), tuple(int(n) for n in call.array(1, "shape")))


def tile(call: Call) -> Symbolic:
    """Tile: the tensor repeated so many times along each axis."""
    return arrangement.tile(call.tensor(), [int(n) for n in call.array(1, "repeats")])


def concat(call: Call) -> Symbolic:
    """Concat: tensors one behind the other along an axis."""
    parts = [call.operand(place) for place in range(len(call.inputs))]
    return arrangement.concat(call.net, parts, call.integer("axis", 1))


def split(call: Call) -> list[Symbolic]:
    """Split into given sizes, or into equal parts of which the last may be smaller."""
    x = call.tensor()
    axis, parts = arrangement.axis_of(call.integer("axis", 0), len(x.shape)), len(call.node.outputs)
    sizes = call.integers_or_input("split", 1)
    if sizes is None:
        each = -(-x.shape[axis] // call.integer("num_outputs", parts))
        sizes = tuple(max(0, min(each, x.shape[axis] - each * part)) for part in range(parts))
    if len(sizes) != parts or sum(sizes) != x.shape[axis] or min(sizes) < 1:
        raise Unsupported(f"sizes {sizes} of {x.shape[axis]} entries for {parts} outputs")
    ends = np.cumsum(sizes)
    return [arrangement.take(x, np.arange(end - size, end), axis) for size, end in zip(sizes, ends, strict=True)]


def slice_(call: Call) -> Symbolic:
    """Slice, with the clamping that ONNX defines."""
    x = call.tensor()
    starts, ends = call.integers_or_input("starts", 1) or (), call.integers_or_input("ends", 2) or ()
    axes = call.integers_or_input("axes", 3) or tuple(range(len(starts)))
    steps = call.integers_or_input("steps", 4) or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Unsupported(f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes, {len(steps)} steps")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = arrangement.axis_of(axis, len(x.shape))
        extent = x.shape[axis]
        if step == 0:
            raise Unsupported("a step of 0")
        start, end = (n + extent if n < 0 else n for n in (start, end))
        low, high = (0, extent) if step > 0 else (-1, extent - 1)
        x = arrangement.take(x, np.arange(min(max(start, 0), high), min(max(end, low), high), step), axis)
    return x


def gather(call: Call) -> Symbolic:
    """Gather along an axis at constant places."""
    x, places = call.tensor(), call.array(1, "indices")
    axis = arrangement.axis_of(call.integer("axis", 0), len(x.shape))
    if places.dtype.kind not in "iu" or (np.abs(places + 0.5) > x.shape[axis]).any():
        raise Unsupported(f"indices outside the {x.shape[axis]} entries of axis {axis}")
    if axis == 0:
        raise Unsupported("it gathers along the batch axis")
    return arrangement.take(x, places.astype(np.int64), axis)


def pad(call: Call) -> Symbolic:
    """Pad: constant, reflect, edge or wrap."""
    x, rank = call.tensor(), len(call.tensor().shape)
    pads = call.integers_or_input("pads" if call.opset >= 2 else "paddings", 1) or ()
    axes = call.integers_or_input("axes", 3)
    axes = tuple(range(rank)) if axes is None else tuple(arrangement.axis_of(axis, rank) for axis in axes)
    if len(pads) != 2 * len(axes):
        raise Unsupported(f"{len(pads)} pads for {len(axes)} axes")
    widths = [(0, 0)] * rank
    for place, axis in enumerate(axes):
        widths[axis] = (pads[place], pads[place + len(axes)])
    mode = call.text("mode", "constant")
    if mode == "constant":
        value = call.number("value", 0.0) if call.opset < 11 else call.one(2, "value", 0)
        return arrangement.pad(call.net, x, widths, value)
    if mode not in ("reflect", "edge", "wrap"):
        raise Unsupported(f"mode {mode!r} is not supported; constant, reflect, edge, wrap are")
    return arrangement.pad_with_elements(x, widths, mode)


def in_blocks(word: Callable[[Symbolic, int, bool], Symbolic]) -> Rule:
    """DepthToSpace, SpaceToDepth: DCR (depth first) or CRD."""

    def rule(call: Call) -> Symbolic:
        mode = call.text("mode", "DCR")
        if mode not in ("DCR", "CRD"):
            raise Unsupported(f"mode {mode!r} is not supported; DCR and CRD are")
        return word(call.tensor(), call.integer("blocksize", 0), mode == "DCR")

    return rule


def shape_of(call: Call) -> Constant:
    """Shape, or a part of it: known without an input."""
    shape = call.value(0).shape
    return constant_of(np.array(shape[call.integer("start", 0) : call.integer("end", len(shape))], dtype=np.int64))


def size_of(call: Call) -> Constant:
    """Size: the number of elements, known without an input."""
    return constant_of(np.array(prod(call.value(0).shape), dtype=np.int64))


def resize(call: Call) -> Symbolic:
    """Resize with mode nearest: source coordinates in exact arithmetic."""
    x, rank = call.tensor(), len(call.tensor().shape)
    call.refuse("mode", "nearest")
    call.refuse("antialias", 0)
    old = call.opset < 11
    transform = "asymmetric" if old else call.text("coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if old else call.text("nearest_mode", "round_prefer_floor")
    axes = tuple(arrangement.axis_of(axis, rank) for axis in call.integers("axes") or range(rank))
    scales = call.optional(1 if old else 2, "scales")
    sizes = None if old else call.optional(3, "sizes")
    policy = call.text("keep_aspect_ratio_policy", "stretch")
    if policy not in _POLICIES:
        raise Unsupported(f"keep_aspect_ratio_policy {policy!r} is not supported; {', '.join(_POLICIES)} are")
    return _resized(x, axes, scales, sizes, (transform, nearest, policy))


def upsample(call: Call) -> Symbolic:
    """Upsample with mode nearest: scales are an attribute before opset 9."""
    x = call.tensor()
    call.refuse("mode", "nearest")
    if call.opset < 9:
        scales = np.asarray(call.node.attributes.get("scales", ()), dtype=np.float32)
        call.asked.add("scales")
    else:
        scales = call.array(1, "scales")
    return _resized(x, tuple(range(len(x.shape))), scales, None, ("asymmetric", "floor", "stretch"))


def _resized(
    x: Symbolic,
    axes: tuple[int, ...],
    scales: Array | None,
    sizes: Array | None,
    modes: tuple[str, str, str],
) -> Symbolic:
    """One axis after the other; modes are the transformation, the rounding, and what sizes mean."""
    transform, nearest, policy = modes
    by_scale = scales is not None and scales.size > 0
    given = scales if by_scale else sizes
    if given is None or given.size != len(axes):
        raise Unsupported(f"it needs scales or sizes for {len(axes)} axes")
    if transform not in _TRANSFORMS or nearest not in _NEAREST:
        raise Unsupported(
            f"{transform} with {nearest} is not supported; {', '.join(_TRANSFORMS)} with {', '.join(_NEAREST)} are"
        )
    if not (np.isfinite(given) & (given > 0) & (given <= 2**20)).all():
        raise Unsupported(f"scales or sizes {given.tolist()[:8]}")
    ratios = [Fraction(n) if by_scale else Fraction(n, x.shape[a]) for n, a in zip(given.tolist(), axes, strict=True)]
    if not by_scale and policy != "stretch":
        ratios = [_POLICIES[policy](ratios)] * len(ratios)
    for axis, scale in zip(axes, ratios, strict=True):
        extent = x.shape[axis]
        length = floor(extent * scale + (0 if by_scale else Fraction(1, 2)))
        if by_scale and length != floor(np.float32(extent) * np.float32(scale)):
            raise Unsupported(f"{extent} entries times {float(scale):.9g}: exactly {length}, in float32 another number")
        if transform == "align_corners" and extent * scale != length:
            raise Unsupported(f"align_corners with {extent} * {float(scale):g} entries, on which definitions differ")
        if not 1 <= length <= 2**24:
            raise Unsupported(f"it makes {length} of {extent} entries")
        if length == extent and scale == 1:
            continue
        places = [_NEAREST[nearest](_TRANSFORMS[transform](i, scale, length, extent)) for i in range(length)]
        x = arrangement.take(x, np.clip(np.array(places, dtype=np.int64), 0, extent - 1), axis)
    return x


def _half_pixel(i: int, scale: Fraction, length: int, extent: int) -> Fraction:
    return (i + Fraction(1, 2)) / scale - Fraction(1, 2)


def _symmetric(i: int, scale: Fraction, length: int, extent: int) -> Fraction:
    """half_pixel about the centre, where the result's length was rounded down."""
    return Fraction(extent, 2) * (1 - length / (scale * extent)) + _half_pixel(i, scale, length, extent)


_TRANSFORMS: dict[str, Callable[[int, Fraction, int, int], Fraction]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": lambda i, s, n, e: _half_pixel(i, s, n, e) if n > 1 else Fraction(0),
    "align_corners": lambda i, s, n, e: Fraction(i * (e - 1), n - 1) if n > 1 else Fraction(0),
    "asymmetric": lambda i, s, n, e: i / s,
}
_POLICIES: dict[str, Callable[[list[Fraction]], Fraction]] = {"stretch": max, "not_larger": min, "not_smaller": max}
_NEAREST: dict[str, Callable[[Fraction], int]] = {
    "round_prefer_floor": lambda c: ceil(c - Fraction(1, 2)),
    "round_prefer_ceil": lambda c: floor(c + Fraction(1, 2)),
    "floor": floor,
    "ceil": ceil,
}

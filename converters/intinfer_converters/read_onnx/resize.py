"""Resize and Upsample with mode nearest: source coordinates in exact arithmetic, as ONNX defines them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
import numpy.typing as npt

from ..symbolic import Symbolic, Unsupported
from ..symbolic.vocabulary.arrangement import axis_of, take
from .call import Call


def resize(call: Call) -> Symbolic:
    """Resize with mode nearest: source coordinates in exact arithmetic."""
    x, rank = call.tensor(), len(call.tensor().shape)
    call.refuse("mode", "nearest")
    call.refuse("antialias", 0)
    old = call.opset < 11
    transform = "asymmetric" if old else call.text("coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if old else call.text("nearest_mode", "round_prefer_floor")
    axes = tuple(axis_of(axis, rank) for axis in call.integers("axes") or range(rank))
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
    scales: npt.NDArray[Any] | None,
    sizes: npt.NDArray[Any] | None,
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
        x = take(x, np.clip(np.array(places, dtype=np.int64), 0, extent - 1), axis)
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

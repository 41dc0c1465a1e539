"""Integer and quantised ONNX operators by their exact definition, in NumPy.

A runtime's own kernels are no reference here: what its 8-bit products saturate to depends on the processor. Sums of
products are exact (float64 below 2^53). QLinear operators state no rounding: the nearest integer, ties to even, of
accumulator * (x_scale * w_scale / y_scale), plus the zero point, saturated to the type of y; their bias is an int32 in
units of x_scale * w_scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError
from intinfer.matmul import integer_matmul
from intinfer.ops.geometry import Window
from intinfer.types import IntArray

from ..floatnet.arrays import convolve

Array = npt.NDArray[Any]
Attributes = dict[str, Any]


def _whole(array: Array) -> IntArray:
    return np.asarray(array).astype(np.int64)


def _column(array: Array | None, rank: int) -> Array:
    """A scalar, or one number a channel shaped (1, C, 1, ...)."""
    if array is None:
        return np.zeros(1, dtype=np.int64)
    flat = np.asarray(array).reshape(-1)
    return flat if flat.size == 1 else flat.reshape(1, -1, *[1] * (rank - 2))


def _pads(attributes: Attributes, sizes: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """Begins and ends of all axes, whatever auto_pad says."""
    axes = len(kernel)
    strides, dilations = attributes.get("strides", [1] * axes), attributes.get("dilations", [1] * axes)
    mode = attributes.get("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        begins, ends = [], []
        for size, taps, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
            missing = max(0, (-(-size // stride) - 1) * stride + (taps - 1) * dilation + 1 - size)
            small, large = missing // 2, missing - missing // 2
            begins.append(small if mode == "SAME_UPPER" else large)
            ends.append(large if mode == "SAME_UPPER" else small)
        return begins + ends
    return [0] * (2 * axes) if mode == "VALID" else list(attributes.get("pads", [0] * (2 * axes)))


def _convolved(x: IntArray, weight: IntArray, attributes: Attributes) -> IntArray:
    """Exact cross-correlation of zero-point-free integers, 1-d or 2-d, border 0."""
    rank = x.ndim
    if rank not in (3, 4):
        raise DataError(f"an integer convolution of rank {rank}; 1-d and 2-d ones are supported")
    kernel = weight.shape[2:]
    pads = _pads(attributes, x.shape[2:], kernel)
    strides = list(attributes.get("strides", [1] * len(kernel)))
    dilations = list(attributes.get("dilations", [1] * len(kernel)))
    if rank == 3:
        x, weight, kernel = x[:, :, None], weight[:, :, None], (1, *kernel)
        strides, dilations, pads = [1, *strides], [1, *dilations], [0, pads[0], 0, pads[1]]
    window = Window(
        (kernel[0], kernel[1]),
        (strides[0], strides[1]),
        (pads[0], pads[1], pads[2], pads[3]),
        (dilations[0], dilations[1]),
    )
    largest = int(np.abs(weight).reshape(len(weight), -1).sum(axis=1).max(initial=0)) * int(np.abs(x).max(initial=0))
    if largest >= 2**53:
        raise DataError(f"an integer convolution may reach {largest}, beyond 2^53")
    sums = convolve(x.astype(np.float64), weight.astype(np.float64), window, attributes.get("group", 1))
    result = sums.astype(np.int64)
    return result[:, :, 0] if rank == 3 else result


def _multiplied(a: IntArray, b: IntArray) -> IntArray:
    bound = a.shape[-1] * int(np.abs(a).max(initial=0)) * int(np.abs(b).max(initial=0))
    return integer_matmul(a, b, bound)


def _requantised(sums: IntArray, factor: Array, zero: Array, dtype: np.dtype[Any]) -> Array:
    info = np.iinfo(dtype)
    nearest = np.rint(sums * factor).astype(np.int64) + _whole(zero)
    return np.asarray(np.clip(nearest, info.min, info.max).astype(dtype))


def _optional(inputs: Sequence[Array | None], index: int) -> Array | None:
    return inputs[index] if index < len(inputs) else None


def conv_integer(inputs: Sequence[Any], attributes: Attributes) -> Array:
    """ConvInteger: x, w, x zero point, w zero point -> int32; the border holds the zero point of x."""
    x, weight = inputs[0], inputs[1]
    x_zero, w_zero = _column(_optional(inputs, 2), x.ndim), _optional(inputs, 3)
    w_zero = np.zeros(1) if w_zero is None else w_zero.reshape(-1, *[1] * (weight.ndim - 1))
    sums = _convolved(_whole(x) - _whole(x_zero), _whole(weight) - _whole(w_zero), attributes)
    return sums.astype(np.int32)


def matmul_integer(inputs: Sequence[Any], attributes: Attributes) -> Array:
    """MatMulInteger: a, b, a zero point (a row), b zero point (a column) -> int32."""
    a, b = inputs[0], inputs[1]
    return _multiplied(
        _whole(a) - _rows(_optional(inputs, 2)), _whole(b) - _whole(_columns(_optional(inputs, 3)))
    ).astype(np.int32)


def _rows(zero: Array | None) -> IntArray:
    """A zero point a row of a: (M,) -> (M, 1); other shapes broadcast as they are."""
    if zero is None:
        return np.zeros(1, dtype=np.int64)
    return _whole(zero.reshape(-1, 1) if zero.ndim == 1 and zero.size > 1 else zero)


def _columns(number: Array | None) -> Array:
    return np.zeros(1, dtype=np.int64) if number is None else number


def qlinear_conv(inputs: Sequence[Any], attributes: Attributes) -> Array:
    """QLinearConv: x, x scale, x zero, w, w scale, w zero, y scale, y zero, bias."""
    x, x_scale, x_zero, weight, w_scale, w_zero, y_scale, y_zero = inputs[:8]
    bias = _optional(inputs, 8)
    centred = _whole(weight) - _whole(w_zero.reshape(-1, *[1] * (weight.ndim - 1)) if w_zero.size > 1 else w_zero)
    sums = _convolved(_whole(x) - _whole(x_zero), centred, attributes)
    if bias is not None:
        sums = sums + _whole(_column(bias, x.ndim))
    factor = x_scale.astype(np.float64) * _column(w_scale, x.ndim).astype(np.float64) / y_scale.astype(np.float64)
    return _requantised(sums, factor, y_zero, y_zero.dtype)


def qlinear_matmul(inputs: Sequence[Any], attributes: Attributes) -> Array:
    """QLinearMatMul: a, a scale, a zero, b, b scale, b zero, y scale, y zero."""
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = inputs[:8]
    sums = _multiplied(_whole(a) - _rows(a_zero), _whole(b) - _whole(b_zero))
    rows = a_scale.reshape(-1, 1) if a_scale.ndim == 1 and a_scale.size > 1 else a_scale
    factor = rows.astype(np.float64) * b_scale.astype(np.float64) / y_scale.astype(np.float64)
    return _requantised(sums, factor, y_zero, y_zero.dtype)


EXACT: dict[str, Callable[[Sequence[Any], Attributes], Array]] = {
    "ConvInteger": conv_integer,
    "MatMulInteger": matmul_integer,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
}
"""Operators of the standard domain that are computed here and not by a runtime."""

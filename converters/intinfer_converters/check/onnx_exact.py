"""Integer and quantised ONNX operators, and those of QONNX, by their exact definition, in NumPy.

A runtime's own kernels are no reference for integer operators: what its 8-bit products saturate to depends on the
processor. Sums of products are exact (float64 below 2^53). QLinear operators state no rounding: the nearest integer,
ties to even, of accumulator * (x_scale * w_scale / y_scale), plus the zero point, saturated to the type of y; their
bias is an int32 in units of x_scale * w_scale.

QONNX operators, which no runtime knows, are written from their definition (QONNX's operator pages): float arithmetic in
the order stated there, in the type of x. The half-way modes round exactly, on |x| by its floor and fraction: |x| + 0.5
would round up what is just below a half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError
from intinfer.matmul import integer_matmul
from intinfer.ops.geometry import Window
from intinfer.types import IntArray

from ..floatnet.base import convolve

Array = npt.NDArray[Any]
Attributes = dict[str, Any]
Operator = Callable[..., Array]
"""A function of the attributes and the inputs, None for one that is left out."""


def _whole(array: Array | None) -> IntArray:
    """The integers in int64; 0 for an input that is left out."""
    return np.asarray(0 if array is None else array).astype(np.int64)


def _along(axis: int, numbers: Array, rank: int) -> Array:
    """One number, or one for each index of `axis`, to broadcast over `rank` axes."""
    return numbers.reshape([-1 if each == axis else 1 for each in range(rank)])


def _rows(numbers: Array) -> Array:
    """One number a row of a matrix: (M,) -> (M, 1); other shapes broadcast as they are."""
    return numbers.reshape(-1, 1) if numbers.ndim == 1 and numbers.size > 1 else numbers


def _pads(attributes: Attributes, sizes: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """Begins and ends of all axes, whatever auto_pad says."""
    axes = len(kernel)
    strides, dilations = attributes.get("strides", [1] * axes), attributes.get("dilations", [1] * axes)
    mode = attributes.get("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        missing = [
            max(0, (-(-size // stride) - 1) * stride + (taps - 1) * dilation + 1 - size)
            for size, taps, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True)
        ]
        small, large = [pad // 2 for pad in missing], [pad - pad // 2 for pad in missing]
        return small + large if mode == "SAME_UPPER" else large + small
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


def _requantised(sums: IntArray, x_scale: Array, w_scale: Array, y_scale: Array, y_zero: Array) -> Array:
    info = np.iinfo(y_zero.dtype)
    factor = x_scale.astype(np.float64) * w_scale.astype(np.float64) / y_scale.astype(np.float64)
    nearest = np.rint(sums * factor).astype(np.int64) + _whole(y_zero)
    return np.asarray(np.clip(nearest, info.min, info.max).astype(y_zero.dtype))


def conv_integer(
    attributes: Attributes, x: Array, weight: Array, x_zero: Array | None = None, w_zero: Array | None = None
) -> Array:
    """ConvInteger, which gives int32; the border holds the zero point of x."""
    centred = _whole(x) - _along(1, _whole(x_zero), x.ndim)
    return _convolved(centred, _whole(weight) - _along(0, _whole(w_zero), weight.ndim), attributes).astype(np.int32)


def matmul_integer(
    _: Attributes, a: Array, b: Array, a_zero: Array | None = None, b_zero: Array | None = None
) -> Array:
    """MatMulInteger, which gives int32; a zero point a row of a, a column of b."""
    return _multiplied(_whole(a) - _rows(_whole(a_zero)), _whole(b) - _whole(b_zero)).astype(np.int32)


def qlinear_conv(
    attributes: Attributes,
    x: Array,
    x_scale: Array,
    x_zero: Array,
    weight: Array,
    w_scale: Array,
    w_zero: Array,
    y_scale: Array,
    y_zero: Array,
    bias: Array | None = None,
) -> Array:
    """QLinearConv."""
    sums = conv_integer(attributes, x, weight, x_zero, w_zero) + _along(1, _whole(bias), x.ndim)
    return _requantised(sums, x_scale, _along(1, w_scale, x.ndim), y_scale, y_zero)


def qlinear_matmul(
    _: Attributes,
    a: Array,
    a_scale: Array,
    a_zero: Array,
    b: Array,
    b_scale: Array,
    b_zero: Array,
    y_scale: Array,
    y_zero: Array,
) -> Array:
    """QLinearMatMul."""
    sums = _multiplied(_whole(a) - _rows(_whole(a_zero)), _whole(b) - _whole(b_zero))
    return _requantised(sums, _rows(a_scale), b_scale, y_scale, y_zero)


EXACT: dict[str, Operator] = {
    "ConvInteger": conv_integer,
    "MatMulInteger": matmul_integer,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
}
"""Operators of the standard domain that are computed here and not by a runtime."""


# ---------------------------------------------------------------------------------------------------- QONNX


def _away_from_zero(x: Array) -> Array:
    return np.asarray(np.copysign(np.ceil(np.abs(x)), x))


def _nearest(up: Callable[[Array, float], Array], x: Array) -> Array:
    """|x| to the nearest integer with the sign of x; `up` says whether a fraction goes up."""
    whole = np.floor(np.abs(x))
    return np.asarray(np.copysign(whole + up(np.abs(x) - whole, 0.5), x))


ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    **dict.fromkeys(("ROUND", "HALF_EVEN"), np.rint),
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": _away_from_zero,
    **dict.fromkeys(("DOWN", "ROUND_TO_ZERO"), np.trunc),
    "HALF_UP": partial(_nearest, np.greater_equal),
    "HALF_DOWN": partial(_nearest, np.greater),
}
"""QONNX's rounding modes."""


def _rounded(attributes: Attributes, default: str, x: Array) -> Array:
    mode = attributes.get("rounding_mode", default)
    if mode.upper() not in ROUNDINGS:
        raise DataError(f"rounding mode {mode!r} is not one of QONNX's")
    return ROUNDINGS[mode.upper()](x)


def _power_of_two(exponent: Array, like: Array) -> Array:
    return np.asarray(np.ldexp(like.dtype.type(1), np.rint(exponent).astype(np.int64)))


def _clipped(attributes: Attributes, bits: Array, x: Array) -> Array:
    """`x` inside the integers of `bits` bits, signed and narrow as the attributes say."""
    signed, narrow = attributes.get("signed", 1), bool(attributes.get("narrow", 0))
    half = _power_of_two(bits - 1 if signed else bits, x)
    low, high = (narrow - half, half - 1) if signed else (0 * half, half - 1 - narrow)
    return np.asarray(np.clip(x, low, high))


def _bipolar(x: Array) -> Array:
    return np.asarray(np.where(x >= 0, x.dtype.type(1), x.dtype.type(-1)))


def quant(attributes: Attributes, x: Array, scale: Array, zero: Array, bits: Array) -> Array:
    """Quant, IntQuant: x / scale + zero point, clipped, then rounded. One signed bit is -1 or 1."""
    y = x / scale + zero
    q = _rounded(attributes, "ROUND", _clipped(attributes, bits, y))
    single = attributes.get("signed", 1) and bits == 1
    return np.asarray((np.where(single, _bipolar(y), q) - zero) * scale)


def bipolar_quant(_: Attributes, x: Array, scale: Array) -> Array:
    """BipolarQuant: -1 or 1, times the scale."""
    return np.asarray(_bipolar(x) * scale)


def trunc_1(attributes: Attributes, x: Array, scale: Array, zero: Array, in_bits: Array, bits: Array) -> Array:
    """Trunc, version 1: the scale stays."""
    y = np.rint(x / scale + zero)
    return np.asarray((_rounded(attributes, "FLOOR", y / _power_of_two(in_bits - bits, y)) - zero) * scale)


def trunc_2(
    attributes: Attributes, x: Array, scale: Array, zero: Array, _: Array, out_scale: Array, bits: Array
) -> Array:
    """Trunc, version 2, with a scale of its result; it needs no number of input bits."""
    y = np.rint(x / scale + zero)
    factor = _power_of_two(np.log2(out_scale / scale), y)
    return np.asarray(
        (_rounded(attributes, "FLOOR", _clipped(attributes, bits, y / factor)) - zero / factor) * out_scale
    )


def multithreshold(attributes: Attributes, x: Array, thresholds: Array) -> Array:
    """MultiThreshold: out_scale * (how many T have x >= T) + out_bias; the thresholds are (C, n) or (1, n).

    Channels are axis 1, or the last where the layout says so and x has four axes.
    """
    axis = 3 if attributes.get("data_layout", "NCHW") == "NHWC" and x.ndim == 4 else 1
    count = np.zeros_like(x)
    for column in thresholds.T:
        count += x >= _along(axis, column, x.ndim)
    return np.asarray(count * attributes.get("out_scale", 1.0) + attributes.get("out_bias", 0.0))


QONNX_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general", "")
"""In old files the operators have no domain."""
QONNX: dict[str, dict[int, Operator]] = {
    "Quant": {4: quant},
    "IntQuant": {4: quant},
    "BipolarQuant": {2: bipolar_quant},
    "Trunc": {5: trunc_1, 6: trunc_2},
    "MultiThreshold": {2: multithreshold},
}
"""Operator -> number of inputs -> what computes it. The versions of Trunc differ in their inputs."""


def exact_operator(name: str, domain: str, inputs: int) -> Operator | None:
    """What computes an operator with so many inputs here; None for one that a runtime computes.

    Raises DataError when a QONNX operator has another number of inputs.
    """
    if name in QONNX and domain in QONNX_DOMAINS:
        if inputs not in QONNX[name]:
            raise DataError(f"{inputs} inputs are not its operator's")
        return QONNX[name][inputs]
    return EXACT.get(name) if domain in ("", "ai.onnx") else None

"""The operators of QONNX: Quant, IntQuant, BipolarQuant, Trunc, MultiThreshold.

Source: the QONNX operator definitions and their Python. What differs from ONNX: the zero point is added before the
rounding, bit width and zero point are floats, signed 1-bit is bipolar, unsigned narrow tops at 2^b - 2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..symbolic import Array, Symbolic, Unsupported
from ..symbolic.pointwise import Some, pointwise
from ..symbolic.vocabulary import arrangement, quantisers
from .call import Call, Value
from .tensors import Constant, constant_of

ROUNDING_MODES = {
    "ROUND": "rint",
    "HALF_EVEN": "rint",
    "CEIL": "ceil",
    "FLOOR": "floor",
    "UP": "up",
    "DOWN": "trunc",
    "ROUND_TO_ZERO": "trunc",
    "HALF_UP": "half_away",
    "HALF_DOWN": "half_down",
}
"""Mode (in capitals) -> primitive. HALF_UP is half away from zero, HALF_DOWN half toward zero."""
MAX_BITS = 24
"""Levels have to be exact in float32."""


def bit_width(call: Call, place: int, what: str = "bit width") -> int:
    """A constant float bit width, one for the tensor."""
    array = np.unique(call.array(place, what))
    if array.size != 1 or array[0] != np.rint(array[0]) or not 1 <= array[0] <= MAX_BITS:
        raise Unsupported(
            f"its {what} is {array.reshape(-1)[:4].tolist()}; one integer of 1 to {MAX_BITS} is supported"
        )
    return int(array[0])


def level_range(signed: bool, narrow: bool, bits: int) -> tuple[int, int]:
    """Lowest and highest level of a quantiser of more than one signed bit."""
    if signed:
        return -(2 ** (bits - 1)) + int(narrow), 2 ** (bits - 1) - 1
    high = 2**bits - 1 - int(narrow)
    if high < 1:
        raise Unsupported("unsigned, narrow and of 1 bit has one level only")
    return 0, high


def scale_of(call: Call, place: int, what: str = "scale") -> Array:
    """A constant scale in the network's float type: finite, not 0."""
    scale = call.array(place, what).astype(call.net.dtype)
    if not scale.size or not np.isfinite(scale).all() or not scale.all():
        raise Unsupported(f"its {what} holds 0, NaN or infinity")
    return scale


def rounding(call: Call, default: str) -> str:
    """The primitive of an attribute rounding_mode. Raises Unsupported for an unknown mode."""
    mode = call.text("rounding_mode", default)
    if mode.upper() not in ROUNDING_MODES:
        raise Unsupported(f"rounding_mode {mode!r} is not supported; {', '.join(ROUNDING_MODES)} are")
    return ROUNDING_MODES[mode.upper()]


def _real(call: Call, inputs: int) -> Symbolic | Array:
    """The first of at most `inputs` inputs; a constant in the network's float type."""
    if len(call.inputs) > inputs:
        raise Unsupported(f"it has {len(call.inputs)} inputs; {inputs} are due")
    x = call.value(0)
    if isinstance(x, Constant):
        return x.values.astype(call.net.dtype)
    if not x.is_float:
        raise Unsupported(f"it quantises a {x.dtype} tensor; a float tensor is due")
    return x


def _steps(call: Call, x: Some, *steps: tuple[str, npt.ArrayLike | None]) -> Some:
    """One pointwise op after the other."""
    for kind, operand in steps:
        x = pointwise(call.net, x, kind, operand)
    return x


def quant(call: Call) -> Value:
    """Quant(x, scale, zero point, bit width)."""
    scale, zero = scale_of(call, 1), call.array(2, "zero point").astype(call.net.dtype)
    bits, signed, narrow = bit_width(call, 3), bool(call.integer("signed", 1)), bool(call.integer("narrow", 0))
    mode, x = rounding(call, "ROUND"), _real(call, 4)
    levels = _steps(call, x, ("div", scale), ("add", zero))
    if bits == 1 and signed:
        levels = quantisers.bipolar(call.net, levels)
    else:
        levels = _steps(call, levels, (mode, None), ("clip", level_range(signed, narrow, bits)))
    return _rescaled(call, _steps(call, levels, ("sub", zero)), scale)


def _rescaled(call: Call, levels: Symbolic | Array, scale: Array) -> Value:
    """levels * scale; of constants, with both kept beside the product."""
    if isinstance(levels, Symbolic):
        return pointwise(call.net, levels, "mul", scale)
    real = pointwise(call.net, levels, "mul", scale)
    constant = constant_of(real)
    if not np.isfinite(real).all() or (levels != np.rint(levels)).any():
        return constant
    parts = np.broadcast_to(levels, real.shape).astype(np.int64), np.broadcast_to(scale, real.shape)
    return replace(constant, quantised=parts)


def bipolar_quant(call: Call) -> Value:
    """BipolarQuant(x, scale): scale where x >= 0, else -scale. x is not divided by the scale."""
    return _rescaled(call, quantisers.bipolar(call.net, _real(call, 2)), scale_of(call, 1))


def trunc(call: Call) -> Value:
    """Trunc: version 1 (x, scale, zero point, input bits, output bits) keeps the scale.

    Version 2 (x, scale, zero point, input bits, output scale, [output zero point,] output bits) divides by the power
    of two nearest to output scale / scale, clips, and has the output scale.
    """
    scale, zero = scale_of(call, 1), call.array(2, "zero point").astype(call.net.dtype)
    before, mode = bit_width(call, 3, "input bit width"), rounding(call, "FLOOR")
    levels = _steps(call, _real(call, 7), ("div", scale), ("add", zero), ("rint", None))
    if len(call.inputs) == 5:
        after = bit_width(call, 4, "output bit width")
        if after > before:
            raise Unsupported(f"it truncates {before} bits to {after}")
        kept = _steps(call, levels, ("div", np.float64(2) ** (before - after)), (mode, None), ("sub", zero))
        return _rescaled(call, kept, scale)
    if len(call.inputs) not in (6, 7):
        raise Unsupported(f"it has {len(call.inputs)} inputs; version 1 has 5, version 2 has 6 or 7")
    new_scale, bits = scale_of(call, 4, "output scale"), bit_width(call, len(call.inputs) - 1, "output bit width")
    ratio = new_scale / scale
    if (ratio <= 0).any():
        raise Unsupported("its scale and output scale have different signs")
    step = np.exp2(np.rint(np.log2(ratio))).astype(call.net.dtype)
    bounds = level_range(bool(call.integer("signed", 1)), bool(call.integer("narrow", 0)), bits)
    new_zero = zero / step
    if len(call.inputs) == 7 and (call.array(5, "output zero point") != new_zero).any():
        raise Unsupported("its output zero point is not its zero point divided by the ratio of the scales")
    levels = _steps(call, levels, ("div", step), (mode, None), ("clip", bounds), ("sub", new_zero))
    return _rescaled(call, levels, new_scale)


def multi_threshold(call: Call) -> Value:
    """MultiThreshold(x, thresholds (C, n) or (1, n)): the number of thresholds that x reaches, scaled and biased."""
    x, thresholds = call.tensor(), call.array(1, "thresholds")
    layout = call.text("data_layout", "NCHW")
    rank = len(x.shape)
    if layout not in ("NCHW", "NC", "NHWC") or thresholds.ndim != 2 or rank not in (2, 4):
        raise Unsupported(
            f"data_layout {layout!r}, thresholds {thresholds.shape}, input {x.shape}: layouts NCHW, NC and NHWC "
            "of 2 or 4 axes with thresholds (C, n) or (1, n) are supported"
        )
    if not np.isfinite(thresholds).all():
        raise Unsupported("its thresholds have NaN or infinite entries")
    last = layout == "NHWC" and rank == 4
    levels = quantisers.reached(call.net, arrangement.move_axis(x, -1, 1) if last else x, np.sort(thresholds, axis=1))
    levels = arrangement.move_axis(levels, 1, -1) if last else levels
    scaled = pointwise(call.net, levels, "mul", call.reals(call.number("out_scale", 1.0)))
    return pointwise(call.net, scaled, "add", call.reals(call.number("out_bias", 0.0)))

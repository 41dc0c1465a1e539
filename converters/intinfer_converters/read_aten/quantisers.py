"""ATen's fake quantisation and the quantize / dequantize pairs of PT2E.

Each multiplies by a reciprocal, but not by the same one: `fake_quantize_*` by 1/s of the float32 scale, rounded to
float32 (native/quantized/cpu/kernels); `quantized_decomposed.quantize_per_tensor` by 1/s of the float64 scale, rounded
to float32 when it meets the tensor; `quantize_per_channel` by 1/s in the type of the scales.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..symbolic import Array, Symbolic, Unsupported
from ..symbolic.pointwise import pointwise
from ..symbolic.vocabulary import quantisers
from .scope import Arguments, Handler, Scope, numpy_type, with_absent

MASK = "the mask of a quantiser's gradient is not computed"
MAX_LEVEL = 2**22
"""Bounds of the levels: sums of a rounded float32 and a zero point are exact below."""


def _column(values: Array, axis: int, rank: int) -> Array:
    """(C,) along `axis` of a tensor of `rank` axes."""
    if not -rank <= axis < rank or values.ndim != 1:
        raise Unsupported(f"axis {axis} of {rank} axes with parameters {values.shape}")
    return values.reshape([-1 if a == axis % rank else 1 for a in range(rank)])


def _checked(scope: Scope, a: Arguments, scale: Array, zero: Array) -> tuple[Symbolic, tuple[int, int]]:
    """The tensor and its levels, after a look at scales and zero points."""
    x = a["self"] if "self" in a else a["input"]
    if not isinstance(x, Symbolic):
        raise Unsupported("its scale is computed from the input; it must be constant")
    low, high = int(scope.number(a["quant_min"])), int(scope.number(a["quant_max"]))
    if not (-MAX_LEVEL <= low < high <= MAX_LEVEL):
        raise Unsupported(f"levels {low}..{high}; they lie within +-{MAX_LEVEL}")
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise Unsupported(f"a scale is {float(scale.reshape(-1)[0]):g}; scales are positive")
    if (zero != np.rint(zero)).any() or zero.min() < low or zero.max() > high:
        raise Unsupported(f"a zero point is no integer in {low}..{high}")
    return x, (low, high)


def _scaled(scope: Scope, x: Symbolic, inverse: Array) -> Symbolic:
    if x.dtype != np.float32:
        raise Unsupported(f"it quantises {x.dtype}; float32 is supported")
    return pointwise(scope.net, x, "mul", inverse)


def _fake(scope: Scope, a: Arguments, scale: Array, zero: Array) -> Symbolic:
    """(clip(rint(x * (1 / s)) + z, lo, hi) - z) * s, as float32."""
    x, ends = _checked(scope, a, scale, zero)
    single = scale.astype(np.float32)
    scaled = _scaled(scope, x, np.float32(1) / single)
    return quantisers.fake_quantise(scope.net, scaled, single, zero.astype(np.int64), ends)


def fake_per_tensor(scope: Scope, a: Arguments) -> Any:
    """A fake quantiser with one scale and zero point; one that is disabled gives its input."""
    for key in ("scale", "zero_point"):
        if scope.array(a[key]).size != 1:
            raise Unsupported(f"its {key} has {scope.array(a[key]).size} entries for one tensor")
    enabled = a.get("fake_quant_enabled")
    if enabled is not None and not scope.number(enabled):
        return a["self"]
    return _fake(scope, a, scope.array(a["scale"]).reshape(1), scope.array(a["zero_point"]).reshape(1))


def fake_per_channel(scope: Scope, a: Arguments) -> Symbolic:
    """A fake quantiser with a scale and zero point a channel of `axis`."""
    rank = len(a["self"].shape) if isinstance(a["self"], Symbolic) else 0
    scale, zero = scope.array(a["scale"]), scope.array(a["zero_point"])
    return _fake(scope, a, _column(scale, a["axis"], rank), _column(zero, a["axis"], rank))


def observed(scope: Scope, a: Arguments) -> Any:
    """The fused observer and fake quantiser of QAT, its observer switched off."""
    check_observer(scope, a)
    if not scope.number(a["fake_quant_on"]):
        return a["self"]
    if a["per_row_fake_quant"]:
        return fake_per_channel(scope, {**a, "axis": a["ch_axis"]})
    return fake_per_tensor(scope, a)


def check_observer(scope: Scope, a: Arguments) -> None:
    """Refuse an observer that is on."""
    if scope.number(a["observer_on"]):
        raise Unsupported(
            "its observer is on, so that it changes its own scale; call disable_observer before exporting"
        )


def _parameters(scope: Scope, a: Arguments) -> tuple[Array, Array]:
    """Scale and zero point of a tensor, or of its channels, which in float64 would make the computation float64."""
    if "scale" in a:
        return np.array([float(scope.number(a["scale"]))]), np.array([scope.number(a["zero_point"])])
    rank = len(a["input"].shape) if isinstance(a["input"], Symbolic) else 0
    scale = _column(scope.array(a["scales"]), a["axis"], rank)
    if scale.dtype != np.float32:
        raise Unsupported(f"its scales are {scale.dtype}; float32 is supported")
    zero = scope.optional(a["zero_points"])
    return scale, np.zeros_like(scale) if zero is None else _column(zero, a["axis"], rank)


def quantize(scope: Scope, a: Arguments) -> Symbolic:
    """clip(rint(x * (1 / s)) + z, lo, hi) as integers."""
    scale, zero = _parameters(scope, a)
    x, ends = _checked(scope, a, scale, zero)
    scaled = _scaled(scope, x, (scale.dtype.type(1) / scale).astype(np.float32))
    return scope.cast(quantisers.quantise(scope.net, scaled, zero.astype(np.int64), ends), numpy_type(a["dtype"]))


def dequantize(scope: Scope, a: Arguments) -> Symbolic:
    """The real values (q - z) * s of levels q."""
    scale, zero = _parameters(scope, a)
    x, _ = _checked(scope, a, scale, zero)
    if a.get("out_dtype") not in (None, torch.float32):
        raise Unsupported(f"it gives {a['out_dtype']}; float32 is supported")
    if numpy_type(a["dtype"]) != x.dtype:
        raise Unsupported(f"it reads {x.dtype} as {a['dtype']}")
    if scope.net.dtype != np.float32:
        raise Unsupported(f"it gives float32; the float ops of a network are all in {scope.net.dtype}")
    return quantisers.dequantise(scope.net, x, scale.astype(np.float32), zero.astype(np.int64))


HANDLERS: dict[str, Handler] = {
    "aten.fake_quantize_per_tensor_affine": fake_per_tensor,
    "aten.fake_quantize_per_channel_affine": fake_per_channel,
    "aten._fake_quantize_learnable_per_tensor_affine": fake_per_tensor,
    "aten._fake_quantize_learnable_per_channel_affine": fake_per_channel,
    "aten.fake_quantize_per_tensor_affine_cachemask": with_absent(fake_per_tensor, MASK),
    "aten._fake_quantize_per_tensor_affine_cachemask_tensor_qparams": with_absent(fake_per_tensor, MASK),
    "aten.fake_quantize_per_channel_affine_cachemask": with_absent(fake_per_channel, MASK),
    "aten.fused_moving_avg_obs_fake_quant": observed,
    "aten._fused_moving_avg_obs_fq_helper": with_absent(observed, MASK),
    "quantized_decomposed.quantize_per_tensor": quantize,
    "quantized_decomposed.quantize_per_channel": quantize,
    "quantized_decomposed.dequantize_per_tensor": dequantize,
    "quantized_decomposed.dequantize_per_channel": dequantize,
}


def scale_of(packet: str, a: Arguments, rank: int) -> torch.Tensor | None:
    """The scale that constants come out of a quantiser with, to broadcast against them; None of other ops."""
    if packet not in HANDLERS or ".quantize_" in packet:
        return None
    scale = torch.as_tensor(a["scales"] if "scales" in a else a["scale"], dtype=torch.float64)
    if scale.numel() == 1:
        return scale.reshape(1).to(torch.float32).to(torch.float64)
    axis = int(a["ch_axis"] if "ch_axis" in a else a["axis"])
    return scale.to(torch.float32).to(torch.float64).reshape([-1 if d == axis % rank else 1 for d in range(rank)])

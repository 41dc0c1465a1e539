"""One reader a layer class: torch module -> float op. Parameters are read as NumPy arrays, never computed by torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from intinfer.errors import DataError
from intinfer.packing import Encoding
from intinfer.tensor import CellularWeights, IntTensor, Weights

from ..evaluator import Chain, FloatArray, Primitive
from ..floatnet import (
    BitshiftMean,
    Concatenate,
    Conv,
    FlattenMap,
    FloatOp,
    GlobalAverage,
    MaximumPool,
    Multiplex,
    Pointwise,
    Quantise,
    QuantisedWeight,
    SelectChannels,
    ThresholdedMean,
)
from ..nets import layers as quantised
from ..nets.channels import ChannelConcat, ChannelShuffle, ChannelSlice, GlobalMean
from ..nets.logits import LogitScale
from ..ternarize import binary_weights, ternary_weights


def array(tensor: torch.Tensor, key: str) -> FloatArray:
    """The parameter as NumPy, refused when it is not finite. `key` is its state_dict key."""
    values: FloatArray = tensor.detach().cpu().numpy()
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values.reshape(-1)))[0])
        raise DataError(
            f"{key}: element {bad} is {values.reshape(-1)[bad]}; a network with NaN or infinite parameters has no "
            "integer meaning, train it again or restore an earlier checkpoint"
        )
    return values


def _conv(module: Any, path: str, encoding: str, values: Weights | None, generated: bool = False) -> Conv:
    shape = (module.out_channels, module.in_channels // module.groups, *_pair(module.kernel_size))
    weight = QuantisedWeight(shape, Encoding(encoding), values, generated)
    return Conv(weight, _pair(module.stride), quantised.four_pads(module.padding), (1, 1), module.groups)


def _ternary(module: quantised.TernaryConv2d, path: str) -> FloatOp:
    if module.weight.is_meta:
        return _conv(module, path, "ternary", None)
    proxies, step = array(module.weight, f"{path}.weight"), array(module.step, f"{path}.step")
    if step.size != 1 or float(step.reshape(())) <= 0:
        raise DataError(f"{path}.step is {step.tolist()}; the BTQ step is one positive number")
    return _conv(module, path, "ternary", IntTensor(ternary_weights(proxies, step.reshape(())), "ternary"))


def _binary(module: quantised.BinaryConv2d, path: str) -> FloatOp:
    if module.weight.is_meta:
        return _conv(module, path, "binary", None)
    weights = binary_weights(array(module.weight, f"{path}.weight"))
    return _conv(module, path, "binary", IntTensor(weights, "binary"))


def _rule30(module: quantised.Rule30Conv2d, path: str) -> FloatOp:
    if module.seed.is_meta:
        return _conv(module, path, "binary", None, generated=True)
    weights = CellularWeights.of(30, module.seed.tolist(), module.in_channels)
    return _conv(module, path, "binary", weights, generated=True)


def batch_norm_chain(module: nn.BatchNorm2d, path: str) -> Chain:
    """Inference batch norm in torch's form: x * alpha + beta, alpha and beta folded in the parameters' dtype.

    alpha = (1 / sqrt(var + eps)) * gamma and beta' = beta - mean * alpha, each operation rounded once: the fold of
    ATen's CPU kernel (native/cpu/batch_norm_kernel.cpp), which keeps ties between the two rare.
    """
    if module.running_mean is None or module.running_var is None:
        raise DataError(f"{path}: batch norm without running statistics cannot be converted")
    if module.running_var.is_meta:
        return ()
    mean = array(module.running_mean, f"{path}.running_mean")
    variance = array(module.running_var, f"{path}.running_var")
    if variance.min() < 0:
        raise DataError(f"{path}.running_var: variance {variance.min()} is negative")
    alpha = variance.dtype.type(1) / np.sqrt(variance + variance.dtype.type(module.eps))
    beta = np.zeros_like(mean)
    if module.affine:
        alpha = alpha * array(module.weight, f"{path}.weight")
        beta = array(module.bias, f"{path}.bias")
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        beta = beta - mean * alpha
    if not (np.isfinite(alpha).all() and np.isfinite(beta).all()):
        raise DataError(f"{path}: batch norm overflows when it is folded; its parameters are out of proportion")
    return (Primitive("mul", alpha), Primitive("add", beta))


def _batch_norm(module: nn.BatchNorm2d, path: str) -> FloatOp:
    return Pointwise(batch_norm_chain(module, path))


def _qrelu(module: quantised.QReLU, path: str) -> FloatOp:
    """rint(clip(x, 0, 1) * N); for one bit [x > 0]."""
    if module.bits == 1:
        return Quantise((Primitive("greater", np.zeros(1, dtype=np.float32)),), base=0, step=1, count=1)
    unit = Primitive("clip", np.array([0, 1], dtype=np.float32))
    top = Primitive("mul", np.array([module.top], dtype=np.float32))
    return Quantise((unit, top, Primitive("rint")), base=0, step=1, count=module.top)


def _select(module: ChannelShuffle | ChannelSlice, path: str) -> FloatOp:
    return SelectChannels(module.indices)


def _logit_scale(module: LogitScale, path: str) -> FloatOp:
    if module.factor.is_meta:
        return Pointwise(())
    factor = array(module.factor, f"{path}.factor").reshape(-1)
    if factor.size != 1 or not factor[0] > 0:
        raise DataError(f"{path}.factor is {factor.tolist()}; the logit scale is one positive number")
    return Pointwise((Primitive("mul", factor),))


def _flatten(module: nn.Flatten, path: str) -> FloatOp:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise DataError(f"{path}: Flatten({module.start_dim}, {module.end_dim}) is not supported; use Flatten(1, -1)")
    return FlattenMap()


def _max_pool(module: nn.MaxPool2d, path: str) -> FloatOp:
    if module.ceil_mode or module.return_indices:
        raise DataError(f"{path}: max pool with ceil_mode or return_indices is not supported")
    pad = _pair(module.padding)
    return MaximumPool(_pair(module.kernel_size), _pair(module.stride), (*pad, *pad), _pair(module.dilation))


def _pair(value: Any) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    return int(pair[0]), int(pair[1])


READERS: dict[type[nn.Module], Callable[[Any, str], FloatOp]] = {
    quantised.TernaryConv2d: _ternary,
    quantised.BinaryConv2d: _binary,
    quantised.Rule30Conv2d: _rule30,
    quantised.QReLU: _qrelu,
    quantised.Bitshift: lambda module, path: BitshiftMean(module.bits),
    quantised.TGAP: lambda module, path: ThresholdedMean(module.top),
    quantised.Mux: lambda module, path: Multiplex(),
    ChannelConcat: lambda module, path: Concatenate(),
    GlobalMean: lambda module, path: GlobalAverage(),
    ChannelShuffle: _select,
    ChannelSlice: _select,
    LogitScale: _logit_scale,
    nn.BatchNorm2d: _batch_norm,
    nn.Flatten: _flatten,
    nn.MaxPool2d: _max_pool,
}
"""Layer classes that are leaves of the trace."""

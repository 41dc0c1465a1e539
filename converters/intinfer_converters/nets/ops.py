"""Every layer of ours as one op of torch's library, so that a graph of torch.export says which layers it is made of.

The ops compute what the layers do in evaluation, with quantised weights and activations. They are there only inside
`layers_as_ops`: a module that is exported in any other way, to ONNX for instance, is made of torch's own ops.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from intinfer.errors import DataError

from .channels import ChannelConcat, ChannelShuffle, ChannelSlice, GlobalMean, LogitScale
from .layers import (
    TGAP,
    BinaryConv2d,
    Bitshift,
    Mux,
    QReLU,
    Rule30Conv2d,
    TernaryConv2d,
    binary,
    convolved,
    four_pads,
    pair,
    ternary,
)

NAMESPACE = "intinfer"
_LIBRARY: Any = torch.library.Library(NAMESPACE, "DEF")  # type: ignore[no-untyped-call]


def _define(schema: str) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    def register(compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
        _LIBRARY.define(schema)
        _LIBRARY.impl(schema.partition("(")[0], compute, "CompositeExplicitAutograd")
        return compute

    return register


@_define("ternary_conv2d(Tensor x, Tensor weight, Tensor step, int[2] stride, int[4] pads, int groups) -> Tensor")
def _ternary_conv2d(
    x: Tensor, weight: Tensor, step: Tensor, stride: Sequence[int], pads: Sequence[int], groups: int
) -> Tensor:
    return convolved(x, ternary(weight, step), stride, pads, groups)


@_define("binary_conv2d(Tensor x, Tensor weight, int[2] stride, int[4] pads, int groups) -> Tensor")
def _binary_conv2d(x: Tensor, weight: Tensor, stride: Sequence[int], pads: Sequence[int], groups: int) -> Tensor:
    return convolved(x, binary(weight), stride, pads, groups)


@_define("rule30_conv2d(Tensor x, Tensor seed, Tensor kernel) -> Tensor")
def _rule30_conv2d(x: Tensor, seed: Tensor, kernel: Tensor) -> Tensor:
    return functional.conv2d(x, kernel)


@_define(
    "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float eps)"
    " -> Tensor"
)
def _batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, eps: float
) -> Tensor:
    return functional.batch_norm(x, mean, variance, weight, bias, eps=eps)


@_define("qrelu(Tensor x, int bits) -> Tensor")
def _qrelu(x: Tensor, bits: int) -> Tensor:
    result: Tensor = QReLU(bits).eval()(x)
    return result


@_define("bitshift(Tensor a, Tensor b, int bits) -> Tensor")
def _bitshift(a: Tensor, b: Tensor, bits: int) -> Tensor:
    result: Tensor = Bitshift(bits).eval()(a, b)
    return result


@_define("tgap(Tensor x, int bits) -> Tensor")
def _tgap(x: Tensor, bits: int) -> Tensor:
    result: Tensor = TGAP(bits).eval()(x)
    return result


@_define("mux(Tensor select, Tensor one, Tensor zero) -> Tensor")
def _mux(select: Tensor, one: Tensor, zero: Tensor) -> Tensor:
    result: Tensor = Mux()(select, one, zero)
    return result


@_define("select_channels(Tensor x, int[] indices) -> Tensor")
def _select_channels(x: Tensor, indices: Sequence[int]) -> Tensor:
    return x[:, list(indices)]


@_define("concat(Tensor[] maps) -> Tensor")
def _concat(maps: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(maps), 1)


@_define("flatten(Tensor x) -> Tensor")
def _flatten(x: Tensor) -> Tensor:
    return x.flatten(1).clone()  # an op of a library may not give its own input


@_define("global_mean(Tensor x) -> Tensor")
def _global_mean(x: Tensor) -> Tensor:
    return x.mean((2, 3))


@_define("scale(Tensor x, Tensor factor) -> Tensor")
def _scale(x: Tensor, factor: Tensor) -> Tensor:
    return x.float() * factor


_OPS: Any = getattr(torch.ops, NAMESPACE)
CALLS: dict[type[nn.Module], Callable[..., Tensor]] = {
    TernaryConv2d: lambda layer, x: _OPS.ternary_conv2d(
        x, layer.weight, layer.step, pair(layer.stride), four_pads(layer.padding), layer.groups
    ),
    BinaryConv2d: lambda layer, x: _OPS.binary_conv2d(
        x, layer.weight, pair(layer.stride), four_pads(layer.padding), layer.groups
    ),
    Rule30Conv2d: lambda layer, x: _OPS.rule30_conv2d(x, layer.seed, layer.kernel),
    nn.BatchNorm2d: lambda layer, x: _OPS.batch_norm(
        x, layer.weight, layer.bias, layer.running_mean, layer.running_var, layer.eps
    ),
    QReLU: lambda layer, x: _OPS.qrelu(x, layer.bits),
    Bitshift: lambda layer, a, b: _OPS.bitshift(a, b, layer.bits),
    TGAP: lambda layer, x: _OPS.tgap(x, layer.bits),
    Mux: lambda layer, select, one, zero: _OPS.mux(select, one, zero),
    ChannelShuffle: lambda layer, x: _OPS.select_channels(x, layer.indices),
    ChannelSlice: lambda layer, x: _OPS.select_channels(x, layer.indices),
    ChannelConcat: lambda layer, *maps: _OPS.concat(maps),
    GlobalMean: lambda layer, x: _OPS.global_mean(x),
    LogitScale: lambda layer, x: _OPS.scale(x, layer.factor),
    nn.Flatten: lambda layer, x: _OPS.flatten(x),
}
"""Layer class -> how a layer calls its op; the inputs are those of its `forward`, in order."""


@contextmanager
def layers_as_ops(module: nn.Module) -> Iterator[None]:
    """Inside, every layer of `module` of a class in `CALLS` calls its op.

    A layer that is called with other inputs than its `forward` takes raises DataError with its path.
    """
    changed = {path: layer for path, layer in module.named_modules() if type(layer) in CALLS}
    for path, layer in changed.items():
        layer.forward = _caller(path, layer)
    try:
        yield
    finally:
        for layer in changed.values():
            del layer.forward


def _caller(path: str, layer: nn.Module) -> Callable[..., Tensor]:
    signature = inspect.signature(layer.forward)

    def call(*args: Any, **kwargs: Any) -> Tensor:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise DataError(f"{path} ({type(layer).__name__}): {error}") from None
        return CALLS[type(layer)](layer, *bound.args, *bound.kwargs.values())

    return call

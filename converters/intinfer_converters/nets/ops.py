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

from .base import ChannelConcat, ChannelShuffle, ChannelSlice, GlobalMean, LogitScale
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


_DEFINED: dict[str, Callable[..., Tensor]] = {
    "ternary_conv2d(Tensor x, Tensor weight, Tensor step, int[2] stride, int[4] pads, int groups)": (
        lambda x, weight, step, stride, pads, groups: convolved(x, ternary(weight, step), stride, pads, groups)
    ),
    "binary_conv2d(Tensor x, Tensor weight, int[2] stride, int[4] pads, int groups)": (
        lambda x, weight, stride, pads, groups: convolved(x, binary(weight), stride, pads, groups)
    ),
    "rule30_conv2d(Tensor x, Tensor seed, Tensor kernel)": lambda x, seed, kernel: functional.conv2d(x, kernel),
    "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float eps)": (
        lambda x, weight, bias, mean, variance, eps: functional.batch_norm(x, mean, variance, weight, bias, eps=eps)
    ),
    "qrelu(Tensor x, int bits)": lambda x, bits: QReLU(bits).eval()(x),
    "bitshift(Tensor a, Tensor b, int bits)": lambda a, b, bits: Bitshift(bits).eval()(a, b),
    "tgap(Tensor x, int bits)": lambda x, bits: TGAP(bits).eval()(x),
    "mux(Tensor select, Tensor one, Tensor zero)": lambda select, one, zero: Mux()(select, one, zero),
    "select_channels(Tensor x, int[] indices)": lambda x, indices: x[:, list(indices)],
    "concat(Tensor[] maps)": lambda maps: torch.cat(list(maps), 1),
    "flatten(Tensor x)": lambda x: x.flatten(1).clone(),  # an op of a library may not give its own input
    "global_mean(Tensor x)": lambda x: x.mean((2, 3)),
    "scale(Tensor x, Tensor factor)": lambda x, factor: x.float() * factor,
}
"""Schema of an op, which gives one tensor -> what it computes."""
for _schema, _compute in _DEFINED.items():
    _LIBRARY.define(f"{_schema} -> Tensor")
    _LIBRARY.impl(_schema.partition("(")[0], _compute, "CompositeExplicitAutograd")


def _sums(x: Tensor, weight: Tensor, stride: Sequence[int], pads: Sequence[int], _: int) -> Tensor:
    extents = (n + sum(pads[i::2]) - k for i, (n, k) in enumerate(zip(x.shape[2:], weight.shape[2:], strict=True)))
    return x.new_empty((x.shape[0], weight.shape[0], *(n // s + 1 for n, s in zip(extents, stride, strict=True))))


_SHAPED: dict[str, Callable[..., Tensor]] = {
    **dict.fromkeys(("batch_norm", "bitshift", "qrelu", "scale"), lambda x, *_: x.new_empty(x.shape)),
    "ternary_conv2d": lambda x, weight, _, *geometry: _sums(x, weight, *geometry),
    "binary_conv2d": _sums,
    "rule30_conv2d": lambda x, _, kernel: _sums(x, kernel, (1, 1), (0, 0, 0, 0), 1),
    "select_channels": lambda x, indices: x.new_empty((x.shape[0], len(indices), *x.shape[2:])),
    **dict.fromkeys(("tgap", "global_mean"), lambda x, *_: x.new_empty(x.shape[:2])),
    "mux": lambda _, one, zero: one.new_empty(one.shape),
    "concat": lambda maps: maps[0].new_empty((maps[0].shape[0], sum(m.shape[1] for m in maps), *maps[0].shape[2:])),
}
"""Op -> a tensor of the shape of its result, for the meta device. torch's own arithmetic there loads its compiler."""
for _name, _compute in _SHAPED.items():
    _LIBRARY.impl(_name, _compute, "Meta")

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

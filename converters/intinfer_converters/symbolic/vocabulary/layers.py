"""Layers of constant parameters: convolutions, dense layers and batch norm, of floats or integers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from intinfer.ops.geometry import Pads
from intinfer.tensor import IntTensor

from ...floatnet import Conv, Dense, RealWeight
from ...floatnet.layers import Weight
from ...mixing import NO_PADS
from .. import Array, Symbolic, SymbolicNet, Unsupported, layout
from ..pointwise import in_type, pointwise
from ..tensor import UNKNOWN, Known, of_products
from .arrangement import move_axis, reshape, transpose
from .reductions import Sliding, slid


def dense(net: SymbolicNet, x: Symbolic, weight: Weight, bias: Array | None = None) -> Symbolic:
    """x (1, ..., C) times weight (O, C), plus bias (O,); with axes in between, a 1x1 convolution along them."""
    if len(x.shape) < 2 or len(weight.shape) != 2 or x.shape[-1] != weight.shape[1]:
        raise Unsupported(f"a product of {x.shape} with weights {weight.shape}; it takes (1, ..., C) and (O, C)")
    outputs, features = weight.shape
    between, exact = x.shape[1:-1], exact_bias(bias, outputs)
    facts = of_products(x, weight, bias, padded=False)
    if x.size == features:
        node = net.emit(Dense(weight, exact), net.realised(x, (features,)))
        return summed(net, node, (1, *between, outputs), x, facts)
    count = prod(between)
    pixels = transpose(reshape(x, (1, count, 1, features)), (0, 3, 1, 2))
    op = Conv(reshaped_weight(weight, (outputs, features, 1, 1)), (1, 1), NO_PADS, (1, 1), 1, exact)
    result = summed(net, net.emit(op, net.realised(pixels)), (1, outputs, count, 1), x, facts)
    return reshape(transpose(result, (0, 2, 3, 1)), (1, *between, outputs))


def dense_from_left(net: SymbolicNet, weight: Weight, x: Symbolic) -> Symbolic:
    """weight (O, C) times x (1, ..., C, N)."""
    if len(weight.shape) != 2 or len(x.shape) < 3:
        raise Unsupported(
            f"a constant {weight.shape} times {x.shape}; the constant is a matrix, the batch axis is kept"
        )
    return move_axis(dense(net, move_axis(x, -1, -2), weight), -1, -2)


def summed(net: SymbolicNet, node: str, shape: tuple[int, ...], x: Symbolic, facts: Known | None) -> Symbolic:
    """The result of a layer of `x`, in its type; `facts` are None where the sums are no integers."""
    if facts is None and not x.is_float:
        raise Unsupported("it multiplies integers with weights that are no integers")
    return in_type(net, net.made(node, shape, x.dtype, facts or UNKNOWN))


def exact_bias(bias: Array | None, outputs: int) -> tuple[Fraction, ...] | None:
    """The numbers of a bias, or None when all are 0."""
    if bias is None:
        return None
    if bias.size != outputs:
        raise Unsupported(f"a bias of {bias.size} numbers for {outputs} outputs")
    if not np.isfinite(bias).all():
        raise Unsupported("its bias has NaN or infinite entries")
    numbers = tuple(Fraction(b) for b in bias.reshape(-1).tolist())
    return numbers if any(numbers) else None


def reshaped_weight(weight: Weight, shape: tuple[int, ...]) -> Weight:
    """The same weights in another shape."""
    if weight.shape == shape:
        return weight
    if isinstance(weight, RealWeight):
        return RealWeight(weight.values.reshape(shape))
    assert isinstance(weight.tensor, IntTensor)
    return replace(weight, tensor=IntTensor(weight.tensor.values.reshape(shape), weight.tensor.encoding))


def conv(
    net: SymbolicNet, x: Symbolic, weight: Weight, bias: Array | None, sliding: Sliding, groups: int = 1
) -> Symbolic:
    """Cross-correlation with zero padding. A border of zeros that `x` already has is added to the pads.

    Args:
        x: (1, C, H, W), or (1, C, L).
        weight: (O, C / groups, KH, KW), or (O, C / groups, K).
        bias: (O,).
    """
    if len(x.shape) not in (3, 4) or len(weight.shape) != len(x.shape):
        raise Unsupported(f"a convolution of {x.shape} with weights {weight.shape}; 1-d and 2-d ones are supported")
    outputs, a_group = weight.shape[:2]
    if groups < 1 or x.shape[1] != a_group * groups or outputs % groups:
        raise Unsupported(f"{groups} groups of {x.shape[1]} channels do not fit weights {weight.shape}")
    window = sliding.on(x)
    source, own = _unpadded(x)
    top, left, bottom, right = (p + q for p, q in zip(window.pads, own, strict=True))
    pads = (top, left, bottom, right)
    kernels = reshaped_weight(weight, (outputs, a_group, *window.kernel))
    op = Conv(kernels, window.stride, pads, window.dilation, groups, exact_bias(bias, outputs))
    node, shape = slid(net, op, source, len(x.shape))
    return summed(net, node, shape, x, of_products(x, kernels, bias, any(pads)))


def _unpadded(x: Symbolic) -> tuple[Symbolic, Pads]:
    """`x` without a frame of zeros, and the frame, when it has one that a convolution can make itself."""
    own = x.padded and not x.fill and not x.chain
    found = x.layout.reshape(layout.value_shape(x.shape)).frame() if own else None
    if found is None or (len(x.shape) == 3 and (found[1][0] or found[1][2])):
        return x, NO_PADS
    inner, pads = found
    channels, *extents = inner.shape
    return x.changed(layout=inner.reshape((1, channels, *extents[4 - len(x.shape) :]))), pads


def batch_norm(
    net: SymbolicNet,
    x: Symbolic,
    gamma: Array,
    beta: Array,
    mean: Array,
    variance: Array,
    epsilon: float,
    *,
    folded: bool,
) -> Symbolic:
    """Inference batch norm along axis 1, each operation rounded once.

    Args:
        gamma, beta, mean, variance: (C,).
        folded: x * alpha + beta' with alpha = (1 / sqrt(variance + epsilon)) * gamma and beta' = beta - mean * alpha,
            as ATen has it; else (x - mean) / sqrt(variance + epsilon) * gamma + beta, as ONNX defines it.
    """
    if len(x.shape) < 2 or any(array.shape != (x.shape[1],) for array in (gamma, beta, mean, variance)):
        shapes = [array.shape for array in (gamma, beta, mean, variance)]
        raise Unsupported(f"parameters of shapes {shapes} for {x.shape}: one number a channel")
    column = (1, -1, *[1] * (len(x.shape) - 2))
    g, b, m, v = (np.asarray(array, dtype=net.dtype).reshape(column) for array in (gamma, beta, mean, variance))
    if v.min() < 0:
        raise Unsupported(f"its variance {float(v.min()):g} is negative")
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        root = np.sqrt(v + net.dtype.type(epsilon))
        alpha = (net.dtype.type(1) / root) * g
        shift = b - m * alpha
    if folded:
        return pointwise(net, pointwise(net, x, "mul", alpha), "add", shift)
    centred = pointwise(net, pointwise(net, x, "sub", m), "div", root)
    return pointwise(net, pointwise(net, centred, "mul", g), "add", b)

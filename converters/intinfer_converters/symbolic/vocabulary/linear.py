"""Products with constant weights: dense layers and matrix products, of floats or integers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from intinfer.tensor import IntTensor

from ...floatnet import Conv, Dense, QuantisedWeight, RealWeight
from .. import integers
from ..facts import UNKNOWN, Known, of_products
from ..net import SymbolicNet
from ..tensor import Symbolic, Unsupported
from .arrangement import move_axis, reshape, transpose
from .operands import Array

Weight = QuantisedWeight | RealWeight


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
    op = Conv(reshaped_weight(weight, (outputs, features, 1, 1)), (1, 1), (0, 0, 0, 0), (1, 1), 1, exact)
    result = summed(net, net.emit(op, net.realised(pixels)), (1, outputs, count, 1), x, facts)
    return reshape(transpose(result, (0, 2, 3, 1)), (1, *between, outputs))


def dense_from_left(net: SymbolicNet, weight: Weight, x: Symbolic) -> Symbolic:
    """weight (O, C) times x (1, ..., C, N)."""
    if len(weight.shape) != 2 or len(x.shape) < 3:
        raise Unsupported(
            f"a constant {weight.shape} times {x.shape}; the constant is a matrix, the batch axis is kept"
        )
    product = dense(net, move_axis(x, -1, -2), weight)
    return move_axis(product, -1, -2)


def summed(net: SymbolicNet, node: str, shape: tuple[int, ...], x: Symbolic, facts: Known | None) -> Symbolic:
    """The result of a layer of `x`, in its type; `facts` are None where the sums are no integers."""
    if facts is None and not x.is_float:
        raise Unsupported("it multiplies integers with weights that are no integers")
    result = net.made(node, shape, x.dtype, facts or UNKNOWN)
    return result if x.is_float else integers.in_type(net, result)


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
    return replace(weight, shape=shape, tensor=IntTensor(weight.tensor.values.reshape(shape), weight.encoding))

"""Batch norm in inference, as ONNX and as ATen compute it."""

from __future__ import annotations

import numpy as np

from ..net import SymbolicNet
from ..pointwise import pointwise
from ..tensor import Symbolic, Unsupported
from .operands import Array


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

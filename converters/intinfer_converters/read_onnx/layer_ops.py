"""Layers: their inputs and attributes as arguments of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..symbolic import Array, Symbolic, SymbolicNet, Unsupported
from ..symbolic.vocabulary import arithmetic, arrangement, layers, reductions
from .call import Call, Rule, Value, weight_in
from .tensors import Constant


def _sliding(call: Call, x: Symbolic, kernel: tuple[int, ...]) -> reductions.Sliding:
    """The window of a convolution or pool over the last axes of `x`."""
    axes, ceil_mode = len(kernel), bool(call.integer("ceil_mode", 0)) if "Pool" in call.node.op else False
    stride = call.integers("strides") or (1,) * axes
    dilation = call.integers("dilations") or (1,) * axes
    pads = call.integers("pads") or (0,) * (2 * axes)
    if min((*stride, *dilation, *kernel)) < 1:
        raise Unsupported(f"strides {stride}, dilations {dilation} or kernel {kernel} below 1")
    mode = call.text("auto_pad", "NOTSET")
    if mode == "VALID":
        pads = (0,) * (2 * axes)
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        if not len(x.shape) - 2 == len(stride) == len(dilation) == axes:
            raise Unsupported(f"strides {stride}, dilations {dilation} do not fit a window {kernel} on {x.shape}")
        pads = reductions.same_pads(x.shape[2:], kernel, stride, dilation, more_first=mode == "SAME_LOWER")
    elif mode != "NOTSET":
        raise Unsupported(f"auto_pad {mode!r} is not supported; NOTSET, VALID, SAME_UPPER and SAME_LOWER are")
    return reductions.Sliding(kernel, stride, pads, dilation, ceil_mode)


def convolved(call: Call, x: Symbolic, weights: Constant, bias: Array | None) -> Symbolic:
    """The convolution of a node's attributes, of integers or reals."""
    kernel = weights.shape[2:]
    if (call.integers("kernel_shape") or kernel) != kernel:
        raise Unsupported(f"kernel_shape {call.integers('kernel_shape')}, its weights have {kernel}")
    sliding = _sliding(call, x, kernel)
    return layers.conv(call.net, x, weight_in(weights), bias, sliding, call.integer("group", 1))


def conv(call: Call) -> Symbolic:
    """A rule of Conv(x, w, bias): w and bias are constant."""
    return convolved(call, call.tensor(), call.constant(1, "weight"), call.optional(2, "bias"))


def max_pool(call: Call) -> Symbolic:
    """MaxPool; its second output, the places, is not supported."""
    call.lone_output()
    x = call.tensor()
    return reductions.max_pool(call.net, x, _sliding(call, x, call.integers("kernel_shape") or ()))


def average_pool(call: Call) -> Symbolic:
    """AveragePool over windows of one count."""
    x, counted = call.tensor(), bool(call.integer("count_include_pad", 0))
    return reductions.average_pool(call.net, x, _sliding(call, x, call.integers("kernel_shape") or ()), counted)


# ---- products


def multiplied(net: SymbolicNet, a: Value, b: Value) -> Symbolic:
    """a @ b, of which one is constant."""
    if isinstance(a, Symbolic) and isinstance(b, Symbolic):
        raise Unsupported("it multiplies two computed tensors (attention); one factor has to be constant")
    if isinstance(a, Constant):
        assert isinstance(b, Symbolic)
        return layers.dense_from_left(net, weight_in(_matrix(a)), b)
    assert isinstance(b, Constant)
    weights = _matrix(b)
    if len(weights.shape) == 2:
        return layers.dense(net, a, weight_in(weights.changed(np.transpose)))
    product = layers.dense(net, a, weight_in(weights.changed(lambda v: v[None])))
    return arrangement.reshape(product, product.shape[:-1])


def _matrix(constant: Constant) -> Constant:
    """A constant without leading axes of 1."""
    shape = constant.shape
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    if not 1 <= len(shape) <= 2:
        raise Unsupported(f"a constant factor of shape {constant.shape}: a product a batch; a matrix is supported")
    return constant.changed(lambda v: v.reshape(shape))


def matmul(call: Call) -> Symbolic:
    """MatMul with one constant factor."""
    return multiplied(call.net, call.value(0), call.value(1))


def gemm(call: Call) -> Symbolic:
    """Gemm(a, b, c): alpha * a @ b + beta * c, a not transposed."""
    x, net, weight = call.tensor(), call.net, call.constant(1, "weight")
    if call.integer("transA", 0) and x.shape != (1, 1):
        raise Unsupported(f"it transposes its input {x.shape}: the batch axis stays first")
    if len(weight.shape) != 2 or len(x.shape) != 2:
        raise Unsupported(f"a product of {x.shape} and {weight.shape}; both are matrices")
    rows = weight_in(weight if call.integer("transB", 0) else weight.changed(np.transpose))
    alpha, beta = call.number("alpha", 1.0), call.number("beta", 1.0)
    added = call.operand(2) if call.has(2) and beta != 0 else None
    if beta != 1 and added is not None:
        factor = call.reals(beta)
        added = arithmetic.mul(net, added, factor) if isinstance(added, Symbolic) else np.asarray(added * factor)
    if alpha == 1 and isinstance(added, np.ndarray):
        bias = np.broadcast_to(added, (1, rows.shape[0])).reshape(-1)
        return layers.dense(net, x, rows, np.ascontiguousarray(bias))
    product = layers.dense(net, x, rows)
    if alpha != 1:
        product = arithmetic.mul(net, product, call.reals(alpha))
    return product if added is None else arithmetic.add(net, product, added)


# ---- over axes


def reduced(word: Callable[[SymbolicNet, Symbolic, tuple[int, ...], bool], Symbolic]) -> Rule:
    """A reduction; with no axes but the batch axis it does nothing."""

    def rule(call: Call) -> Symbolic:
        x, rank = call.tensor(), len(call.tensor().shape)
        keep, axes = bool(call.integer("keepdims", 1)), call.integers_or_input("axes", 1)
        nothing = call.integer("noop_with_empty_axes", 0)
        if not axes:
            axes = () if nothing else tuple(range(rank))
        chosen = {arrangement.axis_of(axis, rank) for axis in axes}
        if 0 in chosen and not keep:
            raise Unsupported("it reduces over the batch axis and leaves it out; keep it (keepdims, or other axes)")
        inner = tuple(sorted(chosen - {0}))
        return word(call.net, x, inner, keep) if inner else x

    return rule


def pooled_over_all(word: Callable[[SymbolicNet, Symbolic, tuple[int, ...], bool], Symbolic]) -> Rule:
    """A rule of a global pool: `word` over all axes behind the channels."""
    return lambda call: word(call.net, call.tensor(), reductions.spatial(call.tensor()), True)


def place_of(word: Callable[[SymbolicNet, Symbolic, int, bool, bool], Symbolic]) -> Rule:
    """ArgMax and ArgMin: the first of equal ones, or the last."""

    def rule(call: Call) -> Symbolic:
        axis, keep = call.integer("axis", 0), bool(call.integer("keepdims", 1))
        return word(call.net, call.tensor(), axis, keep, bool(call.integer("select_last_index", 0)))

    return rule


def batch_normalization(call: Call) -> Symbolic:
    """BatchNormalization(x, gamma, beta, mean, variance) in inference."""
    call.in_inference().lone_output()
    call.refuse("training_mode", 0)
    call.refuse("spatial", 1)
    gamma, beta, mean, variance = (
        call.array(place, what) for place, what in enumerate(("gamma", "beta", "mean", "variance"), 1)
    )
    epsilon = call.number("epsilon", 1e-5)
    return layers.batch_norm(call.net, call.tensor(), gamma, beta, mean, variance, epsilon, folded=False)

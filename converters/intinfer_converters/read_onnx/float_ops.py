"""Layers: convolutions, matrix products, pools, reductions, batch norm, argmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..symbolic import Symbolic, Unsupported
from .call import Call, Value, axis_of, weight_in
from .tensors import Array, Constant


def window(call: Call, x: Symbolic, kernel: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Stride, dilation and pads (all begins, all ends) of a convolution or pool over the last axes of `x`."""
    rank = len(kernel)
    if len(x.shape) != rank + 2:
        raise Unsupported(f"a window {tuple(kernel)} on a tensor of shape {x.shape}")
    stride = call.integers("strides") or (1,) * rank
    dilation = call.integers("dilations") or (1,) * rank
    pads = call.integers("pads") or (0,) * (2 * rank)
    if len(stride) != rank or len(dilation) != rank or len(pads) != 2 * rank:
        raise Unsupported(f"strides {stride}, dilations {dilation}, pads {pads} do not fit a window {tuple(kernel)}")
    if min((*stride, *dilation, *kernel)) < 1:
        raise Unsupported(f"strides {stride}, dilations {dilation} or kernel {tuple(kernel)} below 1")
    mode = call.text("auto_pad", "NOTSET")
    if mode == "VALID":
        return stride, dilation, (0,) * (2 * rank)
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max(0, (-(-extent // s) - 1) * s + (k - 1) * d + 1 - extent)
            for extent, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)
        ]
        less, more = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
        return stride, dilation, (*less, *more) if mode == "SAME_UPPER" else (*more, *less)
    if mode != "NOTSET":
        raise Unsupported(f"auto_pad {mode!r} is not supported; NOTSET, VALID, SAME_UPPER and SAME_LOWER are")
    return stride, dilation, pads


def convolved(call: Call, x: Symbolic, weights: Constant, bias: Array | None) -> Symbolic:
    """The convolution of a node's attributes, of integers or reals."""
    if len(x.shape) not in (3, 4) or len(weights.shape) != len(x.shape):
        raise Unsupported(f"a convolution of {x.shape} with weights {weights.shape}; 1-d and 2-d ones are supported")
    kernel = weights.shape[2:]
    if (call.integers("kernel_shape") or kernel) != kernel:
        raise Unsupported(f"kernel_shape {call.integers('kernel_shape')}, its weights have {kernel}")
    stride, dilation, pads = window(call, x, kernel)
    return call.net.conv(x, weight_in(weights), bias, stride, pads, dilation, call.integer("group", 1))


def conv(call: Call) -> Symbolic:
    """Conv(x, w, bias)."""
    return convolved(call, call.tensor(), call.constant(1, "weight"), call.optional(2, "bias"))


def conv_transpose(call: Call) -> Value:
    """ConvTranspose: refused."""
    raise Unsupported("transposed convolutions are not supported; Resize (nearest) and Conv are")


def multiplied(call: Call, a: Value, b: Value) -> Symbolic:
    """a @ b, of which one is constant."""
    net = call.net
    if isinstance(a, Symbolic) and isinstance(b, Symbolic):
        raise Unsupported("it multiplies two computed tensors (attention); one factor has to be constant")
    if isinstance(a, Symbolic):
        assert isinstance(b, Constant)
        weights = _matrix(b)
        if len(weights.shape) == 1:
            column = Constant(weights.values[:, None], b.elem_type, _parts(weights, lambda v: v[:, None]))
            x = net.dense(a, weight_in(column, np.transpose))
            return net.rearrange(x, lambda index: index[..., 0])
        return net.dense(a, weight_in(weights, np.transpose))
    assert isinstance(a, Constant)
    assert isinstance(b, Symbolic)
    weights = _matrix(a)
    if len(weights.shape) != 2 or len(b.shape) < 3:
        raise Unsupported(f"a constant {a.shape} times {b.shape}; the constant is a matrix and the batch axis is kept")
    turned = net.dense(net.rearrange(b, lambda index: index.swapaxes(-1, -2)), weight_in(weights))
    return net.rearrange(turned, lambda index: index.swapaxes(-1, -2))


def _matrix(constant: Constant) -> Constant:
    """A constant without leading axes of 1."""
    shape = constant.shape
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    if not 1 <= len(shape) <= 2:
        raise Unsupported(f"a constant factor of shape {constant.shape}: a product a batch; a matrix is supported")
    return Constant(constant.values.reshape(shape), constant.elem_type, _parts(constant, lambda v: v.reshape(shape)))


def _parts(constant: Constant, change: Callable[[Array], Array]) -> tuple[Array, Array] | None:
    """Integers and scales of a quantised constant in another layout."""
    return None if constant.quantised is None else (change(constant.quantised[0]), change(constant.quantised[1]))


def matmul(call: Call) -> Symbolic:
    """MatMul(a, b)."""
    return multiplied(call, call.value(0), call.value(1))


def gemm(call: Call) -> Symbolic:
    """Gemm(a, b, c): alpha * a @ b + beta * c, a not transposed."""
    x, net = call.tensor(), call.net
    if call.integer("transA", 0) and x.shape != (1, 1):
        raise Unsupported(f"it transposes its input {x.shape}: the batch axis stays first")
    transposed = call.integer("transB", 0)
    weight = weight_in(call.constant(1, "weight"), (lambda v: v) if transposed else np.transpose)
    if len(weight.shape) != 2 or len(x.shape) != 2:
        raise Unsupported(f"a product of {x.shape} and {weight.shape}; both are matrices")
    alpha, beta = call.number("alpha", 1.0), call.number("beta", 1.0)
    added = call.operand(2) if call.has(2) and beta != 0 else None
    if beta != 1 and added is not None:
        factor = call.reals(beta)
        added = net.mul(added, factor) if isinstance(added, Symbolic) else np.asarray(added * factor)
    if alpha == 1 and isinstance(added, np.ndarray):
        bias = np.broadcast_to(added, (1, weight.shape[0])).reshape(-1)
        return net.dense(x, weight, np.ascontiguousarray(bias))
    product = net.dense(x, weight)
    if alpha != 1:
        product = net.pointwise(product, "mul", call.reals(alpha))
    return product if added is None else net.add(product, added)


def _lone_output(call: Call) -> None:
    if len([name for name in call.node.outputs if name]) > 1:
        raise Unsupported("its second output is used; only the first is supported")


def max_pool(call: Call) -> Symbolic:
    """MaxPool(x)."""
    x, kernel = call.tensor(), call.integers("kernel_shape") or ()
    _lone_output(call)
    stride, dilation, pads = window(call, x, kernel)
    return call.net.max_pool(x, kernel, stride, pads, dilation, bool(call.integer("ceil_mode", 0)))


def average_pool(call: Call) -> Symbolic:
    """AveragePool(x)."""
    x, kernel = call.tensor(), call.integers("kernel_shape") or ()
    stride, dilation, pads = window(call, x, kernel)
    if any(d != 1 for d in dilation):
        raise Unsupported(f"dilations {dilation} of an average pool; only 1 is supported")
    counted = bool(call.integer("count_include_pad", 0))
    return call.net.average_pool(x, kernel, stride, pads, counted, bool(call.integer("ceil_mode", 0)))


def _spatial(x: Symbolic) -> tuple[int, ...]:
    if len(x.shape) < 3:
        raise Unsupported(f"a global pool of {x.shape}: there are no axes behind the channels")
    return tuple(range(2, len(x.shape)))


def global_average_pool(call: Call) -> Symbolic:
    """GlobalAveragePool(x)."""
    x = call.tensor()
    return call.net.mean(x, _spatial(x), keepdims=True)


def global_max_pool(call: Call) -> Symbolic:
    """GlobalMaxPool(x)."""
    x = call.tensor()
    return call.net.maximum_over(x, _spatial(x), keepdims=True)


def _reduced(call: Call, since: int) -> tuple[Symbolic, tuple[int, ...], bool]:
    """Tensor, axes without the batch axis, and keepdims of a reduction; no axes when it does nothing."""
    x, rank = call.tensor(), len(call.tensor().shape)
    keep = bool(call.integer("keepdims", 1))
    axes = call.integers_or_input("axes", 1, since)
    nothing = call.integer("noop_with_empty_axes", 0)
    if not axes:
        axes = () if nothing else tuple(range(rank))
    chosen = sorted({axis_of(axis, rank) for axis in axes})
    if 0 in chosen:
        if not keep:
            raise Unsupported("it reduces over the batch axis and leaves it out; keep it (keepdims, or other axes)")
        chosen.remove(0)
    return x, tuple(chosen), keep


def reduce_mean(call: Call) -> Symbolic:
    """ReduceMean(x)."""
    x, axes, keep = _reduced(call, 18)
    return call.net.mean(x, axes, keep) if axes else x


def reduce_sum(call: Call) -> Symbolic:
    """ReduceSum(x)."""
    x, axes, keep = _reduced(call, 13)
    return call.net.sum(x, axes, keep) if axes else x


def reduce_max(call: Call) -> Symbolic:
    """ReduceMax(x)."""
    x, axes, keep = _reduced(call, 18)
    return call.net.maximum_over(x, axes, keep) if axes else x


def reduce_min(call: Call) -> Symbolic:
    """ReduceMin(x): -max(-x)."""
    x, axes, keep = _reduced(call, 18)
    net, dtype = call.net, x.dtype
    wide = x if x.is_float else net.cast(x, np.int64)
    return net.cast(net.negative(net.maximum_over(net.negative(wide), axes, keep)), dtype) if axes else x


def argmax(call: Call) -> Symbolic:
    """ArgMax(x): the first of equal ones, or the last."""
    return _arg(call, call.tensor())


def argmin(call: Call) -> Symbolic:
    """ArgMin(x): argmax of -x."""
    x = call.tensor()
    return _arg(call, call.net.negative(x if x.is_float else call.net.cast(x, np.int64)))


def _arg(call: Call, x: Symbolic) -> Symbolic:
    axis, keep = axis_of(call.integer("axis", 0), len(x.shape)), bool(call.integer("keepdims", 1))
    if not call.integer("select_last_index", 0):
        return call.net.argmax(x, axis, keep)
    turned = call.net.rearrange(x, lambda index: np.flip(index, axis))
    place = call.net.argmax(turned, axis, keep)
    return call.net.sub(np.full(1, x.shape[axis] - 1, np.int64), place)


def batch_normalization(call: Call) -> Symbolic:
    """BatchNormalization(x, gamma, beta, mean, variance) in inference."""
    _lone_output(call)
    call.refuse("training_mode", 0)
    call.refuse("spatial", 1)
    if call.opset < 7 and not call.integer("is_test", 0):
        raise Unsupported("it is in training mode (is_test = 0); export the network in evaluation mode")
    x, names = call.tensor(), ("gamma", "beta", "mean", "variance")
    parameters = [call.array(place, what) for place, what in enumerate(names, 1)]
    if len(x.shape) < 2 or any(p.shape != (x.shape[1],) for p in parameters):
        raise Unsupported(f"parameters of shapes {[p.shape for p in parameters]} for {x.shape}: one number a channel")
    gamma, beta, mean, variance = parameters
    return call.net.batch_norm(x, gamma, beta, mean, variance, call.number("epsilon", 1e-5), axis=1, form="onnx")


def softmax(call: Call) -> Value:
    """Softmax and its kind: refused, with the way out."""
    raise Unsupported(
        f"it has no integer meaning; the largest score stays the largest: cut the network before it, with "
        f"{call.node.inputs[0]!r} as its output (--cut)"
    )

"""Elementwise operators of one tensor with constants, and of several tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np

from ..symbolic import Symbolic, SymbolicNet, Unsupported
from .call import Call, Value
from .tensors import DTYPES, Array, constant_of, type_name

Operand = Symbolic | Array
Rule = Callable[[Call], Value]
_OPPOSITE = {"greater": "less_equal", "less": "greater_equal", "greater_equal": "less", "less_equal": "greater"}
_MIRRORED = {"greater": "less", "less": "greater", "greater_equal": "less_equal", "less_equal": "greater_equal"}


def simple(kind: str) -> Rule:
    """An op that is one primitive without a constant; integers stay as they are under roundings."""

    def rule(call: Call) -> Symbolic:
        return call.net.pointwise(call.tensor(), kind)

    return rule


def relu(call: Call) -> Symbolic:
    """max(x, 0)."""
    return call.net.pointwise(call.tensor(), "clip", (0, np.inf))


def clip(call: Call) -> Symbolic:
    """Clip: bounds are attributes before opset 11, inputs from there on."""
    x = call.tensor()
    if call.opset < 11:
        low, high = call.number("min", -np.inf), call.number("max", np.inf)
    else:
        low, high = call.one(1, "lower bound", -np.inf), call.one(2, "upper bound", np.inf)
    return call.net.pointwise(x, "clip", (low, high))


def leaky_relu(call: Call) -> Symbolic:
    """x where it is at least 0, else alpha * x."""
    return _leaky(call, call.reals(call.number("alpha", 0.01)))


def prelu(call: Call) -> Symbolic:
    """LeakyRelu with a constant slope a channel."""
    return _leaky(call, call.array(1, "slope"))


def _leaky(call: Call, slope: Array) -> Symbolic:
    if not np.isfinite(slope).all() or (slope < 0).any():
        raise Unsupported(f"its slope {slope.reshape(-1)[0]:g} is negative or not finite: it is not monotone")
    return call.net.pointwise(call.tensor(), "leaky", slope)


def thresholded_relu(call: Call) -> Symbolic:
    """x where it exceeds alpha, else 0."""
    x, alpha = call.tensor(), call.number("alpha", 1.0)
    if alpha:
        raise Unsupported(f"alpha = {alpha:g}: it jumps from 0 to alpha; only alpha = 0, a Relu, is supported")
    return call.net.pointwise(x, "clip", (0, np.inf))


def hard_sigmoid(call: Call) -> Symbolic:
    """max(0, min(1, alpha * x + beta))."""
    net = call.net
    x = net.pointwise(call.tensor(), "mul", call.reals(call.number("alpha", 0.2)))
    return net.pointwise(net.pointwise(x, "add", call.reals(call.number("beta", 0.5))), "clip", (0, 1))


def absolute(call: Call) -> Symbolic:
    """max(x, -x)."""
    x = call.tensor()
    if x.dtype.kind == "i":
        return call.net.cast(
            call.net.maximum(call.net.cast(x, np.int64), call.net.negative(call.net.cast(x, np.int64))), x.dtype
        )
    return x if x.dtype.kind == "u" else call.net.maximum(x, call.net.negative(x))


def negative(call: Call) -> Symbolic:
    """-x."""
    return call.net.negative(call.tensor())


# ---- of two tensors


def _aligned(call: Call) -> tuple[Operand, Operand]:
    """Both operands; before opset 7 the second one is aligned by the attributes broadcast and axis."""
    a, b = call.operand(0), call.operand(1)
    if call.opset >= 7 or "axis" not in call.node.attributes or not call.integer("broadcast", 0):
        return a, b
    axis, rank = call.integer("axis", 0), len(a.shape)
    behind = rank - axis - len(b.shape)
    if behind < 0 or axis < 0:
        raise Unsupported(f"axis {axis} does not align {b.shape} with {a.shape}")
    shape = (*b.shape, *[1] * behind)
    if isinstance(b, Symbolic):
        raise Unsupported("it broadcasts a computed tensor along an axis; only constants")
    return a, b.reshape(shape)


def add(call: Call) -> Symbolic:
    """a + b."""
    return call.net.add(*_aligned(call))


def sub(call: Call) -> Symbolic:
    """a - b."""
    return call.net.sub(*_aligned(call))


def mul(call: Call) -> Symbolic:
    """a * b, one of them constant or one bit a channel."""
    return call.net.mul(*_aligned(call))


def div(call: Call) -> Symbolic:
    """a / b with a constant b."""
    a, b = _aligned(call)
    if isinstance(b, Symbolic):
        raise Unsupported(f"it divides by a computed tensor ({call.node.inputs[1]}); a constant divisor is supported")
    assert isinstance(a, Symbolic)
    if not a.is_float:
        return _integer_division(call, a, b)
    return call.net.pointwise(call.net.broadcast(a, b.shape), "div", b)


def _integer_division(call: Call, a: Symbolic, b: Array) -> Symbolic:
    """Division that truncates: of integers below 2^24 the float quotient never reaches the next integer."""
    least, most = a.bounds
    if call.net.dtype == np.float16 or b.dtype.kind not in "iu" or not max(-least, most) < 2**24 or not b.all():
        raise Unsupported("it divides integers of 2^24 and more, or by 0; smaller ones by constants are supported")
    if np.abs(b.astype(np.float64)).max() >= 2**24:
        raise Unsupported(f"it divides by {int(b.reshape(-1)[0])}; constants below 2^24 are supported")
    real = call.net.cast(call.net.broadcast(a, b.shape), call.net.dtype)
    return call.net.cast(call.net.pointwise(real, "div", b), a.dtype)


def many(merge: Callable[[SymbolicNet, Operand, Operand], Symbolic], fold: Callable[[Array, Array], Array]) -> Rule:
    """An op of any number of tensors, taken from left to right."""

    def rule(call: Call) -> Symbolic:
        def both(a: Operand, b: Operand) -> Operand:
            if isinstance(a, Symbolic) or isinstance(b, Symbolic):
                return merge(call.net, a, b)
            return fold(a, b)

        operands = [call.operand(place) for place in range(len(call.inputs))]
        result = reduce(both, operands)
        assert isinstance(result, Symbolic)
        return result

    return rule


maximum = many(SymbolicNet.maximum, np.maximum)
minimum = many(SymbolicNet.minimum, np.minimum)
total = many(SymbolicNet.add, np.add)


def mean(call: Call) -> Symbolic:
    """The sum from left to right, divided by the number of tensors."""
    x = total(call)
    assert isinstance(x, Symbolic)
    return call.net.pointwise(x, "div", call.reals(len(call.inputs)))


# ---- bits


def compare(kind: str) -> Rule:
    """a > b and its kind; two tensors are compared by their difference, whose sign is exact."""

    def rule(call: Call) -> Symbolic:
        a, b = _aligned(call)
        if isinstance(a, Symbolic) and isinstance(b, Symbolic):
            if not a.is_float:
                a, b = call.net.cast(a, np.int64), call.net.cast(b, np.int64)
            bit = call.net.pointwise(call.net.sub(a, b), kind, np.zeros(1, a.dtype))
        elif isinstance(a, Symbolic):
            assert not isinstance(b, Symbolic)
            bit = call.net.pointwise(call.net.broadcast(a, b.shape), kind, b)
        else:
            assert isinstance(b, Symbolic)
            bit = call.net.pointwise(call.net.broadcast(b, a.shape), _MIRRORED[kind], a)
        return call.net.cast(bit, np.bool_)

    return rule


def logical_not(call: Call) -> Symbolic:
    """1 - x of a bit; of a comparison, the opposite one."""
    x = _bit(call.operand(0))
    assert isinstance(x, Symbolic)
    if x.compared is not None:
        known = x.compared
        return call.net.cast(call.net.pointwise(known.tensor, _OPPOSITE[known.kind], known.operand), np.bool_)
    return call.net.cast(call.net.pointwise(x, "less", np.ones(1, call.net.dtype)), np.bool_)


def logical(larger: bool) -> Rule:
    """And is the minimum of two bits, Or the maximum."""

    def rule(call: Call) -> Symbolic:
        net = call.net
        parts = [_bit(call.operand(place)) for place in (0, 1)]
        a, b = (net.cast(x, np.int32) if isinstance(x, Symbolic) else x.astype(np.int32) for x in parts)
        return net.cast(net.maximum(a, b) if larger else net.minimum(a, b), np.bool_)

    return rule


def _bit(x: Operand) -> Operand:
    if x.dtype.kind != "b":
        raise Unsupported(f"its input is {x.dtype}; bits (bool) are due")
    return x


def where(call: Call) -> Value:
    """a where the condition holds, else b."""
    condition = call.operand(0)
    if not isinstance(condition, Symbolic):
        if (condition != condition.reshape(-1)[0]).any():
            raise Unsupported("its condition is constant and differs between elements; use Slice and Concat")
        chosen = call.operand(1 if condition.reshape(-1)[0] else 2)
        shape = np.broadcast_shapes(*(call.value(place).shape for place in range(3)))
        if isinstance(chosen, Symbolic):
            return call.net.broadcast(chosen, shape)
        return constant_of(np.broadcast_to(chosen, shape))
    return call.net.where(condition, call.operand(1), call.operand(2))


def cast(call: Call) -> Symbolic:
    """Cast(x)."""
    elem = call.integer("to", 0)
    if elem not in DTYPES:
        raise Unsupported(f"it casts to {type_name(elem)}")
    return _cast(call, elem)


def cast_like(call: Call) -> Symbolic:
    """CastLike(x, a tensor of the type)."""
    like = call.value(1)
    if isinstance(like, Symbolic):
        return call.net.cast(call.tensor(), like.dtype)
    return _cast(call, like.elem_type)


def _cast(call: Call, elem: int) -> Symbolic:
    dtype = DTYPES[elem]
    if dtype.itemsize == 1 and type_name(elem)[-1] in "24":
        raise Unsupported(f"it casts an activation to {type_name(elem)}; QuantizeLinear is supported")
    if dtype == np.uint64:
        raise Unsupported("it casts to uint64; integers of at most 63 bits are supported")
    return call.net.cast(call.tensor(), dtype)


def identity(call: Call) -> Value:
    """Identity, and Dropout in inference."""
    return call.value(0)


def dropout(call: Call) -> Value:
    """Dropout does nothing outside of training."""
    if call.has(2) and call.array(2, "training mode").any():
        raise Unsupported("it is in training mode; export the network in evaluation mode")
    if call.opset < 7 and not call.integer("is_test", 0):
        raise Unsupported("it is in training mode (is_test = 0); export the network in evaluation mode")
    return call.value(0)

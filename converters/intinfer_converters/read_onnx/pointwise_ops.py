"""Elementwise operators: their inputs and attributes as arguments of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np

from ..symbolic import Array, Operand, Symbolic, SymbolicNet, Unsupported
from ..symbolic.vocabulary import arithmetic, elementwise
from .call import Call, Rule, Value
from .tensors import DTYPES, constant_of, type_name


def one(word: Callable[[SymbolicNet, Symbolic], Symbolic]) -> Rule:
    """A rule of an op of one tensor."""
    return lambda call: word(call.net, call.tensor())


def two(word: Callable[[SymbolicNet, Operand, Operand], Symbolic]) -> Rule:
    """A rule of an op of two operands, tensors or constants."""
    return lambda call: word(call.net, *_aligned(call))


def _aligned(call: Call) -> tuple[Operand, Operand]:
    """Both operands; before opset 7 the second one is aligned by the attributes broadcast and axis."""
    a, b = call.operand(0), call.operand(1)
    if call.opset >= 7 or "axis" not in call.node.attributes or not call.integer("broadcast", 0):
        return a, b
    axis, rank = call.integer("axis", 0), len(a.shape)
    behind = rank - axis - len(b.shape)
    if behind < 0 or axis < 0:
        raise Unsupported(f"axis {axis} does not align {b.shape} with {a.shape}")
    if isinstance(b, Symbolic):
        raise Unsupported("it broadcasts a computed tensor along an axis; only constants")
    return a, b.reshape((*b.shape, *[1] * behind))


def many(
    word: Callable[[SymbolicNet, Operand, Operand], Symbolic], fold: Callable[[Array, Array], Array]
) -> Callable[[Call], Symbolic]:
    """An op of any number of operands, taken from left to right; constants are folded."""

    def rule(call: Call) -> Symbolic:
        def both(a: Operand, b: Operand) -> Operand:
            if isinstance(a, Symbolic) or isinstance(b, Symbolic):
                return word(call.net, a, b)
            return fold(a, b)

        result = reduce(both, [call.operand(place) for place in range(len(call.inputs))])
        assert isinstance(result, Symbolic)
        return result

    return rule


total = many(arithmetic.add, np.add)


def mean(call: Call) -> Symbolic:
    """The sum from left to right, divided by the number of tensors."""
    return arithmetic.div(call.net, total(call), call.reals(len(call.inputs)))


def div(call: Call) -> Symbolic:
    """a / b; of integers it truncates."""
    a, b = _aligned(call)
    return arithmetic.div(call.net, a, b, "trunc" if a.dtype.kind in "iu" else None)


def bit_shift(call: Call) -> Symbolic:
    """BitShift of unsigned integers; one that loses bits at the left wraps."""
    word = {"LEFT": arithmetic.shift_left, "RIGHT": arithmetic.shift_right}[call.text("direction", "")]
    return word(call.net, *_aligned(call))


def clip(call: Call) -> Symbolic:
    """Clip: bounds are attributes before opset 11, inputs from there on."""
    if call.opset < 11:
        low, high = call.number("min", -np.inf), call.number("max", np.inf)
    else:
        low, high = call.one(1, "lower bound", -np.inf), call.one(2, "upper bound", np.inf)
    return elementwise.clip(call.net, call.tensor(), low, high)


def leaky_relu(call: Call) -> Symbolic:
    """LeakyRelu: one slope, an attribute."""
    return elementwise.leaky_relu(call.net, call.tensor(), call.reals(call.number("alpha", 0.01)))


def prelu(call: Call) -> Symbolic:
    """PRelu: constant slopes."""
    return elementwise.leaky_relu(call.net, call.tensor(), call.array(1, "slope"))


def thresholded_relu(call: Call) -> Symbolic:
    """ThresholdedRelu: x where it exceeds alpha, else 0."""
    return elementwise.threshold(call.net, call.tensor(), call.number("alpha", 1.0), 0.0)


def hard_sigmoid(call: Call) -> Symbolic:
    """HardSigmoid: max(0, min(1, alpha * x + beta))."""
    alpha, beta = call.reals(call.number("alpha", 0.2)), call.reals(call.number("beta", 0.5))
    return elementwise.hard_sigmoid(call.net, call.tensor(), alpha, beta)


def where(call: Call) -> Value:
    """Where: a choice by a condition."""
    chosen = arithmetic.where(call.net, call.operand(0), call.operand(1), call.operand(2))
    return chosen if isinstance(chosen, Symbolic) else constant_of(chosen)


def cast(call: Call) -> Symbolic:
    """Cast to the type of an attribute."""
    return _cast(call, call.integer("to", 0))


def cast_like(call: Call) -> Symbolic:
    """Cast to the type of another tensor."""
    like = call.value(1)
    if isinstance(like, Symbolic):
        return elementwise.cast(call.net, call.tensor(), like.dtype)
    return _cast(call, like.elem_type)


def _cast(call: Call, elem: int) -> Symbolic:
    if elem not in DTYPES:
        raise Unsupported(f"it casts to {type_name(elem)}; integers, floats of 16 to 64 bits and bool are supported")
    if type_name(elem) in ("INT2", "INT4", "UINT2", "UINT4"):
        raise Unsupported(f"it casts an activation to {type_name(elem)}; QuantizeLinear is supported")
    if DTYPES[elem] == np.uint64:
        raise Unsupported("it casts to uint64; integers of at most 63 bits are supported")
    return elementwise.cast(call.net, call.tensor(), DTYPES[elem])


def identity(call: Call) -> Value:
    """Identity: the input itself."""
    return call.value(0)


def dropout(call: Call) -> Value:
    """Dropout does nothing outside of training."""
    if call.has(2) and call.array(2, "training mode").any():
        raise Unsupported("it is in training mode; export the network in evaluation mode")
    return identity(call.in_inference())

"""ATen's elementwise ops: their arguments, promoted as torch does, as arguments of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..symbolic import Operand, Symbolic, SymbolicNet, Unsupported
from ..symbolic.vocabulary import arithmetic, comparisons, elementwise
from .scope import Arguments, Handler, Scope, numpy_type


def one(word: Callable[[SymbolicNet, Symbolic], Symbolic]) -> Handler:
    """An op of one tensor and no constant."""

    def handler(scope: Scope, a: Arguments) -> Symbolic:
        if a.get("decimals"):
            raise Unsupported(f"it rounds to {a['decimals']} decimals; multiply, round, and divide")
        return word(scope.net, a["self"])

    return handler


def two(word: Callable[[SymbolicNet, Operand, Operand], Symbolic], swapped: bool = False) -> Handler:
    """An op of two operands; torch multiplies the second of a sum or difference by alpha."""

    def handler(scope: Scope, a: Arguments) -> Symbolic:
        first, second = (a["other"], a["self"]) if swapped else (a["self"], a["other"])
        return word(scope.net, *scope.promoted(first, _scaled(scope, second, a.get("alpha", 1))))

    return handler


def _scaled(scope: Scope, value: Any, alpha: Any) -> Any:
    """alpha * value, which torch fuses with the sum, so that it must not round."""
    if alpha == 1:
        return value
    if abs(np.frexp(float(alpha))[0]) != 0.5:
        raise Unsupported(f"its alpha {alpha} is no power of two; multiply before, in an op of its own")
    return arithmetic.mul(scope.net, *scope.promoted(value, alpha)) if isinstance(value, Symbolic) else value * alpha


def div(scope: Scope, a: Arguments) -> Symbolic:
    """True division, of integers as floats; with a rounding mode the integer below the quotient."""
    x, divisor = scope.promoted(a["self"], a["other"])
    rounding = a.get("rounding_mode")
    if rounding is None and x.dtype.kind != "f" and not isinstance(divisor, Symbolic):
        x, divisor = scope.cast(x, np.float32), divisor.astype(np.float32)
    return arithmetic.div(scope.net, x, divisor, rounding)


def of_truth(word: Callable[[SymbolicNet, Operand, Operand], Symbolic]) -> Handler:
    """A logical op, for which every number but 0 is true."""
    return lambda scope, a: word(scope.net, *(scope.truth(a[key]) for key in ("self", "other")))


def lerp(scope: Scope, a: Arguments) -> Symbolic:
    """A mixture of two tensors by one number."""
    start, end = scope.promoted(a["self"], a["end"])
    return arithmetic.lerp(scope.net, start, end, scope.number(a["weight"]))


def addcmul(scope: Scope, a: Arguments) -> Symbolic:
    """A tensor plus a product, which has a factor more."""
    x, first, second = scope.promoted(a["self"], a["tensor1"], a["tensor2"])
    return arithmetic.addcmul(scope.net, x, first, second, scope.number(a["value"]))


def where(scope: Scope, a: Arguments) -> Operand:
    """A choice; of two numbers they give the type."""
    condition = scope.truth(a["condition"])
    values = [a["self"], a["other"]]
    if not any(isinstance(value, Symbolic) for value in values):
        _, *values = scope.promoted(condition, *values)
    else:
        values = scope.promoted(*values)
    return arithmetic.where(scope.net, condition, *values)


def masked_fill(scope: Scope, a: Arguments) -> Operand:
    """The value where the mask is 1; it is cast to the tensor's type."""
    x, mask = scope.operand(a["self"]), scope.truth(a["mask"])
    return arithmetic.where(scope.net, mask, np.array(scope.number(a["value"])).astype(x.dtype), x)


def clamp(scope: Scope, a: Arguments) -> Symbolic:
    """The clip min(max(x, lo), hi), each bound one number or left out."""
    bounds = [a.get("min"), a.get("max")]
    if any(isinstance(bound, Symbolic) for bound in bounds):
        raise Unsupported("its bounds are computed from the input; they must be constants")
    typed = scope.promoted(a["self"], *(bound for bound in bounds if bound is not None))
    x: Symbolic = typed[0]
    numbers = [np.unique(bound) for bound in typed[1:]]
    if any(found.size > 1 for found in numbers):
        raise Unsupported("its bounds differ between elements; they must be two numbers")
    low = -np.inf if bounds[0] is None else numbers[0].item()
    high = np.inf if bounds[1] is None else numbers[-1].item()
    return elementwise.clip(scope.net, x, low, high)


def threshold(scope: Scope, a: Arguments) -> Symbolic:
    """x where it exceeds a number, else another number."""
    x, limit, value = scope.promoted(a["self"], a["threshold"], a["value"])
    return elementwise.threshold(scope.net, x, limit.item(), value.item())


def leaky_relu(scope: Scope, a: Arguments) -> Symbolic:
    """x where it is at least 0, else a number times x."""
    return elementwise.leaky_relu(scope.net, *scope.promoted(a["self"], a["negative_slope"]))


def prelu(scope: Scope, a: Arguments) -> Symbolic:
    """x where it is at least 0, else a constant times x, one or one a channel."""
    x, slope = a["self"], scope.array(a["weight"])
    if slope.size not in (1, x.shape[1] if len(x.shape) > 1 else 1):
        raise Unsupported(f"{slope.size} slopes for {x.shape}")
    return elementwise.leaky_relu(scope.net, x, slope.reshape(1, -1, *[1] * (len(x.shape) - 2)))


def to(scope: Scope, a: Arguments) -> Symbolic:
    """A cast; other devices and memory formats change no value."""
    x: Symbolic = a["self"]
    dtype, other = a.get("dtype"), a.get("other")
    if dtype is None and other is not None:
        return scope.cast(x, other.dtype if isinstance(other, Symbolic) else numpy_type(other.dtype))
    return x if dtype is None else scope.cast(x, numpy_type(dtype))


HANDLERS: dict[str, Handler] = {
    "rsub": two(arithmetic.sub, swapped=True),
    **dict.fromkeys(("div", "divide", "true_divide"), div),
    "floor_divide": lambda scope, a: div(scope, {**a, "rounding_mode": "floor"}),
    "logical_not": lambda scope, a: comparisons.logical_not(scope.net, scope.cast(a["self"], np.bool_)),
    "logical_and": of_truth(comparisons.logical_and),
    "logical_or": of_truth(comparisons.logical_or),
    "lerp": lerp,
    "addcmul": addcmul,
    "where": where,
    "masked_fill": masked_fill,
    **dict.fromkeys(("clamp", "clip", "clamp_min", "clamp_max"), clamp),
    "relu6": one(lambda net, x: elementwise.clip(net, x, 0, 6)),
    "hardtanh": lambda scope, a: clamp(scope, {"self": a["self"], "min": a["min_val"], "max": a["max_val"]}),
    "threshold": threshold,
    "leaky_relu": leaky_relu,
    **dict.fromkeys(("prelu", "_prelu_kernel"), prelu),
    **dict.fromkeys(("to", "_to_copy", "type_as"), to),
}

"""ATen's elementwise ops: arithmetic, roundings, comparisons, selections, casts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..symbolic import Symbolic, Unsupported
from .scope import Handler, Scope, numpy_type

Arguments = Mapping[str, Any]


def add(scope: Scope, a: Arguments) -> Symbolic:
    return scope.net.add(*scope.promoted(a["self"], _scaled(scope, a["other"], a.get("alpha", 1))))


def sub(scope: Scope, a: Arguments) -> Symbolic:
    return scope.net.sub(*scope.promoted(a["self"], _scaled(scope, a["other"], a.get("alpha", 1))))


def rsub(scope: Scope, a: Arguments) -> Symbolic:
    return scope.net.sub(*scope.promoted(a["other"], _scaled(scope, a["self"], a.get("alpha", 1))))


def _scaled(scope: Scope, value: Any, alpha: Any) -> Any:
    """alpha * value: torch multiplies the second operand by it, fused with the sum, so that it must not round."""
    if alpha == 1:
        return value
    if abs(np.frexp(float(alpha))[0]) != 0.5:
        raise Unsupported(f"its alpha {alpha} is no power of two; multiply before, in an op of its own")
    return scope.net.mul(*scope.promoted(value, alpha)) if isinstance(value, Symbolic) else value * alpha


def mul(scope: Scope, a: Arguments) -> Symbolic:
    x, y = scope.promoted(a["self"], a["other"])
    return scope.net.mul(x, y)


def div(scope: Scope, a: Arguments) -> Symbolic:
    """True division; with a rounding mode, by a power of two, where the quotient is not rounded before."""
    if isinstance(a["other"], Symbolic):
        raise Unsupported("it divides by a computed tensor; only by constants")
    x, divisor = scope.promoted(a["self"], a["other"])
    mode = a.get("rounding_mode")
    if x.dtype.kind != "f":
        if mode is not None:
            raise Unsupported(f"it divides {x.dtype} tensors with rounding; divide float tensors")
        x, divisor = scope.cast(x, np.float32), divisor.astype(np.float32)
    if mode not in (None, "floor", "trunc"):
        raise Unsupported(f"rounding mode {mode!r}")
    if mode is not None and (np.abs(np.frexp(divisor)[0]) != 0.5).any():
        raise Unsupported("it divides with rounding by what is no power of two; divide, then floor")
    result = scope.net.pointwise(scope.net.broadcast(x, divisor.shape), "div", divisor)
    return result if mode is None else scope.net.pointwise(result, mode)


def floor_divide(scope: Scope, a: Arguments) -> Symbolic:
    return div(scope, {**a, "rounding_mode": "floor"})


def neg(scope: Scope, a: Arguments) -> Symbolic:
    return scope.net.negative(a["self"])


def unary(kind: str) -> Handler:
    """An op of one tensor and no constant."""

    def handler(scope: Scope, a: Arguments) -> Symbolic:
        if a.get("decimals"):
            raise Unsupported(f"it rounds to {a['decimals']} decimals; multiply, round, and divide")
        return scope.net.pointwise(a["self"], kind)

    return handler


def compare(kind: str) -> Handler:
    """A comparison; of two tensors that of their difference with 0, which has the same sign."""
    turned = {"greater": "less", "greater_equal": "less_equal", "less": "greater", "less_equal": "greater_equal"}

    def handler(scope: Scope, a: Arguments) -> Symbolic:
        x, y = scope.promoted(a["self"], a["other"])
        if isinstance(x, Symbolic) and isinstance(y, Symbolic):
            return scope.net.pointwise(scope.net.sub(x, y), kind, np.zeros(1, dtype=x.dtype))
        if isinstance(x, Symbolic):
            return scope.net.pointwise(scope.net.broadcast(x, y.shape), kind, y)
        return scope.net.pointwise(scope.net.broadcast(y, x.shape), turned[kind], x)

    return handler


def logical_not(scope: Scope, a: Arguments) -> Symbolic:
    if a["self"].dtype.kind != "b":
        raise Unsupported(f"of {a['self'].dtype}; of truth values only")
    return scope.net.pointwise(a["self"], "less_equal", np.zeros(1, dtype=scope.net.dtype))


def where(scope: Scope, a: Arguments) -> Symbolic:
    condition = a["condition"]
    if not isinstance(condition, Symbolic):
        raise Unsupported("its condition is a constant; index with it instead")
    if isinstance(a["self"], Symbolic) or isinstance(a["other"], Symbolic):
        return scope.net.where(condition, *scope.promoted(a["self"], a["other"]))
    _, one, zero = scope.promoted(scope.cast(condition, np.bool_), a["self"], a["other"])
    return scope.net.where(condition, one, zero)


def masked_fill(scope: Scope, a: Arguments) -> Symbolic:
    """The value where the mask is 1; it is cast to the tensor's type."""
    x, mask = a["self"], a["mask"]
    if not isinstance(x, Symbolic) or not isinstance(mask, Symbolic):
        raise Unsupported("a mask or a tensor that is constant; both are computed tensors here")
    return scope.net.where(mask, np.array(scope.number(a["value"])).astype(x.dtype), x)


def clamp(scope: Scope, a: Arguments) -> Symbolic:
    """min(max(x, lo), hi)."""
    bounds = [a.get("min"), a.get("max")]
    if any(isinstance(bound, Symbolic) for bound in bounds):
        raise Unsupported("its bounds are computed from the input; they must be constants")
    x = scope.promoted(a["self"], *(bound for bound in bounds if bound is not None))[0]
    given = [scope.promoted(x, bound)[1] if bound is not None else None for bound in bounds]
    for bound in given:
        if bound is not None and bound.size != 1 and (bound != bound.reshape(-1)[0]).any():
            raise Unsupported("its bounds differ between elements; they must be two numbers")
    lo, hi = (
        end if bound is None else bound.reshape(-1)[0] for bound, end in zip(given, (-np.inf, np.inf), strict=True)
    )
    return scope.net.pointwise(x, "clip", np.array([lo, hi], dtype=np.float64))


def clipped(lo: float, hi: float) -> Handler:
    """relu, relu6."""
    return lambda scope, a: scope.net.pointwise(a["self"], "clip", np.array([lo, hi]))


def hardtanh(scope: Scope, a: Arguments) -> Symbolic:
    return clamp(scope, {"self": a["self"], "min": a["min_val"], "max": a["max_val"]})


def threshold(scope: Scope, a: Arguments) -> Symbolic:
    if a["threshold"] != a["value"]:
        raise Unsupported("its value differs from its threshold, so that it is no clip; use torch.where")
    return clamp(scope, {"self": a["self"], "min": a["threshold"]})


def leaky_relu(scope: Scope, a: Arguments) -> Symbolic:
    x, slope = scope.promoted(a["self"], a["negative_slope"])
    return _leaky(scope, x, slope)


def prelu(scope: Scope, a: Arguments) -> Symbolic:
    x = a["self"]
    slope = scope.array(a["weight"])
    if slope.size not in (1, x.shape[1] if len(x.shape) > 1 else 1):
        raise Unsupported(f"{slope.size} slopes for {x.shape}")
    column = slope.reshape(1, -1, *[1] * (len(x.shape) - 2)) if slope.size > 1 else slope.reshape(1)
    return _leaky(scope, x, column)


def _leaky(scope: Scope, x: Symbolic, slope: Any) -> Symbolic:
    if (slope < 0).any():
        raise Unsupported(f"its slope {float(slope.min()):g} is negative")
    return scope.net.pointwise(x, "leaky", slope)


def extreme(largest: bool) -> Handler:
    def handler(scope: Scope, a: Arguments) -> Symbolic:
        x, y = scope.promoted(a["self"], a["other"])
        return (scope.net.maximum if largest else scope.net.minimum)(x, y)

    return handler


def to(scope: Scope, a: Arguments) -> Symbolic:
    """A cast; other devices and memory formats change no value."""
    x: Symbolic = a["self"]
    dtype = a.get("dtype")
    other = a.get("other")
    if dtype is None and other is not None:
        return scope.cast(x, other.dtype if isinstance(other, Symbolic) else numpy_type(other.dtype))
    return x if dtype is None else scope.cast(x, numpy_type(dtype))


def cat(scope: Scope, a: Arguments) -> Symbolic:
    tensors = scope.promoted(*a["tensors"])
    _beside_batch(tensors, a["dim"])
    return scope.net.concat(tensors, a["dim"])


def stack(scope: Scope, a: Arguments) -> Symbolic:
    tensors = scope.promoted(*a["tensors"])
    rank = len(tensors[0].shape) + 1
    axis = a["dim"] % rank
    if axis == 0:
        raise Unsupported("it stacks images: the batch axis stays first")
    grown: list[Any] = [
        scope.net.rearrange(x, lambda index: np.expand_dims(index, axis))
        if isinstance(x, Symbolic)
        else np.expand_dims(x, axis)
        for x in tensors
    ]
    return scope.net.concat(grown, axis)


def _beside_batch(tensors: list[Any], axis: int) -> None:
    ranks = {len(x.shape) for x in tensors}
    if len(ranks) != 1 or not -min(ranks) <= axis < min(ranks):
        raise Unsupported(f"shapes {', '.join(str(x.shape) for x in tensors)} do not concatenate along axis {axis}")


INF = float("inf")
HANDLERS: dict[str, Callable[[Scope, Arguments], Any]] = {
    "add": add,
    "sub": sub,
    "subtract": sub,
    "rsub": rsub,
    "mul": mul,
    "multiply": mul,
    "div": div,
    "divide": div,
    "true_divide": div,
    "floor_divide": floor_divide,
    "neg": neg,
    "negative": neg,
    "round": unary("rint"),
    "floor": unary("floor"),
    "ceil": unary("ceil"),
    "trunc": unary("trunc"),
    "fix": unary("trunc"),
    "sign": unary("sign"),
    "sgn": unary("sign"),
    "gt": compare("greater"),
    "greater": compare("greater"),
    "ge": compare("greater_equal"),
    "greater_equal": compare("greater_equal"),
    "lt": compare("less"),
    "less": compare("less"),
    "le": compare("less_equal"),
    "less_equal": compare("less_equal"),
    "logical_not": logical_not,
    "bitwise_not": logical_not,
    "where": where,
    "masked_fill": masked_fill,
    "clamp": clamp,
    "clip": clamp,
    "clamp_min": clamp,
    "clamp_max": clamp,
    "relu": clipped(0, INF),
    "relu6": clipped(0, 6),
    "hardtanh": hardtanh,
    "threshold": threshold,
    "leaky_relu": leaky_relu,
    "prelu": prelu,
    "_prelu_kernel": prelu,
    "maximum": extreme(True),
    "minimum": extreme(False),
    "to": to,
    "_to_copy": to,
    "type_as": to,
    "cat": cat,
    "concat": cat,
    "concatenate": cat,
    "stack": stack,
}

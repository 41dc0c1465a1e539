"""Arithmetic of tensors and constants, and the choice between two of them: levels, clips, leaky ReLUs, multiplexers.

As NumPy, they broadcast; a constant does not vary within a channel.
"""

from __future__ import annotations

import numpy as np

from intinfer.ops import Abs, Add

from ...floatnet import IntegerOp, Multiplex, Sum
from .. import Array, Layout, Operand, Symbolic, SymbolicNet, Unsupported, chains
from ..pointwise import in_type, integer_op, pointwise
from ..tensor import Bounds, hull, known, known_range, of_integers
from .arrangement import aligned, apart, as_tensor, broadcast, one_number
from .elementwise import cast, clip
from .words import word


def where(net: SymbolicNet, condition: Operand, a: Operand, b: Operand) -> Operand:
    """a where the condition holds, else b.

    A constant condition is one for all elements. Two constants: the two levels of a quantiser. `x` against a constant
    that it was compared with: a clip; against a multiple of itself: a leaky ReLU. Tensors: a multiplexer, whose
    condition is one bit a channel.
    """
    shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
    if not isinstance(condition, Symbolic):
        if (condition != condition.reshape(-1)[0]).any():
            raise Unsupported(
                "its condition is constant and differs between elements; take slices and concatenate them"
            )
        chosen = a if condition.reshape(-1)[0] else b
        return broadcast(chosen, shape) if isinstance(chosen, Symbolic) else np.broadcast_to(chosen, shape)
    if not isinstance(a, Symbolic) and not isinstance(b, Symbolic):
        return _levels(net, condition, np.asarray(a), np.asarray(b))
    clipped = _clipped(net, condition, a, b)
    return clipped if clipped is not None else _multiplexed(net, condition, a, b, shape)


def _levels(net: SymbolicNet, condition: Symbolic, a: Array, b: Array) -> Symbolic:
    if not (condition.whole and condition.bounds[0] >= 0 and condition.bounds[1] <= 1):
        raise Unsupported("its condition may be other than 0 and 1: compare before it")
    with np.errstate(over="ignore"):
        difference = (a - b).astype(a.dtype)
    if (difference + b != a).any():
        raise Unsupported("its two constants are too far apart for their difference to be exact")
    bit = broadcast(condition, np.broadcast_shapes(a.shape, b.shape)).changed(dtype=a.dtype)
    return pointwise(net, pointwise(net, bit, "mul", difference), "add", b)


def _clipped(net: SymbolicNet, condition: Symbolic, a: Operand, b: Operand) -> Symbolic | None:
    compared = condition.compared
    if compared is None or compared.operand.size != 1:
        return None
    limit = float(compared.operand.reshape(-1)[0])
    kind, x = compared.kind, compared.tensor
    above, below = (a, b) if kind.startswith("greater") else (b, a)

    def is_limit(operand: Operand) -> bool:
        return not isinstance(operand, Symbolic) and bool((np.asarray(operand) == limit).all())

    if above is x and is_limit(below):
        return pointwise(net, x, "clip", (limit, np.inf))
    if below is x and is_limit(above):
        return pointwise(net, x, "clip", (-np.inf, limit))
    slope = _multiple(below, x) if isinstance(below, Symbolic) and above is x and limit == 0 else None
    return None if slope is None else pointwise(net, x, "leaky", slope)


def _multiple(scaled: Symbolic, x: Symbolic) -> Array | None:
    """The number, at least 0, that every element of `x` is multiplied by to give that of `scaled`."""
    *before, last = scaled.chain or (None,)
    if last is None or last.kind != "mul" or last.operand is None or last.operand.size > 1 or last.operand < 0:
        return None
    return last.operand if tuple(before) == x.chain and scaled.changed(chain=x.chain).same(x) else None


def _multiplexed(net: SymbolicNet, condition: Symbolic, a: Operand, b: Operand, shape: tuple[int, ...]) -> Symbolic:
    like = a if isinstance(a, Symbolic) else b
    assert isinstance(like, Symbolic)
    (one, zero), layout = aligned(net, [as_tensor(net, x, like, shape) for x in (a, b)])
    value = net.value_shape(one)
    places = layout.by_channel(value, net.without_chain(broadcast(condition, shape)).layout.thin())
    if not condition.is_bit or places is None:
        raise Unsupported(
            "its condition is not one bit a channel: only whole channels are chosen between (a multiplexer)"
        )
    bits = net.without_chain(condition).changed(layout=Layout.of(places.reshape(1, -1)))
    node = net.emit(Multiplex(), net.realised(bits, (value[0],)), one, zero)
    facts = hull(known(a), known(b))
    return Symbolic(node, layout, like.dtype, bounds=facts.bounds, whole=facts.whole)


@word("operands", "Add", "add")
def add(net: SymbolicNet, a: Operand, b: Operand) -> Symbolic:
    """a + b. x + (q(x) - x), the straight-through estimator of fake-quant code, is q(x), and so is (x - x) + q(x)."""
    if isinstance(a, Symbolic) and isinstance(b, Symbolic):
        return _straight_through(a, b) or _straight_through(b, a) or _sum(net, a, b, (1, 1))
    x, constant = apart(a, b)
    return pointwise(net, broadcast(x, constant.shape), "add", constant)


def _straight_through(x: Symbolic, rest: Symbolic) -> Symbolic | None:
    """q for x + (q - x), x for x + (y - y)."""
    if rest.difference is None:
        return None
    more, less = rest.difference
    if x.same(less) and x.shape == more.shape:
        return more
    return x if more.same(less) and x.shape == more.shape else None


@word("operands", "Sub", "sub subtract")
def sub(net: SymbolicNet, a: Operand, b: Operand) -> Symbolic:
    """a - b. A constant minus a tensor is -(tensor - constant), which rounds alike."""
    if isinstance(a, Symbolic) and isinstance(b, Symbolic):
        return _sum(net, a, b, (1, -1)).changed(difference=(a, b))
    x, constant = apart(a, b)
    difference = pointwise(net, broadcast(x, constant.shape), "sub", constant)
    return difference if x is a else negative(net, difference)


def _sum(net: SymbolicNet, a: Symbolic, b: Symbolic, signs: tuple[int, int], typed: bool = True) -> Symbolic:
    """a + b or a - b; of integers inside their type, or, unless `typed`, as 64-bit integers."""
    if a.dtype != b.dtype:
        raise Unsupported(f"its inputs are {a.dtype} and {b.dtype}")
    (left, right), index = aligned(net, [a, b])
    one, two = (known(x) if x.is_float else of_integers(x) for x in (a, b))
    facts = one.plus(two if signs[1] > 0 else two.negated())
    real = Sum(() if signs == (1, 1) else signs)
    node = net.emit(real if a.is_float else IntegerOp(Add(signs), net.value_shape(left)), left, right)
    result = Symbolic(node, index, a.dtype, bounds=facts.bounds, whole=facts.whole)
    return in_type(net, result) if typed or a.is_float else result.changed(dtype=np.dtype(np.int64))


@word("tensor", "Neg", "neg negative")
def negative(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """The tensor -x, in the type of x."""
    return pointwise(net, x, "mul", np.array([-1], dtype=x.dtype if x.dtype.kind in "if" else np.int64))


@word("tensor", "Abs", "abs absolute")
def absolute(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """|x|: of a float max(x, -x), of integers the op abs, then in their type, which holds no |least|."""
    if x.dtype.kind == "u" or x.bounds[0] >= 0:
        return x
    if x.is_float:
        return maximum(net, x, negative(net, x))
    low, high = known_range(x)
    wide = integer_op(net, cast(net, x, np.int64), Abs(), (max(low, -high, 0), max(-low, high)))
    return cast(net, wide, x.dtype)


@word("operands", "Mul", "mul multiply")
def mul(net: SymbolicNet, a: Operand, b: Operand) -> Symbolic:
    """a * b where one is constant, or one bit a channel: then the product is a multiplexer with 0."""
    if not (isinstance(a, Symbolic) and isinstance(b, Symbolic)):
        x, constant = apart(a, b)
        return pointwise(net, broadcast(x, constant.shape), "mul", constant)
    for bit, x in ((a, b), (b, a)):
        if bit.is_bit and bit.size <= x.size:
            product = where(net, bit, x, np.zeros(1, dtype=x.dtype))
            assert isinstance(product, Symbolic)
            return product
    raise Unsupported(
        "it multiplies two computed tensors, which is no op of fixed weights; a constant factor, or a 0/1 factor a "
        "channel (a multiplexer), is supported"
    )


def div(net: SymbolicNet, a: Operand, b: Operand, rounding: str | None = None) -> Symbolic:
    """a / b with a constant b.

    Args:
        rounding: None for true division of floats; "trunc" or "floor" for the integer below the exact quotient: of
            integers, and of floats where b is a power of two, so that the quotient is not rounded before.
    """
    if isinstance(b, Symbolic):
        raise Unsupported("it divides by a computed tensor; a constant divisor is supported")
    assert isinstance(a, Symbolic)
    if rounding not in (None, "trunc", "floor"):
        raise Unsupported(f"rounding mode {rounding!r}; trunc and floor are supported")
    x = broadcast(a, b.shape)
    if rounding is None:
        return pointwise(net, x, "div", b)
    if not a.is_float:
        return _integer_quotient(net, x, b, rounding)
    if (np.abs(np.frexp(b)[0]) != 0.5).any():
        raise Unsupported("it divides with rounding by what is no power of two; divide, then floor")
    return pointwise(net, pointwise(net, x, "div", b), rounding)


def _integer_quotient(net: SymbolicNet, x: Symbolic, b: Array, rounding: str) -> Symbolic:
    """As floats: a quotient of integers that are exact in the type never rounds to an integer that it is not."""
    exact = chains.exact_limit(net.dtype)
    largest = max(map(abs, (*x.bounds, *(int(n) for n in b.reshape(-1)))))
    if b.dtype.kind not in "iu" or not b.all() or not largest < exact:
        raise Unsupported(
            f"it divides integers up to {largest:g} by constants of {b.dtype}; integers below {exact} by such but 0 "
            "are supported: clip before, or state the range of the input (--input-range)"
        )
    quotient = pointwise(net, cast(net, x, net.dtype), "div", b)
    return cast(net, pointwise(net, quotient, rounding), x.dtype)


@word("operands", "Mod", "remainder")
def remainder(net: SymbolicNet, a: Operand, b: Operand) -> Symbolic:
    """a - floor(a / b) * b of integers, in any type, with a constant b, whose sign it has."""
    if isinstance(b, Symbolic):
        raise Unsupported("it takes the remainder of a computed divisor; a constant one is supported")
    assert isinstance(a, Symbolic)
    if (a.is_float and not a.whole) or not np.array_equal(np.trunc(b), b):
        raise Unsupported("it takes the remainder of what may be no integer; round before, and divide by integers")
    x, divisor = cast(net, a, np.int64), b.astype(np.int64)
    rest = sub(net, x, mul(net, div(net, x, divisor, "floor"), divisor))
    ends = (min(0, int(divisor.min()) + 1), max(0, int(divisor.max()) - 1))
    return cast(net, rest.changed(bounds=ends), a.dtype)


@word("operands", aten="bitwise_left_shift __lshift__")
def shift_left(net: SymbolicNet, a: Operand, b: Operand) -> Symbolic:
    """a * 2^b of integers, in their type, with a constant b."""
    return mul(net, a, _power(a, b))


@word("operands", aten="bitwise_right_shift __rshift__")
def shift_right(net: SymbolicNet, a: Operand, b: Operand) -> Symbolic:
    """floor(a / 2^b) of integers with a constant b."""
    return div(net, a, _power(a, b), "floor")


def _power(a: Operand, places: Operand) -> Array:
    if isinstance(places, Symbolic) or not isinstance(a, Symbolic) or a.dtype.kind not in "iu":
        raise Unsupported("integers are shifted by a constant; cast before, and multiply floats by a power of two")
    if places.min() < 0 or places.max() > 8 * a.dtype.itemsize - 2:
        raise Unsupported(f"it shifts {a.dtype} by {places.min()} to {places.max()} places; 0 to less than its width")
    return np.left_shift(1, places.astype(np.int64)).astype(a.dtype)


def lerp(net: SymbolicNet, a: Operand, b: Operand, weight: float) -> Symbolic:
    """a + weight * (b - a), where weight or 1 - weight is a power of two: torch fuses product and sum."""
    base, factor = (a, weight) if abs(weight) < 0.5 else (b, weight - 1)
    return add(net, base, mul(net, sub(net, b, a), _exact(np.asarray(factor, a.dtype))))


def addcmul(net: SymbolicNet, x: Operand, a: Operand, b: Operand, value: float) -> Symbolic:
    """x + value * a * b, whose constant factors are powers of two: torch fuses product and sum."""
    factors = [f if isinstance(f, Symbolic) else _exact(f) for f in (a, b)]
    scale = _exact(np.asarray(value, a.dtype))
    return add(net, x, mul(net, mul(net, *factors), scale))


def _exact(factor: Array) -> Array:
    """The factor, if it does not round floats. Raises Unsupported for other than 0 and powers of two."""
    if not np.isin(np.abs(np.frexp(factor)[0]), (0, 0.5)).all():
        raise Unsupported("its product rounds, which torch fuses with a sum; write product and sum as two ops")
    return factor


@word("operands", aten="maximum fmax")
def maximum(net: SymbolicNet, a: Operand, b: Operand) -> Symbolic:
    """max(a, b); of two tensors a + max(b - a, 0)."""
    return _extreme(net, a, b, (0.0, np.inf))


@word("operands", aten="minimum fmin")
def minimum(net: SymbolicNet, a: Operand, b: Operand) -> Symbolic:
    """min(a, b); of two tensors a + min(b - a, 0)."""
    return _extreme(net, a, b, (-np.inf, 0.0))


def _extreme(net: SymbolicNet, a: Operand, b: Operand, side: Bounds) -> Symbolic:
    if isinstance(a, Symbolic) and isinstance(b, Symbolic):
        rest = clip(net, _sum(net, b, a, (1, -1), typed=False), *side).changed(dtype=a.dtype)
        sum_ = _sum(net, a, rest, (1, 1), typed=False)
        return sum_.changed(dtype=a.dtype, bounds=hull(known(a), known(b)).bounds)
    x, constant = apart(a, b)
    limit = one_number(constant, "a maximum or minimum takes one number")
    ends = (limit, np.inf) if side[1] == np.inf else (-np.inf, limit)
    return clip(net, broadcast(x, constant.shape), *ends)

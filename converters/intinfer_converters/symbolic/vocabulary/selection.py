"""A choice between two operands by a condition: levels, clips, leaky ReLUs, multiplexers."""

from __future__ import annotations

import numpy as np

from ...floatnet import Multiplex
from ..layout import Layout
from ..net import SymbolicNet
from ..pointwise import pointwise
from ..tensor import Symbolic, Unsupported, hull, known
from .arrangement import Array, Operand, aligned, as_tensor, broadcast


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
    wide = net.without_chain(broadcast(condition, shape))
    places = layout.by_channel(value, wide.layout.thin())
    if not condition.is_bit or places is None:
        raise Unsupported(
            "its condition is not one bit a channel: only whole channels are chosen between (a multiplexer)"
        )
    bits = net.without_chain(condition).changed(layout=Layout.of(places.reshape(1, -1)))
    node = net.emit(Multiplex(), net.realised(bits, (value[0],)), one, zero)
    facts = hull(known(a), known(b))
    return Symbolic(node, layout, like.dtype, bounds=facts.bounds, whole=facts.whole)

"""Tensors put beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...floatnet import Concatenate, FlattenMap
from .. import layout
from ..facts import hull, known
from ..layout import Layout
from ..net import SymbolicNet
from ..tensor import Symbolic, Unsupported
from .arrangement import axis_of, reshape
from .operands import Operand, as_tensor


def concat(net: SymbolicNet, tensors: Sequence[Operand], axis: int) -> Symbolic:
    """Tensors one behind the other along `axis`."""
    first = next(x for x in tensors if isinstance(x, Symbolic))
    shapes = ", ".join(str(np.shape(x)) if not isinstance(x, Symbolic) else str(x.shape) for x in tensors)
    rank = len(first.shape)
    if not -rank <= axis < rank or any(len(x.shape) != rank for x in tensors):
        raise Unsupported(f"shapes {shapes} do not concatenate along axis {axis}")
    axis %= rank
    if axis == 0:
        raise Unsupported("it concatenates images: the batch axis stays 1")
    parts = [x if isinstance(x, Symbolic) else as_tensor(net, x, first, np.shape(x)) for x in tensors]
    if len({x.dtype for x in parts}) > 1:
        raise Unsupported(f"its inputs are {', '.join(sorted({str(x.dtype) for x in parts}))}")
    if len(parts) == 1:
        return parts[0]
    layout.check_size(sum(x.size for x in parts))
    try:
        return _joined(net, parts, axis)
    except ValueError:
        raise Unsupported(f"shapes {shapes} do not concatenate") from None


def _joined(net: SymbolicNet, parts: list[Symbolic], axis: int) -> Symbolic:
    """As elements of the node that all of them come from, as a map of more channels, or as one vector."""
    first, facts = parts[0], hull(*map(known, parts))
    joined = Layout.concatenate([x.layout for x in parts], axis)
    if all(x.node == first.node and x.chain is first.chain and x.fill == first.fill for x in parts):
        return replace(first, layout=joined, bounds=facts.bounds, whole=facts.whole, compared=None, difference=None)
    if axis == 1 and len(joined.shape) in (2, 3, 4):
        node = net.emit(Concatenate(), *(net.realised(x) for x in parts))
        return net.made(node, joined.shape, first.dtype, facts)
    starts = np.cumsum([0, *(x.size for x in parts)])
    places = [replace(Layout.whole(x.shape), offset=int(start)) for start, x in zip(starts, parts, strict=False)]
    node = net.emit(Concatenate(), *(_flat(net, x) for x in parts))
    return Symbolic(node, Layout.concatenate(places, axis), first.dtype, bounds=facts.bounds, whole=facts.whole)


def _flat(net: SymbolicNet, x: Symbolic) -> str:
    node = net.realised(x)
    if len(net.value_shape(node)) == 1:
        return node
    return net.emit(FlattenMap(), node, name=f"{net.name}.flat")


def stack(net: SymbolicNet, tensors: Sequence[Operand], axis: int) -> Symbolic:
    """Tensors one behind the other along a new axis."""
    rank = len(next(x for x in tensors if isinstance(x, Symbolic)).shape)
    place = axis_of(axis, rank + 1)
    if place == 0:
        raise Unsupported("it stacks images: the batch axis stays first")
    return concat(
        net,
        [
            reshape(x, (*x.shape[:place], 1, *x.shape[place:])) if isinstance(x, Symbolic) else np.expand_dims(x, place)
            for x in tensors
        ],
        place,
    )

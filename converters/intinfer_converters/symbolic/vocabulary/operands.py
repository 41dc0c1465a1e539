"""Operands brought together: tensors and constants of one shape, nodes of one shape, tensors beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ...floatnet import Concatenate, FlattenMap, Gather
from .. import layout
from ..layout import Layout
from ..net import SymbolicNet
from ..tensor import Symbolic, Unsupported, hull, known
from .arrangement import axis_of, broadcast, reshape

Array = npt.NDArray[Any]
Operand = Symbolic | Array
"""A tensor of the network or a constant."""


def apart(a: Operand, b: Operand) -> tuple[Symbolic, Array]:
    """The tensor and the constant of a pair that has one of each."""
    if isinstance(a, Symbolic):
        assert not isinstance(b, Symbolic)
        return a, np.asarray(b)
    assert isinstance(b, Symbolic)
    return b, np.asarray(a)


def one_number(constant: Array, reason: str) -> float:
    """The one number of a constant; Unsupported with `reason` when its elements differ."""
    flat = np.asarray(constant).reshape(-1)
    if (flat != flat[0]).any():
        raise Unsupported(f"its constant differs between elements; {reason}")
    return float(flat[0])


def aligned(net: SymbolicNet, tensors: Sequence[Symbolic]) -> tuple[list[str], Layout]:
    """Nodes of one shape whose values are the tensors, element by element, and the layout of the result.

    Tensors in the same unusual layout stay in it: nothing is moved.
    """
    shape = np.broadcast_shapes(*(x.shape for x in tensors))
    plain = [net.without_chain(broadcast(x, shape)) for x in tensors]
    values = {net.value_shape(x.node) for x in plain}
    first = plain[0].layout
    alike = len(values) == 1 and all(x.layout.same(first) for x in plain[1:])
    if alike and not first.padded and first.size == np.prod(next(iter(values))):
        return [x.node for x in plain], first
    return [net.realised(x) for x in plain], Layout.whole(shape)


def as_tensor(net: SymbolicNet, x: Operand, like: Symbolic, shape: tuple[int, ...]) -> Symbolic:
    """The operand with `shape`; a constant is a map of `like` of which nothing is left but the fill."""
    if isinstance(x, Symbolic):
        return broadcast(x, shape)
    number = Fraction(one_number(x, "beside a tensor it is one number"))
    value = layout.value_shape(shape)
    index = np.full(int(np.prod(value)), -1, dtype=np.int64)
    node = net.emit(Gather(value, index, number), net.without_chain(like).node, name=f"{net.name}.constant")
    return net.made(node, shape, like.dtype, known(np.array(float(number))))


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
        return first.changed(layout=joined, bounds=facts.bounds, whole=facts.whole)
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

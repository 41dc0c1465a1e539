"""Operands of the vocabulary's functions: tensors and constants brought to one shape, or to nodes of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ...floatnet import Gather
from .. import layout
from ..facts import known
from ..layout import Layout
from ..net import SymbolicNet
from ..tensor import Symbolic, Unsupported
from .arrangement import broadcast

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

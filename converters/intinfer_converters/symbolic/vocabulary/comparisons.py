"""Comparisons, and the logic of the bits that they give."""

from __future__ import annotations

from functools import partial

import numpy as np

from .. import Operand, Symbolic, SymbolicNet, Unsupported
from ..pointwise import pointwise
from .arithmetic import add, maximum, minimum, mul, sub
from .arrangement import apart, broadcast
from .elementwise import cast
from .words import word

_OPPOSITE = {"greater": "less_equal", "less": "greater_equal", "greater_equal": "less", "less_equal": "greater"}
_MIRRORED = {"greater": "less", "less": "greater", "greater_equal": "less_equal", "less_equal": "greater_equal"}


def _compare(net: SymbolicNet, a: Operand, b: Operand, kind: str) -> Symbolic:
    """[a kind b] as a bit; two tensors are compared by their difference, whose sign is exact."""
    if isinstance(a, Symbolic) and isinstance(b, Symbolic):
        if not a.is_float:
            a, b = cast(net, a, np.int64), cast(net, b, np.int64)
        return pointwise(net, sub(net, a, b), kind, np.zeros(1, a.dtype))
    x, constant = apart(a, b)
    return pointwise(net, broadcast(x, constant.shape), kind if x is a else _MIRRORED[kind], constant)


greater = word("operands", "Greater", "gt greater")(partial(_compare, kind="greater"))
greater_equal = word("operands", "GreaterOrEqual", "ge greater_equal")(partial(_compare, kind="greater_equal"))
less = word("operands", "Less", "lt less")(partial(_compare, kind="less"))
less_equal = word("operands", "LessOrEqual", "le less_equal")(partial(_compare, kind="less_equal"))


@word("tensor", "Not", "bitwise_not")
def logical_not(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """1 - x of a bit; of a comparison, the opposite one."""
    _bit(x)
    if x.compared is not None:
        return pointwise(net, x.compared.tensor, _OPPOSITE[x.compared.kind], x.compared.operand)
    return pointwise(net, x, "less", np.ones(1, net.dtype))


@word("operands", "And", "bitwise_and __and__")
def logical_and(net: SymbolicNet, a: Operand, b: Operand) -> Symbolic:
    """1 where both bits are: their minimum; beside a constant their product."""
    a, b = _numbers(net, a, b)
    both = isinstance(a, Symbolic) and isinstance(b, Symbolic)
    return cast(net, (minimum if both else mul)(net, a, b), np.bool_)


@word("operands", "Or", "bitwise_or __or__")
def logical_or(net: SymbolicNet, a: Operand, b: Operand) -> Symbolic:
    """1 where one of the bits is: their maximum; beside a constant the bits that it lets through, plus its own."""
    a, b = _numbers(net, a, b)
    if isinstance(a, Symbolic) and isinstance(b, Symbolic):
        return cast(net, maximum(net, a, b), np.bool_)
    x, constant = apart(a, b)
    return cast(net, add(net, mul(net, x, 1 - constant), constant), np.bool_)


def _numbers(net: SymbolicNet, *bits: Operand) -> list[Operand]:
    """Bits as the integers 0 and 1."""
    for x in bits:
        _bit(x)
    return [cast(net, x, np.int32) if isinstance(x, Symbolic) else x.astype(np.int32) for x in bits]


def _bit(x: Operand) -> None:
    if x.dtype.kind != "b":
        raise Unsupported(f"its input is {x.dtype}; bits (bool) are due: compare before it")

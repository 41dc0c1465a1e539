"""Arithmetic of the source's integer types: exact, and inside the type or wrapped where a table can."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.ops import Affine, Clamp, Table
from intinfer.ops.base import Op
from intinfer.tensor import IntTensor

from ..floatnet import IntegerOp
from . import chains
from .facts import known_range, type_range
from .floats import float_pointwise, per_channel
from .net import SymbolicNet
from .tensor import Bounds, Symbolic, Unsupported

MAX_WRAPPED = 4096
"""Values for which a wrap around is a table."""


def integer_pointwise(net: SymbolicNet, x: Symbolic, kind: str, operand: npt.ArrayLike | None) -> Symbolic:
    """`pointwise` of an integer type: add, sub, mul, clip, comparisons, sign; roundings do nothing."""
    if kind in chains.ROUNDINGS:
        return x
    numbers = None if operand is None else np.asarray(operand)
    if numbers is not None and kind != "clip" and (numbers.dtype.kind not in "iub"):
        if (numbers != np.rint(numbers)).any():
            raise Unsupported(f"it {kind}s {numbers.reshape(-1)[0]:g} and an integer tensor")
        numbers = numbers.astype(np.int64)
    if kind not in ("add", "sub", "mul", "clip", "sign", *chains.COMPARISONS):
        raise Unsupported(f"there is no {kind} of {x.dtype} tensors")
    reach = _reach(known_range(x), kind, numbers)
    largest = max(abs(n) for n in (*known_range(x), *reach, *_finite(numbers)))
    exact = chains.exact_limit(net.dtype)
    if largest <= exact:
        return in_type(net, float_pointwise(net, x, kind, numbers))
    if kind in (*chains.COMPARISONS, "sign"):
        raise Unsupported(f"compares integers up to {largest}; up to {exact} is supported")
    return in_type(net, _big(net, x, kind, numbers, reach))


def _finite(numbers: npt.NDArray[Any] | None) -> list[int]:
    if numbers is None:
        return []
    flat = numbers.reshape(-1)
    if flat.dtype.kind == "f":
        flat = flat[np.isfinite(flat)]
    return [int(n) for n in (flat.min(initial=0), flat.max(initial=0))]


def _reach(known: tuple[int, int], kind: str, numbers: npt.NDArray[Any] | None) -> tuple[int, int]:
    """The range of the exact result."""
    if numbers is None or kind in chains.COMPARISONS:
        return -1, 1
    low, high = known
    if kind == "clip":
        least, most = (float(n) for n in numbers)
        return int(max(low, min(high, least))), int(max(low, min(high, most)))
    ends = [int(numbers.min()), int(numbers.max())]
    if kind == "sub":
        ends = [-ends[1], -ends[0]]
    if kind == "mul":
        products = [a * b for a in known for b in ends]
        return min(products), max(products)
    return low + ends[0], high + ends[1]


def _big(
    net: SymbolicNet, x: Symbolic, kind: str, numbers: npt.NDArray[Any] | None, reach: tuple[int, int]
) -> Symbolic:
    """As integer ops: beyond 2^24 a chain of float32 would round."""
    assert numbers is not None
    if kind == "clip":
        return integer_op(net, x, Clamp(*reach), reach)
    x = net.without_chain(x)
    x, constants = per_channel(net, x, numbers.astype(np.int64))
    channels = net.value_shape(x.node)[0]
    wide = np.broadcast_to(constants, (channels,)).astype(np.int64)
    one, none = np.ones(channels, dtype=np.int64), np.zeros(channels, dtype=np.int64)
    multiplier, offset = (wide, none) if kind == "mul" else (one, wide if kind == "add" else -wide)
    return integer_op(net, x, Affine(IntTensor(multiplier), IntTensor(offset)), reach)


def integer_op(net: SymbolicNet, x: Symbolic, op: Op, bounds: Bounds) -> Symbolic:
    """An elementwise integer op on the node of `x`."""
    x = net.spread(x) if x.padded else net.without_chain(x)
    node = net.emit(IntegerOp(op, net.value_shape(x.node)), x.node)
    return replace(x, node=node, bounds=(float(bounds[0]), float(bounds[1])), whole=True)


def in_type(net: SymbolicNet, x: Symbolic) -> Symbolic:
    """`x`, whose values are exact, as its type holds them: two's complement wraps around.

    Raises:
        Unsupported: they may leave the type, and are too many for a table.
    """
    if x.dtype.kind not in "iu":
        return x
    least, most = type_range(x.dtype)
    low, high = known_range(x)
    if least <= low and high <= most:
        return x
    if high - low >= MAX_WRAPPED:
        raise Unsupported(
            f"its result may reach {low}..{high}, outside {x.dtype}, and wrap around; state the range of the input "
            f"(--input-range), or clip before it (up to {MAX_WRAPPED} values become a table)"
        )
    size = most - least + 1
    entries = (np.arange(low, high + 1, dtype=np.int64) - least) % size + least
    op = Table(IntTensor(entries[None]), low, int(entries.min()), int(entries.max()))
    return integer_op(net, x, op, (int(entries.min()), int(entries.max())))

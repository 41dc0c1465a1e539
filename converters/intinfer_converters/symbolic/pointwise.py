"""A pointwise op with a constant, in the arithmetic of the tensor's type.

Floats: one op more in the pending chain. Integers: exact, and inside the type, or wrapped where a table can.
"""

from __future__ import annotations

import operator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from intinfer.ops import Affine, Clamp, Table
from intinfer.ops.base import Op
from intinfer.tensor import IntTensor

from ..floatnet import IntegerOp
from ..primitives import KINDS, primitive
from . import chains
from .base import Array, Unsupported
from .net import SymbolicNet
from .tensor import Bounds, Compared, Symbolic, known_range, type_range

MAX_CHANNELS = 2**16
"""Numbers of a constant that varies within a channel: they make channels of the axes along which it varies."""
MAX_WRAPPED = 4096
"""Values for which a wrap around is a table."""
Some = TypeVar("Some", Symbolic, Array, Symbolic | Array)


def pointwise(net: SymbolicNet, x: Some, kind: str, operand: npt.ArrayLike | None = None) -> Some:
    """An op of `primitives` with a constant that does not vary within a channel.

    Args:
        x: a tensor, or a constant, of which arithmetic, roundings and clips are computed in its own type.
        kind: as `Primitive.kind`. `clip` takes (lo, hi), numbers; `count` the thresholds (C, n) or (1, n) along axis 1
            of `x`.
        operand: broadcasts against `x`.

    Raises:
        Unsupported: the constant is not finite or varies within a channel; an integer type would overflow.
    """
    if not isinstance(x, Symbolic):
        return _computed(x, kind, operand)
    if x.dtype.kind not in "iufb":
        raise Unsupported(f"works on {x.dtype}")
    return (integer_pointwise if x.dtype.kind in "iu" else float_pointwise)(net, x, kind, operand)


def _computed(x: Array, kind: str, operand: npt.ArrayLike | None) -> Array:
    numbers = () if operand is None else (np.asarray(operand, dtype=x.dtype),)
    with np.errstate(all="ignore"):  # infinities are looked at by the caller
        return np.asarray(KINDS[kind].formula(x, *numbers), dtype=x.dtype)


def float_pointwise(net: SymbolicNet, x: Symbolic, kind: str, operand: npt.ArrayLike | None) -> Symbolic:
    """`pointwise` as arithmetic of the chain's dtype, whatever the type of `x`."""
    numbers = chains.operand_of(kind, operand, net.dtype)
    if numbers is not None and primitive(kind, numbers).idle:
        return x
    if x.padded:
        x = net.spread(x)
    origin, given = x, numbers
    closing = _absorbed(net, x, kind, numbers) if x.integral else None
    if closing is not None:
        return closing
    x = net.settled(x)
    if kind == "count" and numbers is not None:
        numbers = _rows(net, x, numbers)
    elif kind != "clip" and numbers is not None:
        x, numbers = per_channel(net, x, numbers)
    result = chains.appended(x, primitive(kind, numbers), net.dtype).changed(sources=_sources(net, x))
    if x.is_float and x.dtype != net.dtype:
        _need_exact(net, x, result, operand, given)
    if kind in chains.COMPARISONS and given is not None:
        result = result.changed(dtype=np.dtype(bool), compared=Compared(origin, kind, given))
    return result


def per_channel(net: SymbolicNet, x: Symbolic, operand: Array) -> tuple[Symbolic, Array]:
    """The operand as one number, or one a channel of x's node.

    Where it varies within one, x becomes a node of its own, whose channels are the axes along which it varies.
    """
    if operand.size == 1:
        return x, operand.reshape(1)
    try:
        np.broadcast_to(operand, x.shape)
    except ValueError:
        raise Unsupported(f"its constant of shape {operand.shape} does not fit {x.shape}") from None
    if (operand == operand.reshape(-1)[0]).all():
        return x, operand.reshape(-1)[:1]
    if x.padded:
        x = net.spread(x)
    numbers = x.layout.by_channel(net.value_shape(x.node), operand)
    if numbers is not None:
        return x, numbers
    if operand.size > MAX_CHANNELS:
        raise Unsupported(
            f"its constant of shape {operand.shape} varies within a channel of {x.shape}; constants are one "
            f"number, one a channel, or up to {MAX_CHANNELS:,}"
        )
    first = len(x.shape) - operand.ndim
    axes = [first + axis for axis, extent in enumerate(operand.shape) if extent > 1]
    return net.spread(x, axes), operand.reshape(-1)


def _need_exact(
    net: SymbolicNet, x: Symbolic, result: Symbolic, operand: npt.ArrayLike | None, numbers: Array | None
) -> None:
    """Refuse arithmetic of another float type than the chain's, but for small integers, which no type rounds."""
    given = np.asarray(0 if operand is None else operand, dtype=np.float64)
    kept = numbers is None or np.array_equal(given, np.asarray(numbers, dtype=np.float64))
    limit = min(chains.exact_limit(net.dtype), chains.exact_limit(x.dtype))
    small = x.whole and result.whole and max(map(abs, (*x.bounds, *result.bounds))) <= limit
    if not (kept and small):
        raise Unsupported(f"computes in {x.dtype}; the float ops of a network are all in {net.dtype}")


def _absorbed(net: SymbolicNet, x: Symbolic, kind: str, numbers: Array | None) -> Symbolic | None:
    if numbers is not None and kind not in ("clip", "count"):
        if (numbers != numbers.reshape(-1)[0]).any():
            return None
        numbers = numbers.reshape(-1)[:1]
    result = chains.absorbed(x, primitive(kind, numbers), net.dtype)
    if result is None or result is x:
        return result
    dtype = np.dtype(bool) if kind in chains.COMPARISONS else x.dtype
    return result.changed(sources=_sources(net, x), dtype=dtype)


def _sources(net: SymbolicNet, x: Symbolic) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*x.sources, *net.sources)))


def _rows(net: SymbolicNet, x: Symbolic, thresholds: Array) -> Array:
    """(C, n) along axis 1 of x to one row a channel of its node."""
    if thresholds.ndim != 2 or thresholds.shape[0] not in (1, x.shape[1]):
        raise Unsupported(f"thresholds of shape {thresholds.shape} do not fit {x.shape}: one row, or one a channel")
    if thresholds.shape[0] == 1:
        return thresholds
    axis = np.arange(x.shape[1]).reshape(-1, *[1] * (len(x.shape) - 2))
    row = x.layout.by_channel(net.value_shape(x.node), axis)
    if row is None:
        raise Unsupported("its thresholds vary within a channel of what it reads")
    return np.asarray(thresholds[row])


# ---- integer types


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


def _finite(numbers: Array | None) -> list[int]:
    finite = np.zeros(1) if numbers is None else numbers[np.isfinite(numbers)]
    return [int(n) for n in (finite.min(initial=0), finite.max(initial=0))]


def _reach(known: tuple[int, int], kind: str, numbers: Array | None) -> tuple[int, int]:
    """The range of the exact result."""
    if numbers is None or kind in chains.COMPARISONS:
        return -1, 1
    if kind == "clip":
        low, high = known
        least, most = (int(max(low, min(high, float(n)))) for n in numbers)
        return least, most
    combine = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}[kind]
    results = [combine(end, number) for end in known for number in (int(numbers.min()), int(numbers.max()))]
    return min(results), max(results)


def _big(net: SymbolicNet, x: Symbolic, kind: str, numbers: Array | None, reach: tuple[int, int]) -> Symbolic:
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
    return x.changed(node=node, bounds=(float(bounds[0]), float(bounds[1])), whole=True)


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
    entries = (np.arange(low, high + 1, dtype=np.int64) - least) % (most - least + 1) + least
    op = Table(IntTensor(entries[None]), low, int(entries.min()), int(entries.max()))
    return integer_op(net, x, op, (int(entries.min()), int(entries.max())))

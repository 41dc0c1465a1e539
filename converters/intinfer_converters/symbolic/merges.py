"""Ops of several tensors: sums, maxima, selections, concatenation, casts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.ops import Add

from ..floatnet import Concatenate, FlattenMap, Gather, IntegerOp, Multiplex, Sum
from . import integers, layout
from .emitter import Emitter
from .tensor import Bounds, Symbolic, Unsupported

Array = npt.NDArray[Any]
Operand = Symbolic | Array


class Merging(Emitter):
    """The ops of several tensors."""

    def add(self, a: Operand, b: Operand) -> Symbolic:
        """a + b; NumPy broadcasting; a constant does not vary within a channel.

        x + (q(x) - x), the straight-through estimator of fake-quant code, is q(x), and so is (x - x) + q(x).
        """
        if isinstance(a, Symbolic) and isinstance(b, Symbolic):
            straight = _straight_through(a, b) or _straight_through(b, a)
            return straight or self._sum(a, b, (1, 1))
        x, constant = _apart(a, b)
        return self.pointwise(self.broadcast(x, constant.shape), "add", constant)

    def sub(self, a: Operand, b: Operand) -> Symbolic:
        """a - b. A constant minus a tensor is -(tensor - constant), which rounds alike."""
        if isinstance(a, Symbolic) and isinstance(b, Symbolic):
            return replace(self._sum(a, b, (1, -1)), difference=(a, b))
        x, constant = _apart(a, b)
        difference = self.pointwise(self.broadcast(x, constant.shape), "sub", constant)
        return difference if x is a else self.negative(difference)

    def negative(self, x: Symbolic) -> Symbolic:
        """-x."""
        return self.pointwise(x, "mul", np.array([-1], dtype=x.dtype if x.dtype.kind in "if" else np.int64))

    def mul(self, a: Operand, b: Operand) -> Symbolic:
        """a * b where one is constant, or one bit a channel: then the product is a multiplexer with 0."""
        if not (isinstance(a, Symbolic) and isinstance(b, Symbolic)):
            x, constant = _apart(a, b)
            return self.pointwise(self.broadcast(x, constant.shape), "mul", constant)
        for bit, x in ((a, b), (b, a)):
            if bit.is_bit and bit.size <= x.size:
                return self.where(bit, x, np.zeros(1, dtype=x.dtype))
        raise Unsupported(
            "it multiplies two computed tensors, which is no op of fixed weights; a constant factor, or a 0/1 factor a "
            "channel (a multiplexer), is supported"
        )

    def maximum(self, a: Operand, b: Operand) -> Symbolic:
        """max(a, b); of two tensors a + max(b - a, 0)."""
        return self._extreme(a, b, (0.0, np.inf))

    def minimum(self, a: Operand, b: Operand) -> Symbolic:
        """min(a, b); of two tensors a + min(b - a, 0)."""
        return self._extreme(a, b, (-np.inf, 0.0))

    def _extreme(self, a: Operand, b: Operand, side: Bounds) -> Symbolic:
        if isinstance(a, Symbolic) and isinstance(b, Symbolic):
            rest = self.pointwise(self._sum(b, a, (1, -1), typed=False), "clip", np.array(side))
            rest = replace(rest, dtype=a.dtype)
            return replace(self._sum(a, rest, (1, 1), typed=False), dtype=a.dtype, bounds=_hull(a.bounds, b.bounds))
        x, constant = _apart(a, b)
        flat = constant.reshape(-1)
        if (flat != flat[0]).any():
            raise Unsupported("its constant differs between elements; a maximum or minimum takes one number")
        limit = float(flat[0])
        ends = (limit, np.inf) if side[1] == np.inf else (-np.inf, limit)
        return self.pointwise(self.broadcast(x, constant.shape), "clip", np.array(ends))

    def _sum(self, a: Symbolic, b: Symbolic, signs: tuple[int, int], typed: bool = True) -> Symbolic:
        if a.dtype != b.dtype:
            raise Unsupported(f"its inputs are {a.dtype} and {b.dtype}")
        (left, right), index = self.aligned([a, b])
        low, high = (-b.bounds[1], -b.bounds[0]) if signs[1] < 0 else b.bounds
        bounds = (a.bounds[0] + low, a.bounds[1] + high)
        whole = a.whole and b.whole
        if a.is_float:
            node = self.emit(Sum(() if signs == (1, 1) else signs), left, right)
            return Symbolic(node, index, a.dtype, bounds=bounds, whole=whole)
        low_a, high_a = integers.known_range(a)
        low_b, high_b = integers.known_range(b)
        ends = (low_b, high_b) if signs[1] > 0 else (-high_b, -low_b)
        bounds = (float(low_a + ends[0]), float(high_a + ends[1]))
        node = self.emit(IntegerOp(Add(signs), self.value_shape(left)), left, right)
        result = Symbolic(node, index, a.dtype, bounds=bounds, whole=True)
        return integers.in_type(self, result) if typed else replace(result, dtype=np.dtype(np.int64))

    def broadcast(self, x: Symbolic, shape: tuple[int, ...]) -> Symbolic:
        """`x` with the shape that NumPy's broadcasting gives it beside `shape`."""
        try:
            wide = np.broadcast_shapes(x.shape, shape)
        except ValueError:
            raise Unsupported(f"shapes {x.shape} and {shape} do not broadcast") from None
        return x if wide == x.shape else self.rearrange(x, lambda index: np.broadcast_to(index, wide))

    def aligned(self, tensors: Sequence[Symbolic]) -> tuple[list[str], Array]:
        """Nodes of one shape whose values are the tensors, element by element, and the index of the result.

        Tensors in the same unusual layout stay in it: nothing is moved.
        """
        shape = np.broadcast_shapes(*(x.shape for x in tensors))
        plain = [self.without_chain(self.broadcast(x, shape)) for x in tensors]
        values = {self.value_shape(x.node) for x in plain}
        first = plain[0].index
        alike = len(values) == 1 and all(x.index is first or np.array_equal(x.index, first) for x in plain[1:])
        if alike and not plain[0].padded and first.size == np.prod(next(iter(values))):
            return [x.node for x in plain], first
        return [self.realised(x) for x in plain], layout.identity(shape)

    def where(self, condition: Symbolic, a: Operand, b: Operand) -> Symbolic:
        """a where the condition is 1, else b.

        Two constants: the two levels of a quantiser. `x` against a constant that it was compared with: a clip; against
        a multiple of itself: a leaky ReLU. Tensors: a multiplexer, whose condition is one bit a channel.
        """
        if not isinstance(a, Symbolic) and not isinstance(b, Symbolic):
            return self._levels(condition, np.asarray(a), np.asarray(b))
        clipped = self._clipped(condition, a, b)
        return clipped if clipped is not None else self._multiplex(condition, a, b)

    def _levels(self, condition: Symbolic, a: Array, b: Array) -> Symbolic:
        with np.errstate(over="ignore"):
            difference = (a - b).astype(a.dtype)
        if (difference + b != a).any():
            raise Unsupported("its two constants are too far apart for their difference to be exact")
        bit = replace(self.broadcast(condition, np.broadcast_shapes(a.shape, b.shape)), dtype=a.dtype)
        return self.pointwise(self.pointwise(bit, "mul", difference), "add", b)

    def _clipped(self, condition: Symbolic, a: Operand, b: Operand) -> Symbolic | None:
        compared = condition.compared
        if compared is None or compared.operand.size != 1:
            return None
        limit = float(compared.operand.reshape(-1)[0])
        kind, x = compared.kind, compared.tensor
        above, below = (a, b) if kind.startswith("greater") else (b, a)

        def is_limit(operand: Operand) -> bool:
            return not isinstance(operand, Symbolic) and bool((np.asarray(operand) == limit).all())

        if above is x and is_limit(below):
            return self.pointwise(x, "clip", np.array([limit, np.inf]))
        if below is x and is_limit(above):
            return self.pointwise(x, "clip", np.array([-np.inf, limit]))
        scaled = isinstance(below, Symbolic) and below.node == x.node and below.chain[:-1] == x.chain
        if above is x and limit == 0 and scaled and isinstance(below, Symbolic):
            last = below.chain[-1] if below.chain else None
            if last is not None and last.kind == "mul" and last.operand is not None and (last.operand >= 0).all():
                return self.pointwise(x, "leaky", last.operand) if last.operand.size == 1 else None
        return None

    def _multiplex(self, condition: Symbolic, a: Operand, b: Operand) -> Symbolic:
        known = a if isinstance(a, Symbolic) else b
        assert isinstance(known, Symbolic)
        shape = np.broadcast_shapes(
            condition.shape, *(np.shape(x) if not isinstance(x, Symbolic) else x.shape for x in (a, b))
        )
        (one, zero), index = self.aligned([self._tensor(x, known, shape) for x in (a, b)])
        value = self.value_shape(one)
        wide = self.without_chain(self.broadcast(condition, shape)).index
        inverse = np.empty(wide.size, dtype=np.int64)  # of the multiplexer's own elements, where the bit is
        inverse[index.reshape(-1)] = wide.reshape(-1)
        rows = inverse.reshape(value[0], -1)
        if not condition.is_bit or (rows != rows[:, :1]).any():
            raise Unsupported(
                "its condition is not one bit a channel: only whole channels are chosen between (a multiplexer)"
            )
        bits = replace(self.without_chain(condition), index=rows[:, 0].reshape(1, -1))
        node = self.emit(Multiplex(), self.realised(bits, (value[0],)), one, zero)
        bounds = [x.bounds if isinstance(x, Symbolic) else (float(np.min(x)), float(np.max(x))) for x in (a, b)]
        whole = all(x.whole if isinstance(x, Symbolic) else bool((x == np.rint(x)).all()) for x in (a, b))
        return Symbolic(node, index, known.dtype, bounds=_hull(*bounds), whole=whole)

    def _tensor(self, x: Operand, like: Symbolic, shape: tuple[int, ...]) -> Symbolic:
        """The operand with `shape`; a constant is a map of `like` of which nothing is left but the fill."""
        if isinstance(x, Symbolic):
            return self.broadcast(x, shape)
        flat = np.asarray(x).reshape(-1)
        if (flat != flat[0]).any():
            raise Unsupported("its constant differs between elements; beside a tensor it is one number")
        plain = self.without_chain(like)
        value = layout.value_shape(shape)
        index = np.full(int(np.prod(value)), -1, dtype=np.int64)
        number = Fraction(float(flat[0]))
        node = self.emit(Gather(value, index, number), plain.node, name=f"{self._at[0]}.constant")
        known = float(number)
        return Symbolic(node, layout.identity(shape), like.dtype, bounds=(known, known), whole=known.is_integer())

    def concat(self, tensors: Sequence[Operand], axis: int) -> Symbolic:
        """Tensors one behind the other along `axis`."""
        known = next(x for x in tensors if isinstance(x, Symbolic))
        rank = len(known.shape)
        axis = axis % rank
        if axis == 0:
            raise Unsupported("it concatenates images: the batch axis stays 1")
        parts = [self._tensor(x, known, np.shape(x)) if not isinstance(x, Symbolic) else x for x in tensors]
        if len({x.dtype for x in parts}) > 1:
            raise Unsupported(f"its inputs are {', '.join(sorted({str(x.dtype) for x in parts}))}")
        bounds, whole = _hull(*(x.bounds for x in parts)), all(x.whole for x in parts)
        if len(parts) == 1:
            return parts[0]
        layout.check_size(sum(x.size for x in parts))
        try:
            if all(x.node == parts[0].node and x.chain is parts[0].chain and x.fill == parts[0].fill for x in parts):
                index = np.concatenate([x.index for x in parts], axis)
                return replace(parts[0], index=index, bounds=bounds, whole=whole, compared=None, difference=None)
            if axis == 1 and rank in (2, 3, 4):
                shape = np.concatenate([np.empty(x.shape, dtype=bool) for x in parts], axis).shape
                node = self.emit(Concatenate(), *(self.realised(x) for x in parts))
                return self.made(node, shape, parts[0].dtype, bounds=bounds, whole=whole)
            starts = np.cumsum([0, *(x.size for x in parts)])
            indices = [start + layout.identity(x.shape) for start, x in zip(starts, parts, strict=False)]
            index = np.concatenate(indices, axis)
        except ValueError:
            raise Unsupported(f"shapes {', '.join(str(x.shape) for x in parts)} do not concatenate") from None
        node = self.emit(Concatenate(), *(self._flat(x) for x in parts))
        return Symbolic(node, index, parts[0].dtype, bounds=bounds, whole=whole)

    def _flat(self, x: Symbolic) -> str:
        node = self.realised(x)
        if len(self.value_shape(node)) == 1:
            return node
        return self.emit(FlattenMap(), node, name=f"{self._at[0]}.flat")

    def cast(self, x: Symbolic, dtype: npt.DTypeLike) -> Symbolic:
        """Another type: float to integer truncates, integers to float are exact up to the chain's precision."""
        target = np.dtype(dtype)
        if target == x.dtype:
            return x
        if target.kind == "b":
            return self._to_bool(x)
        if target.kind == "f":
            if x.is_float and not x.whole and target != self.dtype:
                raise Unsupported(f"casts {x.dtype} to {target}; the float ops of a network are all in {self.dtype}")
            return replace(x, dtype=target, compared=None, difference=None)
        if target.kind not in "iu":
            raise Unsupported(f"casts to {target}")
        if x.is_float and not x.whole:
            x = self.float_pointwise(x, "trunc", None)
        least, most = integers.type_range(target)
        if x.bounded and not (least <= x.bounds[0] and x.bounds[1] <= most):
            raise Unsupported(
                f"casts {x.bounds[0]:g}..{x.bounds[1]:g} to {target}, which does not hold it; clip before"
            )
        if not x.bounded and target.itemsize < 4:
            raise Unsupported(f"casts to {target} what is not known to fit it; clip before")
        return replace(x, dtype=target, compared=None, difference=None)

    def _to_bool(self, x: Symbolic) -> Symbolic:
        if x.is_bit:
            return replace(x, dtype=np.dtype(bool))
        if x.bounds[0] < 0:
            raise Unsupported("casts to bool what may be negative; compare with 0")
        return self.float_pointwise(x, "greater", np.zeros(1, dtype=self.dtype))


def _straight_through(x: Symbolic, rest: Symbolic) -> Symbolic | None:
    """q for x + (q - x), x for x + (y - y)."""
    if rest.difference is None:
        return None
    more, less = rest.difference
    if x.same(less) and x.shape == more.shape:
        return more
    return x if more.same(less) and x.shape == more.shape else None


def _apart(a: Operand, b: Operand) -> tuple[Symbolic, Array]:
    """The tensor and the constant of a pair that has one of each."""
    if isinstance(a, Symbolic):
        assert not isinstance(b, Symbolic)
        return a, np.asarray(b)
    assert isinstance(b, Symbolic)
    return b, np.asarray(a)


def _hull(*bounds: Bounds) -> Bounds:
    return (min(b[0] for b in bounds), max(b[1] for b in bounds))

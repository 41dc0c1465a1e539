"""What conv2d and dense share: the proven range of a weighted sum, the sum under an accumulator rule, its products."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ..accumulator import Accumulator, Overflow, TapOrder
from ..errors import GraphError, RangeError
from ..graph import Value
from ..matmul import integer_matmul
from ..tensor import Weights
from ..types import LIMIT, IntArray, IntType
from .base import Op, OpCost
from .linear import Linear


@dataclass(frozen=True, eq=False)
class Taps:
    """The products of the sums of one group of output channels at one pixel, in the order in which they are added.

    Attributes:
        outputs: the channels of the group.
        weights: (O/G, T).
        elements: (T, 3), channel, row and column of the input that a product reads; row -1 in the padding.
        padding: (T,), the padding's value there, 0 elsewhere.
    """

    outputs: slice
    weights: IntArray
    elements: IntArray
    padding: IntArray


class Accumulating(Linear):
    """An op whose result is a weighted sum as an accumulator holds it: linear where nothing overflows.

    Attributes:
        weight: (O, ...), the weights of one sum behind the first axis.
        accumulator: width and overflow rule.
    """

    weight: Weights
    accumulator: Accumulator

    @abstractmethod
    def taps(self, x: Value, order: TapOrder | None, y: int, column: int) -> Iterator[Taps]:
        """The products of the sums at pixel (y, column), (0, 0) of a vector, group by group.

        Args:
            order: in which they are added; CKK when it does not matter.
        """

    @property
    def rows(self) -> IntArray:
        """The weights of each output channel, (O, products of a sum)."""
        return self.weight.values.reshape(self.weight.shape[0], -1)

    @property
    def may_trap(self) -> bool:
        """Tell whether a run may end with an error here."""
        return self.accumulator.overflow is Overflow.TRAP

    def cost(self, inputs: Sequence[Value], output: Value) -> OpCost:
        """Count every product of every output, padded taps included; generated weights are not stored."""
        products = prod(self.weight.shape[1:])
        macs = products * output.size
        stored = self.weight.shape[0] * products if self.weight.stored_bits else 0
        bops = macs * self.weight.encoding.bits * inputs[0].type.bits
        return OpCost(macs, stored, self.weight.stored_bits, bops)

    def adapted(self, x: Value, before: IntType) -> Op:
        """Take a wider accumulator where it is proven and `x` needs it."""
        if self.accumulator.overflow is not Overflow.PROVE:
            return self
        needed = Accumulator.proving(sum_range(self.rows, x.type))
        return self if needed.bits <= self.accumulator.bits else self.accumulating(needed)

    def accumulating(self, rule: Accumulator) -> Op:
        """The same sums in another accumulator."""
        return replace(self, accumulator=rule)  # type: ignore[call-arg]  # a field of the subclasses


def largest(array: IntArray) -> int:
    """The greatest absolute value, 0 of an empty array; exact for -2^63, of which np.abs is negative."""
    return max(int(array.max(initial=0)), -int(array.min(initial=0)))


def sum_range(weights: IntArray, type_: IntType) -> IntType:
    """The range of sum_t w[o, t] * x[t] over all outputs o and all x in `type_`.

    Args:
        weights: (outputs, taps).
    """
    widest = weights.shape[1] * largest(weights) * max(abs(type_.lo), abs(type_.hi))
    if widest > LIMIT:
        raise GraphError(f"a sum of {weights.shape[1]} products may reach {widest}, beyond 2^62")
    positive = np.maximum(weights, 0).sum(axis=1)
    negative = np.minimum(weights, 0).sum(axis=1)
    return IntType(
        int((positive * type_.lo + negative * type_.hi).min()),
        int((positive * type_.hi + negative * type_.lo).max()),
    )


def weighted_sums(columns: IntArray, weights: IntArray, rule: Accumulator, width: int | None = None) -> IntArray:
    """sum_t columns[n, g, p, t] * weights[g, o, t] under the accumulator rule.

    Args:
        columns: (N, G, P, T), the taps of each of P output pixels in G groups, in the rule's order.
        weights: (G, O/G, T).
        width: pixels a row, to name a pixel as (y, x) when a `trap` accumulator leaves its range.

    Returns:
        (N, O, P).
    """
    taps = columns.shape[-1]
    matrix = weights.transpose(0, 2, 1)
    bound = taps * largest(columns) * largest(weights)
    if rule.sequential:
        fold = rule.fold or 1
        total = np.zeros((*columns.shape[:3], weights.shape[1]), dtype=np.int64)
        for start in range(0, taps, fold):
            part = slice(start, start + fold)
            total += integer_matmul(columns[..., part], matrix[:, part], bound)
            if rule.overflow is Overflow.SATURATE:
                total = np.clip(total, rule.type.lo, rule.type.hi)
            else:
                _trap(total, rule, min(start + fold, taps), taps, width)
    else:
        total = integer_matmul(columns, matrix, bound)
        if rule.overflow is Overflow.WRAP:
            total = rule.wrap_sum(total)
    images, _, pixels, _ = columns.shape
    return total.transpose(0, 1, 3, 2).reshape(images, weights.shape[0] * weights.shape[1], pixels)


def _trap(total: IntArray, rule: Accumulator, done: int, taps: int, width: int | None) -> None:
    outside = (total < rule.type.lo) | (total > rule.type.hi)
    if not outside.any():
        return
    image, group, pixel, out = (int(i) for i in np.argwhere(outside)[0])
    channel = group * total.shape[-1] + out
    where = "" if width is None else f", pixel (y={pixel // width}, x={pixel % width})"
    raise RangeError(
        f"accumulator of {rule.bits} bits holds {rule.type} and reaches {int(total[image, group, pixel, out])} "
        f"after {done} of {taps} products at image {image}, channel {channel}{where}"
    )

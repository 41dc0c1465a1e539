"""What conv2d and dense share: the proven range of a weighted sum, and the sum under an accumulator rule."""

from __future__ import annotations

import numpy as np

from ..accumulator import Accumulator, Overflow
from ..errors import GraphError, RangeError
from ..matmul import integer_matmul
from ..types import LIMIT, IntArray, IntType


def sum_range(weights: IntArray, type_: IntType) -> IntType:
    """The range of sum_t w[o, t] * x[t] over all outputs o and all x in `type_`.

    Args:
        weights: (outputs, taps).
    """
    largest = max(int(weights.max(initial=0)), -int(weights.min(initial=0)))  # np.abs(-2^63) is negative
    widest = weights.shape[1] * largest * max(abs(type_.lo), abs(type_.hi))
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
    bound = taps * int(np.abs(columns).max(initial=0)) * int(np.abs(weights).max(initial=0))
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

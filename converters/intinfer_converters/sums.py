"""Lowering of additions of float tensors, most often residual branches.

real = s1 * z1 + s2 * z2. Where s1 : s2 is a ratio p : q of small integers, the sum is u * (p * z1 + q * z2) exactly.
Scales trained as floats have no such ratio. Then it depends on the reader:

- A quantiser of two tensors of few values: integers A, B and thresholds on A * z1 + B * z2 that give every pair of
  values the level which the source's float arithmetic gives it, fl(fl(s1 * z1) + fl(s2 * z2)); proven by enumeration.
- A quantiser otherwise, if each tensor has at most 4,096 values: a table of each tensor's float values, as integers of
  one unit. Their sum is exact, and what the source rounds.
- Anything else: the exact ratio with multipliers as wide as it takes, up to 40 bits, which the provenance states; or,
  if the caller allows it, multipliers of 16 bits, with the largest error in the provenance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from intinfer.graph import Value
from intinfer.ops import Add, Table, Threshold
from intinfer.ops.table import MAX_ENTRIES
from intinfer.tensor import IntTensor
from intinfer.types import LIMIT, IntArray, IntType

from .evaluator import FloatArray, apply_chain, chain_direction, evaluate
from .lowered import (
    MAX_MULTIPLIER,
    MAX_WIDE,
    ONE,
    ZERO,
    Fractions,
    Lowered,
    Lowering,
    PendingSum,
    RefusalError,
    common_unit,
    folded,
    squeeze,
)
from .thresholds import Activation, LevelCode

if TYPE_CHECKING:
    from .floatnet import FloatNode

BoolArray = npt.NDArray[np.bool_]

MAX_PAIRS = 2**18
MAX_CLASSIFIED = 2**24
"""Pairs of values that are enumerated, of one channel and of all of them."""


def lower_sum(state: Lowering, node: FloatNode, signs: tuple[int, ...], inputs: Sequence[Lowered]) -> Lowered:
    """An `add` on the common unit of the scales, or a sum that waits for its reader."""
    try:
        settled = [state.settle(x) for x in inputs]
        if _multipliers(settled, signs)[2] <= MAX_MULTIPLIER:
            return _add(state, node, settled, signs)
    except RefusalError:
        if len(inputs) != 2:
            raise
    if len(inputs) != 2:
        return _wide(state, node, inputs, signs)
    z = Value(f"{node.name}.pending", node.shape, IntType(0, 1))
    return PendingSum(z, node=node, terms=tuple(inputs), signs=signs)


def resolved(state: Lowering, x: Lowered) -> Lowered:
    """`x` with a value of the graph, for readers that are no quantisers."""
    if not isinstance(x, PendingSum):
        return x
    if x.node.name not in state.sums:
        try:
            state.sums[x.node.name] = _wide(state, x.node, x.terms, x.signs)
        except RefusalError as reason:
            raise RefusalError(f"of the add {x.node.name} that it reads: {reason}") from None
    return replace(state.sums[x.node.name], tail=x.tail, pending=x.pending)


def _wide(state: Lowering, node: FloatNode, inputs: Sequence[Lowered], signs: tuple[int, ...]) -> Lowered:
    settled = [state.settle(x) for x in inputs]
    _, _, widest = _multipliers(settled, signs)
    if widest > MAX_MULTIPLIER and state.approximate_adds:
        return _approximate(state, node, settled, signs)
    if widest > MAX_WIDE:
        raise RefusalError(
            f"its inputs' scales need multipliers of {widest.bit_length()} bits, over {MAX_WIDE.bit_length() - 1}; "
            "give the branches scales of a smaller ratio, put a quantiser behind the add, or allow rounded multipliers "
            "(--requant-adds)"
        )
    result = _add(state, node, settled, signs)
    state.note_width(result.z.name, widest)
    return result


def _multipliers(inputs: Sequence[Lowered], signs: Sequence[int]) -> tuple[Fractions, list[list[int]], int]:
    """The unit of the sum, one or one a channel; for each input as many integers; the largest magnitude of these."""
    uniform = all(len(x.scale) == 1 for x in inputs)
    columns = list(zip(*(x.scale if uniform else x.scales() for x in inputs), strict=True))
    if all(len(set(column)) == 1 and column[0] for column in columns):  # keeps the sign of a common scale
        units = [column[0] for column in columns]
    else:
        units = [common_unit(column) for column in columns]
    rows = [
        [sign * int(column[i] / unit) for column, unit in zip(columns, units, strict=True)]
        for i, sign in enumerate(signs)
    ]
    return squeeze(units), rows, max(abs(number) for row in rows for number in row)


def _add(state: Lowering, node: FloatNode, inputs: Sequence[Lowered], signs: Sequence[int]) -> Lowered:
    unit, rows, _ = _multipliers(inputs, signs)
    values = [x.z for x in inputs]
    factors = [row[0] if len(set(row)) == 1 and row[0] else 1 for row in rows]
    for place, (x, row) in enumerate(zip(inputs, rows, strict=True)):
        if row != [factors[place]] * len(row):
            wide = row if len(row) > 1 else row * x.channels
            values[place] = state.scaled(x.z, wide, name=f"{node.name}.scale", source=node.source)
    z = state.add(Add(tuple(factors)), *values, name=node.name, source=node.source)
    return Lowered(z, unit, _offset(inputs, signs))


def _offset(inputs: Sequence[Lowered], signs: Sequence[int]) -> Fractions:
    columns = zip(*(x.offsets() for x in inputs), strict=True)
    return squeeze([sum((sign * o for sign, o in zip(signs, column, strict=True)), Fraction(0)) for column in columns])


def _approximate(state: Lowering, node: FloatNode, inputs: Sequence[Lowered], signs: tuple[int, ...]) -> Lowered:
    """Multipliers rounded to 16 bits; the largest error over all values of the inputs goes into the provenance."""
    if any(len(x.scale) > 1 for x in inputs):
        raise RefusalError(
            "its inputs have a scale a channel, which --requant-adds does not round; put one quantiser a branch before "
            "the add"
        )
    scales = [sign * x.scale[0] for sign, x in zip(signs, inputs, strict=True)]
    unit = max(map(abs, scales)) / MAX_MULTIPLIER
    factors = [round(scale / unit) or 1 for scale in scales]
    error = sum(
        (
            abs(scale - factor * unit) * max(abs(x.z.type.lo), abs(x.z.type.hi))
            for scale, factor, x in zip(scales, factors, inputs, strict=True)
        ),
        Fraction(0),
    )
    z = state.add(Add(tuple(factors)), *(x.z for x in inputs), name=node.name, source=node.source)
    state.note("approximate adds", f"{node.name}: multipliers {factors}, wrong by up to {float(error):.3g}")
    return Lowered(z, (unit,), _offset(inputs, signs))


# ------------------------------------------------------------------------------------- sums read by a quantiser


def classified(state: Lowering, x: PendingSum, activation: Activation, stated: bool) -> tuple[Threshold, Value] | None:
    """A sum of which every pair of values gets its level: the thresholds, and the integers that they are on.

    Integers A, B and thresholds on A * z1 + B * z2 equal to the quantiser at every pair; None if there are none.

    Args:
        activation: the quantiser of the sum, whose chain starts from the float sum.
        stated: whether it has a base and a count.
    """
    sizes = [term.z.type.hi - term.z.type.lo + 1 for term in x.terms]
    uniform = all(p.channels == 1 for p in activation.chain) and not any(term.by_channel for term in x.terms)
    rows = 1 if uniform else x.channels
    if sizes[0] * sizes[1] > MAX_PAIRS or sizes[0] * sizes[1] * rows > MAX_CLASSIFIED:
        return None
    candidates = list(_candidates(x))
    if not candidates:
        return None
    values = _sums(x, rows, activation)
    code = activation.code if stated else LevelCode.bounding(values, activation.code.step)
    counts = (code.of_values(values) - code.base) // code.step
    descending = chain_direction(activation.chain, ONE, rows) < 0
    grids = [np.arange(term.z.type.lo, term.z.type.hi + 1, dtype=np.int64) for term in x.terms]
    for factors in candidates:
        sums = (factors[0] * grids[0][:, None] + factors[1] * grids[1][None, :]).reshape(-1)
        limits = _separating(sums, counts, descending, code.count)
        if limits is not None:
            key = (x.node.name, *factors)
            if key not in state.shared:  # two quantisers of one sum read one node
                inputs = [term.z for term in x.terms]
                state.shared[key] = state.add(Add(factors), *inputs, name=x.node.name, source=x.node.source)
            directions = IntTensor(descending.astype(np.int64), "u1")
            return Threshold(IntTensor(limits), directions, code.base, code.step), state.shared[key]
    return None


def _float_values(x: PendingSum, index: int, rows: int, dtype: npt.DTypeLike) -> FloatArray:
    """What the source adds: (rows, values of the term), with its sign."""
    term = x.terms[index]
    every = np.arange(term.z.type.lo, term.z.type.hi + 1, dtype=np.int64)
    z = np.broadcast_to(every, (rows, every.size))
    values = evaluate(term.tail, z, term.scale, term.offset, dtype)
    return values if x.signs[index] > 0 else -values


def _sums(x: PendingSum, rows: int, activation: Activation) -> FloatArray:
    """The quantiser's values (rows, pairs)."""
    one, other = (_float_values(x, index, rows, activation.dtype) for index in (0, 1))
    with np.errstate(over="ignore", invalid="ignore"):
        total: FloatArray = (one[:, :, None] + other[:, None, :]).reshape(rows, -1)
    return apply_chain(activation.chain, total)


def _candidates(x: PendingSum) -> Iterator[tuple[int, int]]:
    """A and B in the best approximations of s1 : s2 with small integers, coarse ones first."""
    try:
        scales = [folded(term).scale for term in x.terms]
    except RefusalError:
        return
    if any(len(scale) > 1 or not scale[0] for scale in scales):
        return
    first, second = (sign * scale[0] for sign, scale in zip(x.signs, scales, strict=True))
    rest, before, now = abs(first / second), (0, 1), (1, 0)
    signs = (1 if first > 0 else -1, 1 if second > 0 else -1)
    while True:  # the convergents of the continued fraction
        whole = rest.numerator // rest.denominator
        before, now = now, (whole * now[0] + before[0], whole * now[1] + before[1])
        if max(now) > MAX_MULTIPLIER:
            return
        if min(now) > 0:
            yield signs[0] * now[0], signs[1] * now[1]
        if rest == whole:
            return
        rest = 1 / (rest - whole)


def _separating(sums: IntArray, counts: IntArray, descending: BoolArray, count: int) -> IntArray | None:
    """Thresholds (rows, count) on `sums` (pairs,) that reproduce `counts` (rows, pairs) at each, or None."""
    distinct, place = np.unique(sums, return_inverse=True)
    limits = np.empty((len(counts), count), dtype=np.int64)
    targets = np.arange(1, count + 1)
    for row, (level, down) in enumerate(zip(counts, descending, strict=True)):
        of_sum = np.empty(distinct.size, dtype=np.int64)
        of_sum[place] = level
        if (of_sum[place] != level).any():
            return None  # one sum, two levels
        rising = of_sum[::-1] if down else of_sum
        if (np.diff(rising) < 0).any():
            return None
        at = np.searchsorted(rising, targets)  # where each level is first reached
        ends = np.append(distinct[::-1], distinct[0] - 1) if down else np.append(distinct, distinct[-1] + 1)
        limits[row] = ends[at]
    return limits


def tabled(state: Lowering, x: PendingSum) -> Lowered | None:
    """The sum of the terms' float values as integers of one unit, as before the source rounds it; None if too wide."""
    if x.node.name in state.tables:
        known = state.tables[x.node.name]
        return replace(known, tail=x.tail, pending=x.pending)
    values = []
    for index, term in enumerate(x.terms):
        rows = term.channels if term.by_channel else 1
        size = term.z.type.hi - term.z.type.lo + 1
        if size > MAX_ENTRIES or rows * size > MAX_PAIRS:
            return None
        values.append(_float_values(x, index, rows, state.dtype))
    if not all(np.isfinite(part).all() for part in values):
        return None
    exact = [[[Fraction(number) for number in row] for row in part.tolist()] for part in values]
    unit = common_unit([number for part in exact for row in part for number in row])
    if any(abs(number) > unit * LIMIT // 4 for part in exact for row in part for number in row):
        return None
    tables = []
    for term, part in zip(x.terms, exact, strict=True):
        entries = np.array([[int(number / unit) for number in row] for row in part], dtype=np.int64)
        table = Table(IntTensor(entries), term.z.type.lo, int(entries.min()), int(entries.max()))
        tables.append(state.add(table, term.z, name=f"{x.node.name}.table", source=x.node.source))
    z = state.add(Add((1, 1)), *tables, name=x.node.name, source=x.node.source)
    state.tables[x.node.name] = Lowered(z, (unit,))
    return Lowered(z, (unit,), ZERO, x.tail, x.pending)

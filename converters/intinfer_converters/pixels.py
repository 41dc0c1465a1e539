"""Pixels that the source normalises before its first layer, as integers without any rounding.

(x / 255 - mean) / std of an integer x is no integer times one scale. What padding adds is 0 behind the normalisation.
So the normalised pixel itself is made an integer whose 0 is real 0: d * x - n a channel where such integers are
small, else a table of the very floats that the source computes, in units of their last place.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from intinfer.ops import Affine, Table
from intinfer.ops.table import MAX_ENTRIES
from intinfer.tensor import IntTensor
from intinfer.types import LIMIT

from .evaluator import evaluate
from .lowered import ZERO, Lowered, Lowering, RefusalError, common_unit, folded

if TYPE_CHECKING:
    from .floatnet import FloatNode

MAX_FACTOR = 2**16
"""Multipliers and offsets up to this make an affine of the pixels, wider ones a table."""


def exact_pixels(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    """`x`, an input with pending ops, as integers of which 0 means real 0; the provenance says how wide they are."""
    if x in state.pixels:
        return state.pixels[x]
    made = state.pixels[x] = _affine(state, node, x) or _table(state, node, x)
    bits = max(abs(made.z.type.lo), made.z.type.hi).bit_length() + 1
    state.note("exact pixels", f"{made.z.name}: {made.z.type}, {bits} bits")
    return made


def _affine(state: Lowering, node: FloatNode, x: Lowered) -> Lowered | None:
    try:
        x = folded(x)
    except RefusalError:
        return None
    unit = common_unit([*x.scales(), *x.offsets()])
    factors, offsets = ([int(n / unit) for n in numbers] for numbers in (x.scales(), x.offsets()))
    ends = [factor * end + offset for factor, offset in zip(factors, offsets, strict=True) for end in _ends(x)]
    if max(map(abs, (*factors, *offsets))) > MAX_FACTOR or not min(ends) <= 0 <= max(ends):
        return None  # too wide, or no place for the border's 0
    op = Affine(IntTensor(np.array(factors)), IntTensor(np.array(offsets)))
    z = state.add(op, x.z, name=f"{x.z.name}.pixels", source=x.pending or node.source)
    return Lowered(z, (unit,))


def _ends(x: Lowered) -> tuple[int, int]:
    return x.z.type.lo, x.z.type.hi


def _table(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    low, high = x.z.type.lo, x.z.type.hi
    if high - low >= MAX_ENTRIES:
        raise RefusalError(f"its input has {high - low + 1} values, exact pixels at most {MAX_ENTRIES}; quantise it")
    every = np.broadcast_to(np.arange(low, high + 1, dtype=np.int64), (x.channels, high - low + 1))
    values = evaluate(x.tail, every, x.scale, x.offset, state.dtype)
    if not np.isfinite(values).all():
        raise RefusalError("the preprocessing of the pixels overflows; its parameters are out of proportion")
    exact = [[Fraction(number) for number in row] for row in values.tolist()]
    unit = common_unit([number for row in exact for number in row])
    widest = max(abs(int(number / unit)) for row in exact for number in row)
    if widest > LIMIT:
        raise RefusalError(f"its exact pixels need {widest.bit_length()} bits, over 62; quantise the input")
    rows = np.array([[int(number / unit) for number in row] for row in exact], dtype=np.int64)
    entries = rows[:1] if (rows == rows[0]).all() else rows
    table = Table(IntTensor(entries), low, min(0, int(rows.min())), max(0, int(rows.max())))
    z = state.add(table, x.z, name=f"{x.z.name}.pixels", source=x.pending or node.source)
    return Lowered(z, (unit,), ZERO)

"""Lowering of convolution and dense, and the border of real 0 that they and the pools need.

Their input must be one exact integer tensor with one scale in each group: an integer multiplier a channel brings the
scales together, as wide as it takes, up to 40 bits; the provenance states what is over 16. An offset (a zero point)
goes into the padding, which then holds the integer that means real 0, as the border of the op or as a frame of its own,
and into a constant an output channel.

Pixels that the source normalises before its first layer, (x / 255 - mean) / std, are no integers times one scale, and
what padding adds is 0 behind the normalisation. So the normalised pixel itself is made an integer whose 0 is real 0,
without any rounding: d * x - n a channel where such integers are small, else a table of the very floats that the source
computes, in units of their last place.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from intinfer.automaton import evolve
from intinfer.ops import Conv2d, Gather, Table
from intinfer.ops import Dense as DenseOp
from intinfer.ops.geometry import Pads
from intinfer.ops.table import MAX_ENTRIES
from intinfer.tensor import CellularWeights, IntTensor, Weights
from intinfer.types import LIMIT, IntArray

from .evaluator import evaluate
from .lowered import MAX_WIDE, ZERO, Fractions, Lowered, Lowering, RefusalError, common_unit, folded, spread, squeeze

if TYPE_CHECKING:
    from .floatnet import Conv, Dense, FloatNode, QuantisedWeight


NO_PADS: Pads = (0, 0, 0, 0)


def zeros(x: Lowered) -> tuple[int, ...]:
    """The integers whose real value is 0, one or one a channel: -offset / scale. RefusalError where there is none."""
    if any(o and not s for s, o in zip(x.scales(), x.offsets(), strict=True)):
        raise RefusalError("its padding is real 0, and a channel is another constant; quantise so that 0 is a level")
    values = squeeze([-o / s if s else Fraction(0) for s, o in zip(x.scales(), x.offsets(), strict=True)])
    for channel, value in enumerate(values):
        if value.denominator != 1:
            raise RefusalError(
                f"its padding is real 0, which is {float(value):g} in the integers of channel {channel} "
                f"({x.z.type}), not one of them; quantise so that 0 is a level, or pad nothing"
            )
    return tuple(int(value) for value in values)


def framed(state: Lowering, node: FloatNode, x: Lowered, pads: Pads) -> Lowered:
    """`x` with a border of real 0 around its maps, for ops that have no border of that integer."""
    values = zeros(x)
    if len(set(values)) > 1:
        raise RefusalError(
            f"its padding is real 0, which is other integers in other channels ({min(values)}..{max(values)}); put one "
            "quantiser before it"
        )
    top, left, bottom, right = pads
    index: IntArray = np.arange(x.z.size, dtype=np.int64).reshape(x.z.shape)
    index = np.pad(index, ((0, 0), (top, bottom), (left, right)), constant_values=-1)
    op = Gather(IntTensor(index), values[0])
    return replace(x, z=state.add(op, x.z, name=f"{node.name}.pad", source=node.source))


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
    limits = (x.z.type.lo, x.z.type.hi)
    ends = [factor * end + offset for factor, offset in zip(factors, offsets, strict=True) for end in limits]
    if max(map(abs, (*factors, *offsets))) > MAX_FACTOR or not min(ends) <= 0 <= max(ends):
        return None  # too wide, or no place for the border's 0
    z = state.scaled(x.z, factors, offsets, name=f"{x.z.name}.pixels", source=x.pending or node.source)
    return Lowered(z, (unit,))


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
    return Lowered(z, (unit,))


RULE = 30
MIN_ROWS = 8
"""Rows from which weights that follow the automaton are taken to be generated by it."""


def lower_conv(state: Lowering, node: FloatNode, op: Conv, x: Lowered) -> Lowered:
    """A `conv2d` node on levels; the border is the integer that means real 0."""
    known = op.weight.quantised()
    weight = _generated(known.tensor, op.groups)
    x, pads, pad_value = _operand(state, node, x, op.groups, op.pads)
    accumulator = state.accumulator(weight, x.z)
    conv = Conv2d(weight, op.stride, pads, pad_value, op.dilation, op.groups, accumulator)
    z = state.add(conv, x.z, name=node.name, source=node.source)
    outputs, a_group = op.weight.shape[0], op.weight.shape[1]
    group_of = [o * op.groups // outputs for o in range(outputs)]
    return _result(z, known, op.bias, x, [range(g * a_group, (g + 1) * a_group) for g in group_of])


def lower_dense(state: Lowering, node: FloatNode, op: Dense, x: Lowered) -> Lowered:
    """A dense layer as a `dense` node on levels."""
    known = op.weight.quantised()
    weight = known.tensor
    if not isinstance(weight, IntTensor):
        raise RefusalError("generated weights belong to a 1x1 convolution")
    x, _, _ = _operand(state, node, x, 1, NO_PADS)
    z = state.add(DenseOp(weight, state.accumulator(weight, x.z)), x.z, name=node.name, source=node.source)
    return _result(z, known, op.bias, x, [range(op.weight.shape[1])] * op.weight.shape[0])


def _operand(
    state: Lowering, node: FloatNode, x: Lowered, groups: int, pads: Pads
) -> tuple[Lowered, Pads, tuple[int, ...]]:
    """What is multiplied with weights, with one scale a group, the pads still to be made and the integers in them."""
    try:
        one = _one_scale_a_group(state, node, state.settle(x), groups)
        if not any(pads):
            return one, NO_PADS, (0,)
        values = zeros(one)
        if one.z.type.lo <= min(values) and max(values) <= one.z.type.hi:
            return one, pads, values
        return framed(state, node, one, pads), NO_PADS, (0,)
    except RefusalError as reason:
        if not (state.is_pixels(x.z) and x.tail):
            raise
        if not state.exact_pixels:
            raise RefusalError(
                f"{reason}. These are the pixels behind a float preprocessing: quantise them in the source (they "
                "become a table), or give --pixels exact (wide integers)"
            ) from None
    return exact_pixels(state, node, x), pads, (0,)


def _generated(weight: Weights, groups: int) -> Weights:
    """The weights as a cellular automaton when its rows are those of the weights: then only the seed is stored."""
    if not isinstance(weight, IntTensor) or groups != 1 or weight.shape[2:] != (1, 1) or weight.shape[1] < MIN_ROWS:
        return weight
    states = weight.values[:, :, 0, 0].T  # row t belongs to input channel t
    bits = (states + 1) // 2
    binary = bool((np.abs(states) == 1).all()) and 0 < bits[0].sum() < bits[0].size
    if not binary or (evolve(bits[0], len(bits), RULE) != bits).any():
        return weight
    return CellularWeights.of(RULE, bits[0].tolist(), len(bits))


def _one_scale_a_group(state: Lowering, node: FloatNode, x: Lowered, groups: int) -> Lowered:
    if len(x.scale) == 1 or groups == x.channels:
        return x
    size = x.channels // groups
    units = [common_unit(x.scale[g * size : (g + 1) * size]) for g in range(groups)]
    unit = [units[c // size] for c in range(x.channels)]
    multiplier = [int(s / u) for s, u in zip(x.scale, unit, strict=True)]
    widest = max(map(abs, multiplier))
    if widest > MAX_WIDE:
        raise RefusalError(
            f"its input channels have scales that need multipliers of {widest.bit_length()} bits, over "
            f"{MAX_WIDE.bit_length() - 1}; put a quantiser here"
        )
    if set(multiplier) != {1}:
        z = state.scaled(x.z, multiplier, name=f"{node.name}.scale", source=node.source)
        state.note_width(z.name, widest)
        return Lowered(z, squeeze(unit), x.offset)
    return replace(x, scale=squeeze(unit))


def _result(z: Any, weight: QuantisedWeight, bias: Fractions | None, x: Lowered, reads: list[range]) -> Lowered:
    """Scale and offset of the sums; `reads[o]` are the input channels of output o."""
    outputs = weight.shape[0]
    weight_scale, scales, offsets = spread(weight.scale, outputs), x.scales(), x.offsets()
    out_scale = [weight_scale[o] * scales[reads[o][0]] for o in range(outputs)]
    out_offset = list(spread(bias or ZERO, outputs))
    if any(x.offset):
        a_channel = weight.tensor.values.reshape(outputs, weight.shape[1], -1).sum(axis=2)
        for o in range(outputs):
            constant = sum((int(q) * offsets[c] for q, c in zip(a_channel[o], reads[o], strict=True)), Fraction(0))
            out_offset[o] += weight_scale[o] * constant
    return Lowered(z, squeeze(out_scale), squeeze(out_offset))

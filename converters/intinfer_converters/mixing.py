"""Lowering of the ops that mix channels: convolution and dense.

Their input must be one exact integer tensor with one scale in each group. Scales of integer ratios are brought
together by an integer multiplier a channel; anything else is refused. An offset (a zero point) goes into the
padding, which then holds the integer that means real 0, and into a constant an output channel.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from intinfer.ops import Affine, Conv2d
from intinfer.ops import Dense as DenseOp
from intinfer.tensor import IntTensor, Weights

from .floatnet import FloatNode, QuantisedWeight, RealWeight
from .lowered import ZERO, Fractions, Lowered, Lowering, RefusalError, common_unit, spread, squeeze

MAX_RATIO = 2**16
"""Widest integer multiplier that brings channels of different scales together."""


def lower_conv(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    """A `conv2d` node on levels; the border is the integer that means real 0."""
    op: Any = node.op
    weight = _integers(op.weight)
    x = _one_scale_a_group(state, node, state.settle(x), op.groups)
    pad_value = _pad_values(x) if any(op.pads) else (0,)
    accumulator = state.accumulator(weight, x.z)
    conv = Conv2d(weight, op.stride, op.pads, pad_value, op.dilation, op.groups, accumulator)
    z = state.add(conv, x.z, name=node.name, source=node.source)
    outputs, a_group = op.weight.shape[0], op.weight.shape[1]
    group_of = [o * op.groups // outputs for o in range(outputs)]
    return _result(z, op.weight, op.bias, x, [range(g * a_group, (g + 1) * a_group) for g in group_of])


def lower_dense(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    """A `dense` node on levels."""
    op: Any = node.op
    weight = _integers(op.weight)
    x = _one_scale_a_group(state, node, state.settle(x), 1)
    if not isinstance(weight, IntTensor):
        raise RefusalError("generated weights belong to a 1x1 convolution")
    z = state.add(DenseOp(weight, state.accumulator(weight, x.z)), x.z, name=node.name, source=node.source)
    return _result(z, op.weight, op.bias, x, [range(op.weight.shape[1])] * op.weight.shape[0])


def _integers(weight: QuantisedWeight | RealWeight) -> Weights:
    if isinstance(weight, RealWeight):
        raise RefusalError("its weights are floating point; give --weights, --act-bits and --calibrate")
    if weight.tensor is None:
        raise RefusalError("only its structure was read; load a checkpoint to have weights")
    return weight.tensor


def _one_scale_a_group(state: Lowering, node: FloatNode, x: Lowered, groups: int) -> Lowered:
    if len(x.scale) == 1 or groups == x.channels:
        return x
    size = x.channels // groups
    units = [common_unit(x.scale[g * size : (g + 1) * size]) for g in range(groups)]
    unit = [units[c // size] for c in range(x.channels)]
    multiplier = [int(s / u) for s, u in zip(x.scale, unit, strict=True)]
    if max(map(abs, multiplier)) > MAX_RATIO:
        raise RefusalError(
            f"its input channels have scales without a small integer ratio (multipliers up to "
            f"{max(map(abs, multiplier))}, at most {MAX_RATIO}); put a quantiser here"
        )
    if set(multiplier) != {1}:
        scale = Affine(IntTensor(np.array(multiplier)), IntTensor(np.zeros(x.channels, dtype=np.int64)))
        z = state.add(scale, x.z, name=f"{node.name}.scale", source=node.source)
        return Lowered(z, squeeze(unit), x.offset)
    return Lowered(x.z, squeeze(unit), x.offset)


def _pad_values(x: Lowered) -> tuple[int, ...]:
    """Per channel the integer whose real value is 0: -offset / scale."""
    values = squeeze([-o / s for s, o in zip(x.scales(), x.offsets(), strict=True)])
    for channel, value in enumerate(values):
        if value.denominator != 1 or not x.z.type.lo <= value <= x.z.type.hi:
            raise RefusalError(
                f"its padding is real 0, which is {float(value):g} in the integers of channel {channel} "
                f"({x.z.type}), not one of them; quantise so that 0 is a level, or pad nothing"
            )
    return tuple(int(value) for value in values)


def _result(z: Any, weight: QuantisedWeight, bias: Fractions | None, x: Lowered, reads: list[range]) -> Lowered:
    """Scale and offset of the sums; `reads[o]` are the input channels of output o."""
    outputs = weight.shape[0]
    weight_scale, scales, offsets = spread(weight.scale, outputs), x.scales(), x.offsets()
    out_scale = [weight_scale[o] * scales[reads[o][0]] for o in range(outputs)]
    out_offset = list(spread(bias or ZERO, outputs))
    if any(x.offset):
        assert weight.tensor is not None
        a_channel = weight.tensor.values.reshape(outputs, weight.shape[1], -1).sum(axis=2)
        for o in range(outputs):
            constant = sum((int(q) * offsets[c] for q, c in zip(a_channel[o], reads[o], strict=True)), Fraction(0))
            out_offset[o] += weight_scale[o] * constant
    return Lowered(z, squeeze(out_scale), squeeze(out_offset))

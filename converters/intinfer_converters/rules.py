"""One lowering rule a float op: what it becomes on exact integers, or why it is refused."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from intinfer.ops import (
    Add,
    Bitshift,
    ChannelSelect,
    Concat,
    Flatten,
    MaxPool,
    Mux,
    SumPool,
    Table,
    Tgap,
)
from intinfer.tensor import IntTensor
from intinfer.types import IntType

from .evaluator import affine_of, chain_direction
from .floatnet import (
    AveragePool,
    BitshiftMean,
    Concatenate,
    Conv,
    Dense,
    FlattenMap,
    FloatNode,
    FloatOp,
    GlobalAverage,
    MaximumPool,
    Multiplex,
    Pixels,
    Pointwise,
    Quantise,
    SelectChannels,
    Sum,
    ThresholdedMean,
)
from .lowered import Lowered, Lowering, RefusalError, common_unit, squeeze
from .mixing import lower_conv, lower_dense
from .requantise import find_requant
from .thresholds import Activation, find_thresholds

MAX_MULTIPLIER = 2**16
"""Multipliers of an add of different scales; wider ones are refused."""
MAX_TABLE = 256
MANY_THRESHOLDS = 15
"""Above this, a multiply, add and shift takes the place of the thresholds where it is proven equal."""


def _pixels(state: Lowering, node: FloatNode) -> Lowered:
    op: Any = node.op
    return Lowered(state.builder.input(node.name, op.size, IntType(op.lo, op.hi)))


def _pointwise(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    op: Any = node.op
    return Lowered(x.z, x.scale, x.offset, x.tail + op.chain, x.pending + node.source)


def _quantise(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    """Close the pending chain: a table on the network's input, thresholds (or their equal requant) elsewhere."""
    op: Any = node.op
    activation = Activation(x.tail + op.chain, x.scale, x.offset, state.dtype, op.base, op.step, op.count)
    source = x.pending + node.source
    if x.z.name in (value.name for value in state.builder.inputs):
        size = x.z.type.hi - x.z.type.lo + 1
        if size > MAX_TABLE:
            raise RefusalError(f"an input quantiser of {size} values; at most {MAX_TABLE} become a table")
        every = np.arange(x.z.type.lo, x.z.type.hi + 1, dtype=np.int64)
        rows = activation.levels(np.broadcast_to(every, (x.channels, size)))
        entries = IntTensor(rows[:1] if (rows == rows[0]).all() else rows)
        table = Table(entries, x.z.type.lo, op.base, op.base + op.step * op.count)
        level = state.add(table, x.z, name=f"{x.z.name}.act", source=source)
    else:
        threshold = find_thresholds(activation, x.z.type, x.channels)
        requant = find_requant(threshold, x.z.type) if op.count > MANY_THRESHOLDS else None
        level = state.add(requant or threshold, x.z, name=f"{x.z.name}.act", source=source)
    return Lowered(level, (op.scale,), (op.offset,))


def _same_affine(*inputs: Lowered) -> Lowered:
    """The inputs' common affine, or a RefusalError: a merge of levels means nothing between different scales."""
    first = inputs[0].settled()
    for other in inputs[1:]:
        if (other.settled().scales(), other.offsets()) != (first.scales(), first.offsets()):
            raise RefusalError("its inputs have different scales; give both branches the same quantiser")
    return first


def _bitshift(state: Lowering, node: FloatNode, a: Lowered, b: Lowered) -> Lowered:
    op: Any = node.op
    common = _same_affine(a, b)
    z = state.add(Bitshift(op.bits), a.z, b.z, name=node.name, source=node.source)
    return Lowered(z, common.scale, common.offset)


def _tgap(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    op: Any = node.op
    if any(x.settled().offset) or min(x.scale) <= 0:
        raise RefusalError("it compares levels from 0 up; its input has an offset or a negative scale")
    return Lowered(state.add(Tgap(op.top), x.z, name=node.name, source=node.source))


def _mux(state: Lowering, node: FloatNode, select: Lowered, one: Lowered, zero: Lowered) -> Lowered:
    common = _same_affine(one, zero)
    z = state.add(Mux(), select.settled().z, one.z, zero.z, name=node.name, source=node.source)
    return Lowered(z, common.scale, common.offset)


def _sum(state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
    """p * z1 + q * z2 on the largest common unit of the scales."""
    scales = [x.settled().scale for x in inputs]
    if any(len(s) > 1 for s in scales) and len({x.scales() for x in inputs}) > 1:
        raise RefusalError("its inputs have different per-channel scales; put one quantiser a branch before the add")
    unit = common_unit([s[0] for s in scales])
    multipliers = [1] * len(inputs) if len(set(scales)) == 1 else [int(s[0] / unit) for s in scales]
    if max(map(abs, multipliers)) > MAX_MULTIPLIER:
        raise RefusalError(
            f"its inputs' scales have no small integer ratio: multipliers {multipliers} exceed {MAX_MULTIPLIER}; "
            "give the branches scales of a small ratio"
        )
    z = state.add(Add(tuple(multipliers)), *(x.z for x in inputs), name=node.name, source=node.source)
    offsets = [sum(column, Fraction(0)) for column in zip(*(x.offsets() for x in inputs), strict=True)]
    return Lowered(z, scales[0] if len(set(scales)) == 1 else (unit,), squeeze(offsets))


def _concat(state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
    """Each channel keeps its own scale."""
    scales = [s for x in inputs for s in x.settled().scales()]
    offsets = [o for x in inputs for o in x.offsets()]
    z = state.add(Concat(), *(x.z for x in inputs), name=node.name, source=node.source)
    return Lowered(z, squeeze(scales), squeeze(offsets))


def _select(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    op: Any = node.op
    indices = np.array(op.indices, dtype=np.int64)
    z = state.add(ChannelSelect(IntTensor(indices)), x.z, name=node.name, source=node.source)
    scale = squeeze([x.scales()[i] for i in op.indices])
    offset = squeeze([x.offsets()[i] for i in op.indices])
    return Lowered(z, scale, offset, tuple(p.select(indices) for p in x.tail), x.pending)


def _max_pool(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    """Commutes with a non-decreasing chain only; a negative gamma breaks it."""
    op: Any = node.op
    falling = np.flatnonzero(chain_direction(x.tail, x.scale, x.channels) < 0)
    if falling.size:
        raise RefusalError(
            f"the float ops before it fall in {falling.size} of {x.channels} channels (the first is {falling[0]}): "
            "the maximum does not pass a falling function; put the quantiser before the pool"
        )
    z = state.add(MaxPool(op.kernel, op.stride, op.pads, op.dilation), x.z, name=node.name, source=node.source)
    return Lowered(z, x.scale, x.offset, x.tail, x.pending)


def _mean(state: Lowering, node: FloatNode, x: Lowered, pool: SumPool, name: str) -> Lowered:
    """Sum now, 1/count into the scale; a pending affine commutes with the mean exactly."""
    folded = affine_of(x.tail, x.channels)
    if folded is None:
        x.settled()
        raise AssertionError("a chain that is not affine is pending")
    z = state.add(pool, x.z, name=name, source=node.source)
    count = pool.kernel[0] * pool.kernel[1]
    scale = [a * s / count for a, s in zip(folded[0], x.scales(), strict=True)]
    offset = [a * o + b for a, o, b in zip(folded[0], x.offsets(), folded[1], strict=True)]
    return Lowered(z, squeeze(scale), squeeze(offset), (), x.pending)


def _average_pool(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    op: Any = node.op
    return _mean(state, node, x, SumPool(op.kernel, op.stride, (0, 0, 0, 0)), node.name)


def _global_average(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    height, width = x.z.shape[1:]
    mean = _mean(state, node, x, SumPool((height, width), (1, 1), (0, 0, 0, 0)), f"{x.z.name}.gap")
    flat = state.add(Flatten(), mean.z, name=f"{mean.z.name}.flat", source=node.source)
    return Lowered(flat, mean.scale, mean.offset, (), mean.pending)


def _flatten(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    """Each element keeps its channel's scale and pending ops."""
    channel_of = np.repeat(np.arange(x.channels), x.z.size // x.channels)
    z = state.add(Flatten(), x.z, name=node.name, source=node.source)
    scale = squeeze([x.scales()[c] for c in channel_of])
    offset = squeeze([x.offsets()[c] for c in channel_of])
    return Lowered(z, scale, offset, tuple(p.select(channel_of) for p in x.tail), x.pending)


Rule = Callable[..., Lowered]
RULES: dict[type[FloatOp], Rule] = {
    Pixels: _pixels,
    Conv: lower_conv,
    Dense: lower_dense,
    Pointwise: _pointwise,
    Quantise: _quantise,
    BitshiftMean: _bitshift,
    ThresholdedMean: _tgap,
    Multiplex: _mux,
    Sum: _sum,
    Concatenate: _concat,
    SelectChannels: _select,
    MaximumPool: _max_pool,
    AveragePool: _average_pool,
    GlobalAverage: _global_average,
    FlattenMap: _flatten,
}

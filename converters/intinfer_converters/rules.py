"""One lowering rule a float op: what it becomes on exact integers, or why it is refused."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from intinfer.ops import (
    Add,
    Affine,
    ArgMax,
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
from intinfer.ops import Gather as GatherOp
from intinfer.tensor import IntTensor
from intinfer.types import IntType

from .evaluator import chain_direction
from .floatnet import (
    AveragePool,
    BitshiftMean,
    Concatenate,
    Conv,
    Dense,
    FlattenMap,
    FloatNode,
    FloatOp,
    Gather,
    GlobalAverage,
    GlobalSum,
    IntegerOp,
    MaximumPool,
    Multiplex,
    Pixels,
    Pointwise,
    Quantise,
    SelectChannels,
    Sum,
    ThresholdedMean,
)
from .lowered import ONE, ZERO, Lowered, Lowering, RefusalError, common_unit, squeeze
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
    activation = Activation(x.tail + op.chain, x.scale, x.offset, state.dtype, op.base or 0, op.step, op.count or 0)
    if op.count is None:
        activation = activation.bounded(x.z.type, x.channels)
    base, step, count = activation.base, activation.step, activation.count
    source = x.pending + node.source
    if x.z.name in (value.name for value in state.builder.inputs):
        size = x.z.type.hi - x.z.type.lo + 1
        if size > MAX_TABLE:
            raise RefusalError(f"an input quantiser of {size} values; at most {MAX_TABLE} become a table")
        every = np.arange(x.z.type.lo, x.z.type.hi + 1, dtype=np.int64)
        rows = activation.levels(np.broadcast_to(every, (x.channels, size)))
        entries = IntTensor(rows[:1] if (rows == rows[0]).all() else rows)
        table = Table(entries, x.z.type.lo, base, base + step * count)
        level = state.add(table, x.z, name=f"{x.z.name}.act", source=source)
    else:
        threshold = find_thresholds(activation, x.z.type, x.channels)
        requant = find_requant(threshold, x.z.type) if count > MANY_THRESHOLDS else None
        level = state.add(requant or threshold, x.z, name=f"{x.z.name}.act", source=source)
    return Lowered(level)


def _same_affine(state: Lowering, *inputs: Lowered) -> tuple[Lowered, ...]:
    """The inputs settled, or a RefusalError: a merge of levels means nothing between different scales."""
    settled = tuple(state.settle(x) for x in inputs)
    first = settled[0]
    for other in settled[1:]:
        if (other.scales(), other.offsets()) != (first.scales(), first.offsets()):
            raise RefusalError("its inputs have different scales; give both branches the same quantiser")
    return settled


def _bitshift(state: Lowering, node: FloatNode, a: Lowered, b: Lowered) -> Lowered:
    op: Any = node.op
    a, b = _same_affine(state, a, b)
    z = state.add(Bitshift(op.bits), a.z, b.z, name=node.name, source=node.source)
    return Lowered(z, a.scale, a.offset)


def _tgap(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    op: Any = node.op
    x = state.settle(x)
    if any(x.offset) or min(x.scale) <= 0:
        raise RefusalError("it compares levels from 0 up; its input has an offset or a negative scale")
    return Lowered(state.add(Tgap(op.top), x.z, name=node.name, source=node.source))


def _mux(state: Lowering, node: FloatNode, select: Lowered, one: Lowered, zero: Lowered) -> Lowered:
    one, zero = _same_affine(state, one, zero)
    select = state.settle(select)
    if (select.scale, select.offset) != (ONE, ZERO):
        raise RefusalError(f"its select has scale {select.scale[0]} and offset {select.offset[0]}; it is a 0/1 tensor")
    z = state.add(Mux(), select.z, one.z, zero.z, name=node.name, source=node.source)
    return Lowered(z, one.scale, one.offset)


def _sum(state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
    """p * z1 + q * z2 on the largest common unit of the scales."""
    op: Any = node.op
    inputs = tuple(state.settle(x) for x in inputs)
    scales = [x.scale for x in inputs]
    if any(len(s) > 1 for s in scales) and len({x.scales() for x in inputs}) > 1:
        raise RefusalError("its inputs have different per-channel scales; put one quantiser a branch before the add")
    signs = op.signs or (1,) * len(inputs)
    unit = common_unit([s[0] for s in scales])
    multipliers = list(signs)
    if len(set(scales)) > 1:
        multipliers = [sign * int(s[0] / unit) for sign, s in zip(signs, scales, strict=True)]
    if max(map(abs, multipliers)) > MAX_MULTIPLIER:
        raise RefusalError(
            f"its inputs' scales have no small integer ratio: multipliers {multipliers} exceed {MAX_MULTIPLIER}; "
            "give the branches scales of a small ratio"
        )
    z = state.add(Add(tuple(multipliers)), *(x.z for x in inputs), name=node.name, source=node.source)
    columns = zip(*(x.offsets() for x in inputs), strict=True)
    offsets = [sum((sign * o for sign, o in zip(signs, column, strict=True)), Fraction(0)) for column in columns]
    return Lowered(z, scales[0] if len(set(scales)) == 1 else (unit,), squeeze(offsets))


def _concat(state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
    """Each channel keeps its own scale."""
    inputs = tuple(state.settle(x) for x in inputs)
    scales = [s for x in inputs for s in x.scales()]
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


def _pooled(state: Lowering, node: FloatNode, x: Lowered, pool: SumPool, count: int, name: str) -> Lowered:
    """The sum of each window now, 1/count into the scale; an offset is added once a term."""
    x = state.settle(x)
    terms = pool.kernel[0] * pool.kernel[1]
    if any(pool.pads) and any(x.offset):
        raise RefusalError(
            f"its padding is real 0, its input has an offset of {float(max(x.offset, key=abs)):g}: 0 is no level; "
            "quantise so that the integer 0 means 0, or pad nothing"
        )
    z = state.add(pool, x.z, name=name, source=node.source)
    scale, offset = squeeze([s / count for s in x.scale]), squeeze([o * terms / count for o in x.offset])
    return Lowered(z, scale, offset, (), x.pending)


def _average_pool(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    op: Any = node.op
    pool = SumPool(op.kernel, op.stride, op.pads)
    return _pooled(state, node, x, pool, op.kernel[0] * op.kernel[1], node.name)


def _global_pool(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    height, width = x.z.shape[1:]
    count = 1 if isinstance(node.op, GlobalSum) else height * width
    pool = SumPool((height, width), (1, 1), (0, 0, 0, 0))
    pooled = _pooled(state, node, x, pool, count, f"{x.z.name}.gap")
    flat = state.add(Flatten(), pooled.z, name=f"{pooled.z.name}.flat", source=node.source)
    return Lowered(flat, pooled.scale, pooled.offset, (), pooled.pending)


def _gather(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    """Pending ops and scales go along where they are the same for every channel; a constant needs its integer."""
    op: Any = node.op
    pads = bool((op.index < 0).any())
    if pads or len(x.scale) > 1 or len(x.offset) > 1 or any(p.kind != "clip" and p.operand is not None for p in x.tail):
        x = state.settle(x)
    fill = _fill(x, op.fill) if pads else 0
    scale, offset = x.scale, x.offset
    if len(scale) > 1 or len(offset) > 1:
        size = x.z.size // x.channels
        rows = np.where(op.index < 0, -1, op.index // size).reshape(op.size[0], -1)
        first = rows.max(axis=1)
        if ((rows != first[:, None]) & (rows >= 0)).any():
            raise RefusalError(
                "it moves elements between channels, which have scales of their own; put one quantiser before it"
            )
        scale = squeeze([x.scales()[c] for c in first])
        offset = squeeze([x.offsets()[c] for c in first])
    z = state.add(
        GatherOp(index=IntTensor(op.index), shape=op.size, fill=fill), x.z, name=node.name, source=node.source
    )
    return Lowered(z, scale, offset, x.tail, x.pending)


def _fill(x: Lowered, number: Fraction) -> int:
    """The integer that means `number` in every channel."""
    wanted = {(number - o) / s for s, o in zip(x.scales(), x.offsets(), strict=True) if s}
    if len(wanted) != 1 or next(iter(wanted)).denominator != 1:
        values = ", ".join(f"{float(value):g}" for value in sorted(wanted)[:3])
        raise RefusalError(
            f"its constant {float(number):g} is {values} in the integers of its input, not one of them in every "
            "channel; quantise so that it is a level"
        )
    return int(next(iter(wanted)))


def _integer_op(state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
    """An op on the integers themselves; the scale of what is only ordered does not matter."""
    op: Any = node.op
    settled = [state.settle(x) for x in inputs]
    if isinstance(op.op, ArgMax):
        (x,) = settled
        if len(x.scale) > 1 or len(x.offset) > 1 or x.scale[0] <= 0:
            raise RefusalError("its scores have a scale a class; put one quantiser, or one scale, before it")
    else:
        settled = [_as_integers(state, x, node) for x in settled]
    return Lowered(state.add(op.op, *(x.z for x in settled), name=node.name, source=node.source))


def _as_integers(state: Lowering, x: Lowered, node: FloatNode) -> Lowered:
    """`x` with scale 1 and offset 0: an `affine` where they are other integers."""
    if (x.scale, x.offset) == (ONE, ZERO):
        return x
    if any(number.denominator != 1 for number in (*x.scale, *x.offset)):
        raise RefusalError("it works on integers, its input is none; dequantise behind it, not before")
    multiplier, offset = (IntTensor(np.array([int(n) for n in numbers])) for numbers in (x.scales(), x.offsets()))
    return Lowered(state.add(Affine(multiplier, offset), x.z, name=f"{node.name}.integers", source=node.source))


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
    GlobalAverage: _global_pool,
    GlobalSum: _global_pool,
    Gather: _gather,
    IntegerOp: _integer_op,
    FlattenMap: _flatten,
}

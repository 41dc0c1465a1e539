"""One lowering rule a float op: what it becomes on exact integers, or why it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from intinfer.graph import Value
from intinfer.ops import (
    Affine,
    ArgMax,
    Bitshift,
    ChannelSelect,
    Concat,
    Flatten,
    MaxPool,
    Mux,
    SumPool,
    Tgap,
)
from intinfer.ops import Gather as GatherOp
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, IntType

from .border import NO_PADS, framed
from .evaluator import Chain, Primitive, chain_direction, evaluate
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
from .lowered import MAX_WIDE, ONE, ZERO, Lowered, Lowering, RefusalError, common_unit, same_chain, squeeze
from .mixing import lower_conv, lower_dense
from .quantise import lower_quantise
from .sums import lower_sum


def _pixels(state: Lowering, node: FloatNode) -> Lowered:
    op: Any = node.op
    return Lowered(state.builder.input(node.name, op.size, IntType(op.lo, op.hi)))


def _pointwise(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    op: Any = node.op
    return replace(x, tail=x.tail + op.chain, pending=x.pending + node.source)


def _same_meaning(state: Lowering, *inputs: Lowered) -> tuple[Lowered, ...]:
    """The inputs, as they are or settled, of which equal integers mean equal real values; else a RefusalError."""
    first = inputs[0]
    if all(_alike(first, other) and same_chain(first.tail, other.tail) for other in inputs):
        return inputs
    settled = tuple(state.settle(x) for x in inputs)
    if not all(_alike(settled[0], other) for other in settled):
        raise RefusalError("its inputs have different scales; give both branches the same quantiser")
    return settled


def _alike(one: Lowered, other: Lowered) -> bool:
    return (one.scales(), one.offsets()) == (other.scales(), other.offsets())


def _bitshift(state: Lowering, node: FloatNode, a: Lowered, b: Lowered) -> Lowered:
    op: Any = node.op
    a, b = _same_meaning(state, state.settle(a), state.settle(b))
    z = state.add(Bitshift(op.bits), a.z, b.z, name=node.name, source=node.source)
    return Lowered(z, a.scale, a.offset)


def _tgap(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    op: Any = node.op
    x = state.settle(x)
    if any(x.offset) or min(x.scale) <= 0:
        raise RefusalError("it compares levels from 0 up; its input has an offset or a negative scale")
    return Lowered(state.add(Tgap(op.top), x.z, name=node.name, source=node.source))


def _mux(state: Lowering, node: FloatNode, select: Lowered, one: Lowered, zero: Lowered) -> Lowered:
    one, zero = _same_meaning(state, one, zero)
    select = state.settle(select)
    if (select.scale, select.offset) != (ONE, ZERO):
        raise RefusalError(f"its select has scale {select.scale[0]} and offset {select.offset[0]}; it is a 0/1 tensor")
    z = state.add(Mux(), select.z, one.z, zero.z, name=node.name, source=node.source)
    return replace(one, z=z)


def _concat(state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
    """Each channel keeps its own scale, and its pending ops where they are of the same kinds in all inputs."""
    tail = _joined([x.tail for x in inputs], [x.channels for x in inputs])
    if tail is None:
        inputs = tuple(state.settle(x) for x in inputs)
    z = state.add(Concat(), *(x.z for x in inputs), name=node.name, source=node.source)
    scale, offset = squeeze([s for x in inputs for s in x.scales()]), squeeze([o for x in inputs for o in x.offsets()])
    pending = tuple(dict.fromkeys(name for x in inputs for name in x.pending))
    return Lowered(z, scale, offset, tail or (), pending)


def _joined(chains: list[Chain], channels: list[int]) -> Chain | None:
    """One chain that does with the channels of each part what its own does; None where there is none."""
    first = chains[0]
    if any(tuple(p.kind for p in chain) != tuple(p.kind for p in first) for chain in chains[1:]):
        return None
    joined = []
    for column in zip(*chains, strict=True):
        primitive = column[0]
        if all(primitive.same(other) for other in column[1:]) and primitive.channels == 1:
            joined.append(primitive)
            continue
        operands = [p.operand for p in column if p.operand is not None]
        if primitive.kind in ("clip", "count"):
            return None
        wide = [np.broadcast_to(operand, (count,)) for operand, count in zip(operands, channels, strict=True)]
        joined.append(Primitive(primitive.kind, np.concatenate(wide)))
    return tuple(joined)


def _select(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    op: Any = node.op
    indices = np.array(op.indices, dtype=np.int64)
    z = state.add(ChannelSelect(IntTensor(indices)), x.z, name=node.name, source=node.source)
    return _of_channels(x, indices, z)


def _max_pool(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    """Commutes with a non-decreasing chain; where the chain falls, the largest value is that of the least integer."""
    op: Any = node.op
    signs = np.where(chain_direction(x.tail, x.scale, x.channels) < 0, -1, 1)
    pool = MaxPool(op.kernel, op.stride, op.pads, op.dilation)
    z = state.add(pool, _turned(state, node, x.z, signs), name=node.name, source=node.source)
    return replace(x, z=_turned(state, node, z, signs))


def _turned(state: Lowering, node: FloatNode, z: Value, signs: IntArray) -> Value:
    """`z` times 1 or -1 a channel."""
    if (signs == 1).all():
        return z
    op = Affine(IntTensor(signs), IntTensor(np.zeros_like(signs)))
    return state.add(op, z, name=f"{node.name}.turned", source=node.source)


def _pooled(state: Lowering, node: FloatNode, x: Lowered, pool: SumPool, count: int, name: str) -> Lowered:
    """The sum of each window now, 1/count into the scale; an offset is added once a term."""
    x = state.settle(x)
    terms = pool.kernel[0] * pool.kernel[1]
    if any(pool.pads) and any(x.offset):
        x = framed(state, node, x, pool.pads)
        pool = SumPool(pool.kernel, pool.stride, NO_PADS)
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
    pool = SumPool((height, width), (1, 1), NO_PADS)
    pooled = _pooled(state, node, x, pool, count, f"{x.z.name}.gap")
    flat = state.add(Flatten(), pooled.z, name=f"{pooled.z.name}.flat", source=node.source)
    return Lowered(flat, pooled.scale, pooled.offset, (), pooled.pending)


def _gather(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    """Each channel of the result takes scale and pending ops of the one that it reads; where it reads several, all get
    one scale. A constant needs an integer that means it."""
    op: Any = node.op
    channels = _reads(op, x) if _by_channel(x) else None
    pads = bool((op.index < 0).any())
    fill = _fill_of_pending(state, x, op.fill) if pads else 0
    if fill is None or (_by_channel(x) and channels is None):
        x = state.settle(x)
    if _by_channel(x) and channels is None:
        x = _in_units(state, node, x, common_unit([*x.scale, *x.offset, *([op.fill] if pads else [])]))
    if pads and not x.tail:
        fill = _fill(x, op.fill)
    z = state.add(GatherOp(IntTensor(op.index.reshape(op.size)), fill or 0), x.z, name=node.name, source=node.source)
    return replace(x, z=z) if channels is None else _of_channels(x, channels, z)


def _fill_of_pending(state: Lowering, x: Lowered, number: Fraction) -> int | None:
    """0 or an end of the type, if the pending ops make `number` of it in every channel (a ReLU may)."""
    ends = (x.z.type.lo, x.z.type.hi)
    for z in (0, *ends) if ends[0] <= 0 <= ends[1] else ends:
        values = evaluate(x.tail, np.full((x.channels, 1), z, dtype=np.int64), x.scale, x.offset, state.dtype)
        if np.isfinite(values).all() and all(Fraction(value) == number for value in values[:, 0].tolist()):
            return z
    return None


def _by_channel(x: Lowered) -> bool:
    """Whether the meaning of `x` differs between its channels."""
    return max(len(x.scale), len(x.offset), *(p.channels for p in x.tail), 1) > 1


def _reads(op: Gather, x: Lowered) -> IntArray | None:
    """For each channel of a gather's result the only channel of `x` that it reads; None if it reads several."""
    rows = np.where(op.index < 0, -1, op.index // (x.z.size // x.channels)).reshape(op.size[0], -1)
    first: IntArray = np.maximum(rows.max(axis=1), 0)
    return None if ((rows != first[:, None]) & (rows >= 0)).any() else first


def _of_channels(x: Lowered, channels: IntArray, z: Value) -> Lowered:
    """What `z` means, whose channels are the given ones of `x`."""
    scale, offset = squeeze([x.scales()[c] for c in channels]), squeeze([x.offsets()[c] for c in channels])
    return Lowered(z, scale, offset, tuple(p.select(channels) for p in x.tail), x.pending)


def _fill(x: Lowered, number: Fraction) -> int:
    """The integer that means `number` in every channel."""
    if any(not s and o != number for s, o in zip(x.scales(), x.offsets(), strict=True)):
        raise RefusalError(f"its constant {float(number):g} joins a channel that is another constant")
    wanted = {(number - o) / s for s, o in zip(x.scales(), x.offsets(), strict=True) if s} or {Fraction(0)}
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
        settled = [_ordered(state, x, node) for x in settled]
    else:
        settled = [_as_integers(state, x, node) for x in settled]
    return Lowered(state.add(op.op, *(x.z for x in settled), name=node.name, source=node.source))


def _ordered(state: Lowering, x: Lowered, node: FloatNode) -> Lowered:
    """Scores whose integers are in the order of their real values."""
    if len(x.scale) == len(x.offset) == 1 and x.scale[0] > 0:
        return x
    return _in_units(state, node, x, common_unit([*x.scale, *x.offset]))


def _as_integers(state: Lowering, x: Lowered, node: FloatNode) -> Lowered:
    """`x` with scale 1 and offset 0: an `affine` where they are other integers."""
    if (x.scale, x.offset) == (ONE, ZERO):
        return x
    if any(number.denominator != 1 for number in (*x.scale, *x.offset)):
        raise RefusalError("it works on integers, its input is none; dequantise behind it, not before")
    return _in_units(state, node, x, Fraction(1))


def _in_units(state: Lowering, node: FloatNode, x: Lowered, unit: Fraction) -> Lowered:
    """`x` as multiples of one unit in all channels, of which scales and offsets are multiples."""
    multiplier, offset = ([int(n / unit) for n in numbers] for numbers in (x.scales(), x.offsets()))
    widest = max(map(abs, (*multiplier, *offset)))
    if widest > MAX_WIDE:
        raise RefusalError(
            f"it needs one scale for all channels, which takes integers of {widest.bit_length()} bits, over "
            f"{MAX_WIDE.bit_length() - 1}; put one quantiser before it"
        )
    op = Affine(IntTensor(np.array(multiplier)), IntTensor(np.array(offset)))
    z = state.add(op, x.z, name=f"{node.name}.scale", source=node.source)
    state.note_width(z.name, widest)
    return Lowered(z, (unit,), ZERO, (), x.pending)


def _flatten(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    """Each element keeps its channel's scale and pending ops."""
    channel_of = np.repeat(np.arange(x.channels), x.z.size // x.channels)
    z = state.add(Flatten(), x.z, name=node.name, source=node.source)
    return _of_channels(x, channel_of, z)


Rule = Callable[..., Lowered]
RULES: dict[type[FloatOp], Rule] = {
    Pixels: _pixels,
    Conv: lower_conv,
    Dense: lower_dense,
    Pointwise: _pointwise,
    Quantise: lower_quantise,
    BitshiftMean: _bitshift,
    ThresholdedMean: _tgap,
    Multiplex: _mux,
    Sum: lower_sum,
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

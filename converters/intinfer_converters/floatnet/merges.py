"""Ops that bring several tensors together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from intinfer.graph import Shape
from intinfer.ops import Bitshift, Concat, Mux, Tgap

from .. import float_error
from ..evaluator import Chain, FloatArray
from ..float_error import FloatFormat, Norm, Real
from ..lowered import ONE, ZERO, Lowered, Lowering, RefusalError, same_chain, squeeze
from ..primitives import Primitive
from ..sums import lower_sum
from .base import Exact, Executor, FloatNode, FloatOp, OnGrid, Reads, SameShape, Status, integers, merged, raw


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


@dataclass(frozen=True, eq=False)
class BitshiftMean(Exact, SameShape):
    """floor((a + b) / 2) of two k-bit level tensors; OR for k = 1."""

    bits: int
    reads = Reads.CHOSEN

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The rounded-down mean, or the larger one of two bits."""
        a, b = inputs
        return np.maximum(a, b) if self.bits == 1 else np.floor((a + b) / 2)

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """Levels on the grid of its inputs."""
        return merged(inputs)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """A `bitshift` of levels of one meaning."""
        a, b = _same_meaning(state, *(state.settle(x) for x in inputs))
        z = state.add(Bitshift(self.bits), a.z, b.z, name=node.name, source=node.source)
        return Lowered(z, a.scale, a.offset)


@dataclass(frozen=True, eq=False)
class ThresholdedMean(Exact):
    """TGAP of levels 0..top: one bit a channel."""

    top: int
    reads = Reads.LEVELS

    def shape(self, *inputs: Shape) -> Shape:
        """(C, H, W) -> (C,)."""
        return inputs[0][:1]

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """Whether twice the sum of a map is above top * H * W."""
        (x,) = inputs
        return np.asarray(2 * x.sum(axis=(2, 3)) > self.top * x.shape[2] * x.shape[3])

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """The integers 0 and 1."""
        return integers(positive=True)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """A `tgap` of levels from 0 up."""
        x = state.settle(inputs[0])
        if any(x.offset) or min(x.scale) <= 0:
            raise RefusalError("it compares levels from 0 up; its input has an offset or a negative scale")
        return Lowered(state.add(Tgap(self.top), x.z, name=node.name, source=node.source))


class Multiplex(FloatOp):
    """A choice a channel, by the bit of its first input: the second input where it is 1, the third where it is 0."""

    reads, selects = Reads.CHOSEN, 1

    def shape(self, *inputs: Shape) -> Shape:
        """The shape of what is chosen from."""
        return inputs[1]

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The second input where the first is not 0, else the third."""
        select, one, zero = inputs
        return np.where(_spread(select, one), one, zero)

    def error(self, format_: FloatFormat, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        """The error of the input that is chosen."""
        select, one, zero = inputs
        mask = _spread(select.value, one.value)
        value, error = (np.where(mask, a, b) for a, b in ((one.value, zero.value), (one.error, zero.error)))
        return Real(value, error, min(one.grid, zero.grid))

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """The grid of what is chosen from."""
        return merged(inputs[1:])

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """A `mux` of inputs of one meaning, whose pending ops stay pending where they are the same."""
        select, one, zero = inputs
        one, zero = _same_meaning(state, one, zero)
        select = state.settle(select)
        if (select.scale, select.offset) != (ONE, ZERO):
            raise RefusalError(
                f"its select has scale {select.scale[0]} and offset {select.offset[0]}; it is a 0/1 tensor"
            )
        z = state.add(Mux(), select.z, one.z, zero.z, name=node.name, source=node.source)
        return replace(one, z=z)


def _spread(select: FloatArray, like: FloatArray) -> FloatArray:
    """Where (N, C) is not 0, to broadcast over (N, C, ...)."""
    return np.asarray(select.reshape(*select.shape[:2], *[1] * (like.ndim - 2)) != 0)


@dataclass(frozen=True, eq=False)
class Sum(SameShape):
    """Elementwise real addition; `signs` are +1 or -1 an input, () for all +1."""

    signs: tuple[int, ...] = ()
    reads = Reads.SUMMED

    def signs_of(self, count: int) -> tuple[int, ...]:
        """A sign for each of `count` inputs."""
        return self.signs or (1,) * count

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The sum of the inputs from left to right."""
        first, *others = self.signs_of(len(inputs))
        total: FloatArray = inputs[0] * floats.dtype.type(first)
        for sign, x in zip(others, inputs[1:], strict=True):
            total = total + x if sign > 0 else total - x
        return total

    def error(self, format_: FloatFormat, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        """The bound of a sum in any order."""
        return float_error.added(inputs, self.signs_of(len(inputs)), format_)

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """A sum that needs a quantiser; it is never negative when no term is."""
        return raw(all(x.positive for x in inputs) and min(self.signs_of(len(inputs))) > 0)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """An `add`, or a sum that waits for its reader, see `sums`."""
        return lower_sum(state, node, self.signs_of(len(inputs)), inputs)


class Concatenate(FloatOp):
    """The channels of the inputs, one input behind the other."""

    reads = Reads.JOINED

    def shape(self, *inputs: Shape) -> Shape:
        """The extents of all inputs along the channels, one shape otherwise."""
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The inputs side by side."""
        return np.concatenate(inputs, axis=1)

    def error(self, format_: FloatFormat, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        """The errors side by side."""
        value, error = (np.concatenate(parts, 1) for parts in zip(*((x.value, x.error) for x in inputs), strict=True))
        return Real(value, error, min(x.grid for x in inputs))

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """The grid of the inputs, or several of them where different quantisers meet."""
        joined = merged(inputs)
        return joined if len(joined.origins) < 2 else replace(joined, status=Status.MIXED)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """Each channel keeps its own scale, and its pending ops where they are of the same kinds in all inputs."""
        tail = _joined([x.tail for x in inputs], [x.channels for x in inputs])
        if tail is None:
            inputs = tuple(state.settle(x) for x in inputs)
        z = state.add(Concat(), *(x.z for x in inputs), name=node.name, source=node.source)
        scale = squeeze([s for x in inputs for s in x.scales()])
        offset = squeeze([o for x in inputs for o in x.offsets()])
        pending = tuple(dict.fromkeys(name for x in inputs for name in x.pending))
        return Lowered(z, scale, offset, tail or (), pending)


def _joined(chains: list[Chain], channels: list[int]) -> Chain | None:
    """One chain that does with the channels of each part what its own does; None where there is none."""
    first = chains[0]
    if any(list(map(type, chain)) != list(map(type, first)) for chain in chains[1:]):
        return None
    joined: list[Primitive] = []
    for column in zip(*chains, strict=True):
        primitive = column[0]
        if all(primitive.same(other) for other in column[1:]) and primitive.channels == 1:
            joined.append(primitive)
            continue
        wide = primitive.joined([p.operand for p in column if p.operand is not None], channels)
        if wide is None:
            return None
        joined.append(wide)
    return tuple(joined)

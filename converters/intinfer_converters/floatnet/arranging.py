"""Ops that only move elements."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from intinfer.graph import Shape, Value
from intinfer.ops import ChannelSelect, Flatten
from intinfer.ops import Gather as GatherOp
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from ..evaluator import FloatArray, evaluate
from ..float_error import FloatFormat, Norm, Real, lowest_bit
from ..lowered import Lowered, Lowering, RefusalError, common_unit, squeeze
from .base import Executor, FloatNode, FloatOp, OnGrid, Reads


def _of_channels(x: Lowered, channels: IntArray, z: Value) -> Lowered:
    """What `z` means, whose channels are the given ones of `x`."""
    scale, offset = squeeze([x.scales()[c] for c in channels]), squeeze([x.offsets()[c] for c in channels])
    return Lowered(z, scale, offset, tuple(p.select(channels) for p in x.tail), x.pending)


class _Moves(FloatOp):
    """An op that only moves elements."""

    reads = Reads.PASSED
    fill: Fraction = Fraction(0)

    @abstractmethod
    def _moved(self, x: Any, fill: float) -> Any:
        """The elements of (N, ...) in the result's order, and `fill` where it reads none."""

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The elements as they are."""
        return np.asarray(self._moved(inputs[0], float(self.fill)))

    def error(self, format_: FloatFormat, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        """The errors move with the elements."""
        (x,) = inputs
        return Real(self._moved(x.value, float(self.fill)), self._moved(x.error, 0.0), x.grid)


@dataclass(frozen=True, eq=False)
class SelectChannels(_Moves):
    """out[i] = in[indices[i]]: shuffle, slice, split, index-select."""

    indices: tuple[int, ...]
    reads = Reads.WAITING

    def shape(self, *inputs: Shape) -> Shape:
        """(C, ...) -> (number of indices, ...)."""
        return (len(self.indices), *inputs[0][1:])

    def _moved(self, x: Any, fill: float) -> Any:
        return x[:, list(self.indices)]

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """A `channel_select`; each channel keeps its scale and pending ops."""
        (x,) = inputs
        indices = np.array(self.indices, dtype=np.int64)
        z = state.add(ChannelSelect(IntTensor(indices)), x.z, name=node.name, source=node.source)
        return _of_channels(x, indices, z)


class FlattenMap(_Moves):
    """A map (C, H, W) as one vector (C*H*W,), in C order."""

    def shape(self, *inputs: Shape) -> Shape:
        """(C, H, W) -> (C*H*W,)."""
        return (prod(inputs[0]),)

    def _moved(self, x: Any, fill: float) -> Any:
        return x.reshape(len(x), -1)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """Each element keeps its channel's scale and pending ops."""
        (x,) = inputs
        channel_of = np.repeat(np.arange(x.channels), x.z.size // x.channels)
        z = state.add(Flatten(), x.z, name=node.name, source=node.source)
        return _of_channels(x, channel_of, z)


@dataclass(frozen=True, eq=False)
class Gather(_Moves):
    """out.flat[i] = in.flat[index[i]]; where the index is -1, the real number `fill`.

    Pads, crops, strided slices, nearest resizes, depth to space, and any other order of the elements.
    """

    size: Shape
    index: IntArray
    fill: Fraction = Fraction(0)

    def shape(self, *inputs: Shape) -> Shape:
        """The size that was stated, whatever the input's."""
        return self.size

    @property
    def fills(self) -> bool:
        """Whether `fill` is in its result."""
        return bool((self.index < 0).any())

    def _moved(self, x: Any, fill: float) -> Any:
        flat = x.reshape(len(x), -1)[:, self.index]
        if self.fills:
            flat[:, self.index < 0] = fill
        return flat.reshape(len(x), *self.size)

    def error(self, format_: FloatFormat, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        """A constant that is filled in has no error, and must lie on the grid."""
        real = super().error(format_, norm, settled, *inputs)
        return replace(real, grid=min(real.grid, lowest_bit(np.array([float(self.fill)])))) if self.fills else real

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """The input's grid; a negative constant makes it signed."""
        return replace(inputs[0], positive=inputs[0].positive and self.fill >= 0)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """Each channel of the result takes scale and pending ops of the one that it reads; where it reads several, all
        get one scale. A constant needs an integer that means it."""
        (x,) = inputs
        channels = self._reads(x) if x.by_channel else None
        fill = self._fill_of_pending(state, x) if self.fills else 0
        if fill is None or (x.by_channel and channels is None):
            x = state.settle(x)
        if x.by_channel and channels is None:
            unit = common_unit([*x.scale, *x.offset, *([self.fill] if self.fills else [])])
            x = state.in_units(node, x, unit)
        if self.fills and not x.tail:
            fill = self._integer_fill(x)
        op = GatherOp(IntTensor(self.index.reshape(self.size)), fill or 0)
        z = state.add(op, x.z, name=node.name, source=node.source)
        return replace(x, z=z) if channels is None else _of_channels(x, channels, z)

    def _reads(self, x: Lowered) -> IntArray | None:
        """For each channel of the result the only channel of `x` that it reads; None if it reads several."""
        rows = np.where(self.index < 0, -1, self.index // (x.z.size // x.channels)).reshape(self.size[0], -1)
        first: IntArray = np.maximum(rows.max(axis=1), 0)
        return None if ((rows != first[:, None]) & (rows >= 0)).any() else first

    def _fill_of_pending(self, state: Lowering, x: Lowered) -> int | None:
        """0 or an end of the type, if the pending ops make `fill` of it in every channel (a ReLU may)."""
        ends = (x.z.type.lo, x.z.type.hi)
        for z in (0, *ends) if ends[0] <= 0 <= ends[1] else ends:
            values = evaluate(x.tail, np.full((x.channels, 1), z, dtype=np.int64), x.scale, x.offset, state.dtype)
            if np.isfinite(values).all() and all(Fraction(value) == self.fill for value in values[:, 0].tolist()):
                return z
        return None

    def _integer_fill(self, x: Lowered) -> int:
        """The integer that means `fill` in every channel."""
        number, meanings = self.fill, list(zip(x.scales(), x.offsets(), strict=True))
        if any(not s and o != number for s, o in meanings):
            raise RefusalError(f"its constant {float(number):g} joins a channel that is another constant")
        wanted = {(number - o) / s for s, o in meanings if s} or {Fraction(0)}
        if len(wanted) != 1 or next(iter(wanted)).denominator != 1:
            values = ", ".join(f"{float(value):g}" for value in sorted(wanted)[:3])
            raise RefusalError(
                f"its constant {float(number):g} is {values} in the integers of its input, not one of them in every "
                "channel; quantise so that it is a level"
            )
        return int(next(iter(wanted)))

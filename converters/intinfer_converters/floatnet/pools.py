"""Pools, and means and sums over whole maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from intinfer.graph import Shape, Value
from intinfer.ops import Flatten, MaxPool, SumPool
from intinfer.ops.geometry import Pads, Pair, Window
from intinfer.types import IntArray

from .. import float_error
from ..evaluator import FloatArray, chain_direction
from ..float_error import FloatFormat, Norm, Real
from ..lowered import Lowered, Lowering, squeeze
from ..mixing import NO_PADS, framed
from .base import Executor, FloatNode, FloatOp, OnGrid, Reads, raw, windows


@dataclass(frozen=True, eq=False)
class _Windowed(FloatOp):
    kernel: Pair
    stride: Pair
    pads: Pads = NO_PADS
    reads = Reads.LEVELS

    @property
    def window(self) -> Window:
        """The geometry."""
        return Window(self.kernel, self.stride, self.pads)

    def shape(self, *inputs: Shape) -> Shape:
        """(C, H, W) -> (C, OH, OW)."""
        return (inputs[0][0], *self.window.output(*inputs[0][1:]))

    def _windows(self, x: Real, border: float) -> Real:
        return Real(windows(x.value, self.window, border), windows(x.error, self.window, 0.0), x.grid)


@dataclass(frozen=True, eq=False)
class MaximumPool(_Windowed):
    """Max pool; the border never wins."""

    dilation: Pair = (1, 1)

    @property
    def window(self) -> Window:
        """The geometry, with its dilation."""
        return replace(super().window, dilation=self.dilation)

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The largest value of each window."""
        return np.asarray(windows(inputs[0], self.window, -np.inf).max(axis=(4, 5)))

    def error(self, format_: FloatFormat, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        """The maximum of a window moves by at most the largest error in it."""
        every = self._windows(inputs[0], -np.inf)
        return Real(every.value.max(axis=(4, 5)), every.error.max(axis=(4, 5)), every.grid)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """Commutes with a non-decreasing chain; where the chain falls, the largest value is of the least integer."""
        (x,) = inputs
        signs = np.where(chain_direction(x.tail, x.scale, x.channels) < 0, -1, 1)
        pool = MaxPool(self.kernel, self.stride, self.pads, self.dilation)
        z = state.add(pool, _turned(state, node, x.z, signs), name=node.name, source=node.source)
        return replace(x, z=_turned(state, node, z, signs))


def _turned(state: Lowering, node: FloatNode, z: Value, signs: IntArray) -> Value:
    """`z` times 1 or -1 a channel."""
    if (signs == 1).all():
        return z
    return state.scaled(z, signs.tolist(), name=f"{node.name}.turned", source=node.source)


def _summed(state: Lowering, node: FloatNode, x: Lowered, pool: SumPool, count: int, name: str) -> Lowered:
    """The sum of each window now, 1/count into the scale; an offset is added once a term."""
    x = state.settle(x)
    terms = pool.kernel[0] * pool.kernel[1]
    if any(pool.pads) and any(x.offset):
        x = framed(state, node, x, pool.pads)
        pool = SumPool(pool.kernel, pool.stride, NO_PADS)
    z = state.add(pool, x.z, name=name, source=node.source)
    scale, offset = squeeze([s / count for s in x.scale]), squeeze([o * terms / count for o in x.offset])
    return Lowered(z, scale, offset, (), x.pending)


class AveragePool(_Windowed):
    """Mean over each window; padding counts as zeros, so that every window has the same count."""

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The mean of each window, its border included."""
        return np.asarray(windows(inputs[0], self.window, 0).mean(axis=(4, 5)))

    def error(self, format_: FloatFormat, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        """The bound of a mean in any order."""
        return float_error.mean(self._windows(inputs[0], 0.0), (4, 5), format_)

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """A mean that needs a quantiser; it is never negative when no element is."""
        return raw(inputs[0].positive)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """A `sum_pool`; the number of elements goes into the scale."""
        pool = SumPool(self.kernel, self.stride, self.pads)
        return _summed(state, node, inputs[0], pool, self.kernel[0] * self.kernel[1], node.name)


class GlobalSum(FloatOp):
    """Sum over the whole map: (C, H, W) -> (C,).

    Attributes:
        averaged: whether the sum is divided by the number of its terms.
    """

    averaged: ClassVar[bool] = False
    reads = Reads.LEVELS

    def shape(self, *inputs: Shape) -> Shape:
        """(C, H, W) -> (C,)."""
        return inputs[0][:1]

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The sum or the mean of each map."""
        return np.asarray((np.mean if self.averaged else np.sum)(inputs[0], axis=(2, 3)))

    def error(self, format_: FloatFormat, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        """The bound of a sum or a mean in any order."""
        return (float_error.mean if self.averaged else float_error.total)(inputs[0], (2, 3), format_)

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """A sum that needs a quantiser; it is never negative when no element is."""
        return raw(inputs[0].positive)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """A `sum_pool` of the whole map, and a `flatten`."""
        (x,) = inputs
        height, width = x.z.shape[1:]
        pool = SumPool((height, width), (1, 1), NO_PADS)
        pooled = _summed(state, node, x, pool, height * width if self.averaged else 1, f"{x.z.name}.gap")
        flat = state.add(Flatten(), pooled.z, name=f"{pooled.z.name}.flat", source=node.source)
        return replace(pooled, z=flat)


class GlobalAverage(GlobalSum):
    """Mean over the whole map: (C, H, W) -> (C,)."""

    averaged = True

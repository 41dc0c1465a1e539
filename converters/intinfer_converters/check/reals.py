"""Exact real values, with error bounds, of the float nodes that stand between integers.

The *value* of a float node that is an integer tensor of the graph, scale * z + offset, comes from these integers; of
one that waits for a quantiser, from those before it. The *error* says how far the source's float evaluation may be off
when it starts from the source's own levels, which have none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from intinfer.errors import DataError
from intinfer.ops.geometry import Window
from intinfer.types import IntArray

from .. import floatnet as f
from ..calibrate.execute import convolve
from ..lowered import Lowered, spread
from . import bounds
from .bounds import Floats, Format, Norm, Real

ANCHORS = (f.Pixels, f.Quantise, f.ThresholdedMean, f.BitshiftMean, f.IntegerOp)
"""Float ops whose results are integers without error: the evaluation starts there."""
BIAS_AND_WEIGHT = 2
"""Roundings of a product beside its own and the additions: of the weight, and the addition of a bias."""


class Reals:
    """Evaluates float nodes of one net.

    Args:
        net: the float net.
        meanings: what each of its nodes is in the integer graph.
        norms: batch norm's own parameters, where the source knows them, by float node.
        approximate: names of adds that were allowed to be inexact: how far they are is part of their bound.
    """

    def __init__(
        self,
        net: f.FloatNet,
        meanings: Mapping[str, Lowered],
        norms: Mapping[str, Norm],
        approximate: Collection[str] = (),
    ) -> None:
        self.nodes = {node.name: node for node in net.nodes}
        self.meanings = meanings
        self.norms = norms
        self.approximate = approximate
        self.format = Format.of(net.dtype)
        self._weights: dict[str, tuple[Floats, float]] = {}

    def batch(self, live: Mapping[str, IntArray]) -> Batch:
        """The values of a batch; `live` holds the integers (N, ...) of the graph by name, the source's own levels."""
        return Batch(self, live)

    def magnitudes(self, node: f.FloatNode) -> tuple[Floats, float]:
        """|weights| of a conv or dense node, and the power of two of which the weights and biases are multiples."""
        if node.name not in self._weights:
            op: Any = node.op
            scale = np.array([float(s) for s in op.weight.scale])
            column = scale.reshape(-1, *[1] * (len(op.weight.shape) - 1))
            grid = (
                bounds.lowest_bit(scale)
                if all(s.denominator & (s.denominator - 1) == 0 for s in op.weight.scale)
                else 0.0
            )
            self._weights[node.name] = (np.abs(op.weight.tensor.values * column), grid)
        return self._weights[node.name]


class Batch:
    """Real values of one batch, each computed once."""

    def __init__(self, reals: Reals, live: Mapping[str, IntArray]) -> None:
        self.reals = reals
        self.live = live
        self._done: dict[str, Real] = {}

    def of(self, name: str) -> Real:
        """The float node `name`. Raises DataError for an op without an error analysis."""
        if name not in self._done:
            node = self.reals.nodes[name]
            settled = self._settled(self.reals.meanings[name])
            if isinstance(node.op, ANCHORS):
                assert settled is not None
                self._done[name] = settled
            else:
                real = self._apply(node, [self.of(before) for before in node.inputs], settled)
                self._done[name] = real if settled is None else self._placed(name, settled, real)
        return self._done[name]

    def _placed(self, name: str, settled: Real, real: Real) -> Real:
        """The value of the graph's integers with the error of the float evaluation."""
        if name in self.reals.approximate:
            return Real(settled.value, real.error + np.abs(settled.value - real.value))
        return Real(settled.value, real.error, real.grid)

    def forget(self, z: str) -> None:
        """The graph's integers `z` have changed."""
        self._done = {name: real for name, real in self._done.items() if self.reals.meanings[name].z.name != z}

    def _settled(self, meaning: Lowered) -> Real | None:
        """scale * z + offset, where nothing is pending."""
        if meaning.tail or meaning.z.name not in self.live:
            return None
        return affine(self.live[meaning.z.name], meaning.scale, meaning.offset)

    def _apply(self, node: f.FloatNode, inputs: list[Real], settled: Real | None) -> Real:
        op: Any = node.op
        x, format_ = inputs[0], self.reals.format
        if isinstance(op, f.Pointwise):
            channel = channel_index(x.value.ndim, x.value.shape[1])
            norm = self.reals.norms.get(node.name)
            return bounds.chain(x, op.chain, channel, format_) if norm is None else bounds.batch_norm(x, norm, channel)
        if isinstance(op, f.Conv | f.Dense):
            assert settled is not None
            return self._weighted(node, x, settled)
        if isinstance(op, f.Sum):
            return bounds.added(inputs, op.signs or (1,) * len(inputs), format_)
        if isinstance(op, f.GlobalAverage):
            return bounds.mean(x, (2, 3), format_)
        if isinstance(op, f.GlobalSum):
            return bounds.total(x, (2, 3), format_)
        if isinstance(op, f.AveragePool):
            return bounds.mean(_windows(x, Window(op.kernel, op.stride, op.pads), 0.0), (4, 5), format_)
        if isinstance(op, f.MaximumPool):
            windows = _windows(x, Window(op.kernel, op.stride, op.pads, op.dilation), -np.inf)
            # The maximum of a window moves by at most the largest error in it.
            return Real(windows.value.max(axis=(4, 5)), windows.error.max(axis=(4, 5)), x.grid)
        if isinstance(op, f.Multiplex):
            return _multiplex(*inputs)
        return _rearranged(node, inputs)

    def _weighted(self, node: f.FloatNode, x: Real, settled: Real) -> Real:
        op: Any = node.op
        weight, grid = self.reals.magnitudes(node)
        taps = int(np.prod(weight.shape[1:]))
        bias = np.abs([float(b) for b in op.bias or (Fraction(0),)])
        noisy = op.weight.error > 0
        grid = min(grid * x.grid, bounds.lowest_bit(bias)) if x.grid and not noisy else 0.0
        # No convolution is needed where the largest conceivable sum is still exact.
        largest = float(weight.reshape(len(weight), -1).sum(axis=1).max() * x.size.max(initial=0) + bias.max())
        if grid and largest < grid * self.reals.format.exact_below:
            return Real(settled.value, np.zeros_like(settled.value), grid)
        column = bias.reshape(1, -1, *[1] * (settled.value.ndim - 2))
        size = _sums(op, x.size, weight) + column
        gamma = self.reals.format.gamma(taps + BIAS_AND_WEIGHT)
        lost = (taps + BIAS_AND_WEIGHT) * self.reals.format.smallest * (1 + float(x.size.max(initial=0)))
        error = gamma * size + lost
        if x.error.any():
            error = error + _sums(op, x.error, weight)
        if noisy:
            error = error + op.weight.error * _sums(op, x.size, np.ones_like(weight))
        return bounds.settled(settled.value, error, size, grid, self.reals.format)


def affine(z: IntArray, scale: tuple[Fraction, ...], offset: tuple[Fraction, ...]) -> Real:
    """scale * z + offset; on a grid where all scales and offsets are multiples of one power of two."""
    channels = z.shape[1]
    column = (1, -1, *[1] * (z.ndim - 2))
    scales, offsets = (
        np.array([float(n) for n in spread(numbers, channels)]).reshape(column) for numbers in (scale, offset)
    )
    dyadic = all(n.denominator & (n.denominator - 1) == 0 for n in (*scale, *offset))
    grid = 2.0 ** -max(n.denominator.bit_length() - 1 for n in (*scale, *offset)) if dyadic else 0.0
    return Real.exactly(scales * z + offsets, grid)


def _sums(op: Any, x: Floats, weight: Floats) -> Floats:
    if isinstance(op, f.Dense):
        return np.asarray(x @ weight.T)
    kernel = (weight.shape[2], weight.shape[3])
    return convolve(x, weight, Window(kernel, op.stride, op.pads, op.dilation), op.groups).astype(
        np.float64, copy=False
    )


def _windows(x: Real, window: Window, border: float) -> Real:
    top, left, bottom, right = window.pads
    frame = ((0, 0), (0, 0), (top, bottom), (left, right))
    value, error = (np.pad(a, frame, constant_values=c) for a, c in ((x.value, border), (x.error, 0.0)))
    bare: Any = Window(window.kernel, window.stride, (0, 0, 0, 0), window.dilation).view
    return Real(bare(value), bare(error), x.grid)


def _multiplex(select: Real, one: Real, zero: Real) -> Real:
    mask = select.value.reshape(*select.value.shape[:2], *[1] * (one.value.ndim - 2)) != 0
    value, error = (np.where(mask, a, b) for a, b in ((one.value, zero.value), (one.error, zero.error)))
    return Real(value, error, min(one.grid, zero.grid))


def _rearranged(node: f.FloatNode, inputs: list[Real]) -> Real:
    op: Any = node.op
    x = inputs[0]
    if isinstance(op, f.Concatenate):
        grid = min(i.grid for i in inputs)
        return Real(np.concatenate([i.value for i in inputs], 1), np.concatenate([i.error for i in inputs], 1), grid)
    if isinstance(op, f.SelectChannels):
        return x.at(slice(None), list(op.indices))
    if isinstance(op, f.FlattenMap):
        return Real(x.value.reshape(len(x.value), -1), x.error.reshape(len(x.error), -1), x.grid)
    if isinstance(op, f.Gather):
        return gathered(x, op.index, float(op.fill), node.shape)
    raise DataError(
        f"{node.name} ({type(op).__name__}): works on values that are no integers, whose float error is not analysed; "
        "put a quantiser before it"
    )


def gathered(x: Real, index: IntArray, fill: float, shape: tuple[int, ...]) -> Real:
    """out.flat[i] = x.flat[index[i]] of each image, `fill` where the index is -1."""
    parts = []
    for array, border in ((x.value, fill), (x.error, 0.0)):
        flat = array.reshape(len(array), -1)[:, index]
        flat[:, index < 0] = border
        parts.append(flat.reshape(len(array), *shape))
    grid = x.grid if not (index < 0).any() else min(x.grid, bounds.lowest_bit(np.array([fill])))
    return Real(parts[0], parts[1], grid)


def channel_index(ndim: int, channels: int) -> IntArray:
    """0..C-1, shaped to broadcast over (N, C, ...)."""
    return np.arange(channels, dtype=np.int64).reshape(1, -1, *[1] * (ndim - 2))

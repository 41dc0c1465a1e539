"""Convolution and dense layer, and their weights: integers times a scale, or floating point as trained."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from intinfer.graph import Shape
from intinfer.ops.geometry import Pads, Pair, Window
from intinfer.tensor import Weights
from intinfer.types import IntArray

from ..evaluator import FloatArray
from ..float_error import FloatFormat, Floats, Norm, Real, column, dyadic, lowest_bit, settled_sum
from ..lowered import Lowered, Lowering, RefusalError
from ..mixing import lower_conv, lower_dense
from .base import Executor, FloatNode, FloatOp, OnGrid, Reads, convolve, raw


def ternary_weights(proxies: FloatArray, step: FloatArray) -> IntArray:
    """q = clip(rnd(w / s), -1, 1): the quotient rounded once to the proxies' dtype, then half to even (BTQ).

    Args:
        proxies: weights of any shape, finite.
        step: s > 0, a scalar of the same dtype.
    """
    return np.asarray(np.clip(np.rint(proxies / step), -1, 1).astype(np.int64))


def binary_weights(proxies: FloatArray) -> IntArray:
    """+1 where w >= 0, else -1; both zeros give +1, whatever the framework's sign function says of them."""
    return np.where(proxies >= 0, np.int64(1), np.int64(-1))


@dataclass(frozen=True, eq=False)
class QuantisedWeight:
    """Weights scale[o] * q: `tensor` holds the integers q.

    `scale` has one entry, or one an output channel. `error` is the largest difference of a weight of the source from
    scale * q where that is more than one rounding: weights such as 2 * (j / 3) - 1 carry the noise of several.
    """

    tensor: Weights
    scale: tuple[Fraction, ...] = (Fraction(1),)
    error: float = 0.0

    @property
    def shape(self) -> Shape:
        """The shape of the weights."""
        return self.tensor.shape

    @property
    def reals(self) -> FloatArray:
        """scale * q in float64, (O, ...)."""
        scale = np.array([float(s) for s in self.scale]).reshape(-1, *[1] * (len(self.shape) - 1))
        return np.asarray(self.tensor.values * scale)

    @cached_property
    def magnitudes(self) -> tuple[Floats, float]:
        """|weights|, and the power of two of which all are multiples, 0 where there is none."""
        grid = lowest_bit(np.array([float(s) for s in self.scale])) if dyadic(self.scale) else 0.0
        return np.abs(self.reals), grid

    def quantised(self) -> QuantisedWeight:
        """The weights as they are: integers already."""
        return self


@dataclass(frozen=True, eq=False)
class RealWeight:
    """Floating-point weights as trained: `calibrate` makes them integers, `lower` refuses them."""

    values: FloatArray

    @property
    def shape(self) -> Shape:
        """The shape of the weights."""
        shape: Shape = self.values.shape
        return shape

    @property
    def reals(self) -> FloatArray:
        """The weights, (O, ...)."""
        return self.values

    def quantised(self) -> QuantisedWeight:
        """Raise RefusalError: real weights are no integers."""
        raise RefusalError("its weights are floating point; give --weights, --act-bits and --calibrate")


Weight = QuantisedWeight | RealWeight


BIAS_AND_WEIGHT = 2
"""Roundings of a product beside its own and the additions: of the weight, and the addition of a bias."""


class _Weighted(FloatOp):
    """Sums of products with `weight`, plus the exact `bias` (O,) where there is one."""

    weight: Weight
    bias: tuple[Fraction, ...] | None
    reads = Reads.LEVELS

    @abstractmethod
    def _sums(self, x: Any, weight: Any) -> Any:
        """The sums without bias, of floats."""

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The sums, and the bias of each output channel."""
        sums: FloatArray = self._sums(inputs[0], self.weight.reals.astype(floats.dtype))
        return sums if self.bias is None else sums + column(self.bias, sums.ndim).astype(floats.dtype)

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """Sums of any sign, which need a quantiser."""
        return raw(positive=False)

    def error(self, format_: FloatFormat, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        """The bound of sums in any order, and of the errors that come in; see `float_error`."""
        known, (x,) = self.weight, inputs
        assert settled is not None
        assert isinstance(known, QuantisedWeight)
        weight, grid = known.magnitudes
        bias = np.abs(column(self.bias or (0,), settled.value.ndim))
        grid = min(grid * x.grid, lowest_bit(bias)) if x.grid and not known.error else 0.0
        # No convolution is needed where the largest conceivable sum is still exact.
        largest = float(weight.reshape(len(weight), -1).sum(axis=1).max() * x.size.max(initial=0) + bias.max())
        if grid and largest < grid * format_.exact_below:
            return Real(settled.value, np.zeros_like(settled.value), grid)
        size: Floats = self._sums(x.size, weight) + bias
        roundings = int(np.prod(weight.shape[1:])) + BIAS_AND_WEIGHT
        error = format_.gamma(roundings) * size + roundings * format_.smallest * (1 + float(x.size.max(initial=0)))
        if x.error.any():
            error = error + self._sums(x.error, weight)
        if known.error:
            error = error + known.error * self._sums(x.size, np.ones_like(weight))
        return settled_sum(settled.value, error, size, grid, format_)


@dataclass(frozen=True, eq=False)
class Conv(_Weighted):
    """Cross-correlation; the border is real 0. `bias` (O,) exact, or None."""

    weight: Weight
    stride: Pair
    pads: Pads
    dilation: Pair
    groups: int
    bias: tuple[Fraction, ...] | None = None

    @property
    def window(self) -> Window:
        """The geometry."""
        return Window((self.weight.shape[2], self.weight.shape[3]), self.stride, self.pads, self.dilation)

    def shape(self, *inputs: Shape) -> Shape:
        """(C, H, W) -> (O, OH, OW)."""
        return (self.weight.shape[0], *self.window.output(*inputs[0][1:]))

    def _sums(self, x: Any, weight: Any) -> Any:
        return convolve(x, weight, self.window, self.groups)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """A `conv2d`, see `mixing`."""
        return lower_conv(state, node, self, inputs[0])


@dataclass(frozen=True, eq=False)
class Dense(_Weighted):
    """Fully connected layer, weight (O, C). `bias` (O,) exact, or None."""

    weight: Weight
    bias: tuple[Fraction, ...] | None = None

    def shape(self, *inputs: Shape) -> Shape:
        """(C,) -> (O,)."""
        return (self.weight.shape[0],)

    def _sums(self, x: Any, weight: Any) -> Any:
        return np.asarray(x @ weight.T)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """A `dense`, see `mixing`."""
        return lower_dense(state, node, self, inputs[0])

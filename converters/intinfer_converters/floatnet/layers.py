"""Convolution and dense layer."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from intinfer.graph import Shape
from intinfer.ops.geometry import Pads, Pair, Window

from ..evaluator import FloatArray
from ..float_error import Floats, Format, Norm, Real, lowest_bit, settled_sum
from ..lowered import Lowered, Lowering
from ..mixing import lower_conv, lower_dense
from .arrays import Executor, convolve
from .base import FloatNode, FloatOp
from .weights import QuantisedWeight, Weight

BIAS_AND_WEIGHT = 2
"""Roundings of a product beside its own and the additions: of the weight, and the addition of a bias."""


@dataclass(frozen=True, eq=False)
class _Weighted(FloatOp):
    """Sums of products with `weight`, plus the exact `bias` (O,) where there is one."""

    @property
    @abstractmethod
    def _parameters(self) -> tuple[Weight, tuple[Fraction, ...] | None]: ...

    @abstractmethod
    def _sums(self, x: Any, weight: Any) -> Any:
        """The sums without bias, of floats."""

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        weight, bias = self._parameters
        sums: FloatArray = self._sums(inputs[0], weight.reals.astype(floats.dtype))
        if bias is None:
            return sums
        constants: FloatArray = np.array([float(b) for b in bias], dtype=floats.dtype)
        return sums + constants.reshape(-1, *[1] * (sums.ndim - 2))

    def error(self, format_: Format, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        known, fractions = self._parameters
        assert settled is not None
        assert isinstance(known, QuantisedWeight)
        (x,) = inputs
        weight, grid = known.magnitudes
        bias = np.abs([float(b) for b in fractions or (Fraction(0),)])
        grid = min(grid * x.grid, lowest_bit(bias)) if x.grid and not known.error else 0.0
        # No convolution is needed where the largest conceivable sum is still exact.
        largest = float(weight.reshape(len(weight), -1).sum(axis=1).max() * x.size.max(initial=0) + bias.max())
        if grid and largest < grid * format_.exact_below:
            return Real(settled.value, np.zeros_like(settled.value), grid)
        size: Floats = self._sums(x.size, weight) + bias.reshape(1, -1, *[1] * (settled.value.ndim - 2))
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
        return (self.weight.shape[0], *self.window.output(*inputs[0][1:]))

    @property
    def _parameters(self) -> tuple[Weight, tuple[Fraction, ...] | None]:
        return self.weight, self.bias

    def _sums(self, x: Any, weight: Any) -> Any:
        return convolve(x, weight, self.window, self.groups)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        return lower_conv(state, node, self, inputs[0])


@dataclass(frozen=True, eq=False)
class Dense(_Weighted):
    """Fully connected layer, weight (O, C). `bias` (O,) exact, or None."""

    weight: Weight
    bias: tuple[Fraction, ...] | None = None

    def shape(self, *inputs: Shape) -> Shape:
        return (self.weight.shape[0],)

    @property
    def _parameters(self) -> tuple[Weight, tuple[Fraction, ...] | None]:
        return self.weight, self.bias

    def _sums(self, x: Any, weight: Any) -> Any:
        return np.asarray(x @ weight.T)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        return lower_dense(state, node, self, inputs[0])

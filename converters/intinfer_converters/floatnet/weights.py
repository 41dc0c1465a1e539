"""The weights of convolutions and dense layers: integers times a scale, or floating point as trained."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from intinfer.graph import Shape
from intinfer.tensor import Weights

from ..evaluator import FloatArray
from ..float_error import Floats, dyadic, lowest_bit
from ..lowered import RefusalError


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
        """Itself."""
        return self


@dataclass(frozen=True, eq=False)
class RealWeight:
    """Floating-point weights as trained: `calibrate` makes them integers, `lower` refuses them."""

    values: FloatArray

    @property
    def shape(self) -> Shape:
        shape: Shape = self.values.shape
        return shape

    @property
    def reals(self) -> FloatArray:
        """The weights, (O, ...)."""
        return self.values

    def quantised(self) -> QuantisedWeight:
        """It is not: raises RefusalError."""
        raise RefusalError("its weights are floating point; give --weights, --act-bits and --calibrate")


Weight = QuantisedWeight | RealWeight

"""Abs: the absolute value."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Abs

from ..designs import Mistake, listed, wrapped
from ..make.coverage import Covergroup, Prover
from ..make.coverage.combinations import around_zero
from .base import Elementwise, Served, Stateless
from .steps import Operand, Place, Steps


class AbsFacts(Stateless, Served, Elementwise[Abs]):
    """The facts of an absolute value."""

    of = Abs

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """The sign of the element, and what it becomes."""
        z = operands[0].element(at)
        sign = "negative" if z.number < 0 else "not negative"
        return Steps("z or -z, whichever is not negative", (), {"z": z.number, "sign": sign}, abs(z.number), (z,))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """The ends of the input and the numbers around 0."""
        return [around_zero(self.node, self.x, "sign")]

    def mistakes(self) -> Iterator[Mistake]:
        """Signs that are kept, dropped or turned otherwise."""
        bits = self.node.output.type.bits
        return listed(
            {
                "the sign is kept, there is no absolute value": lambda z: z,
                "negative values are inverted, not negated: 1 too low": lambda z: np.where(z < 0, ~z, z),
                "negative values give 0": lambda z: np.maximum(z, 0),
                "the negative of the absolute value is given": lambda z: -np.abs(z),
                "positive values are negated, negative ones are not": lambda z: -z,
                f"the sign bit is cut off: the value modulo 2^{bits}": lambda z: wrapped(z, bits, False),
            }
        )

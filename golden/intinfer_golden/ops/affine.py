"""Affine: a line for each channel."""

from __future__ import annotations

import numpy as np

from intinfer.ops import Affine
from intinfer.types import IntArray

from ..make.coverage import Covergroup, Prover
from ..make.coverage.combinations import around_zero
from .base import PerChannel, Served
from .steps import Cell, Operand, Place, Steps


class AffineFacts(Served, PerChannel[Affine]):
    of = Affine

    def explain(self, at: Place, *operands: Operand) -> Steps:
        z = operands[0].element(at)
        multiplier, offset = int(self.op.multiplier.values[at[0]]), int(self.op.offset.values[at[0]])
        product = z.number * multiplier
        facts: dict[str, Cell] = {"z": z.number, "M": multiplier, "z * M": product, "B": offset}
        return Steps("z * M + B", (), facts, product + offset, (z,))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        return [around_zero(self.node, self.x, "points")]

    def telling(self, order: IntArray) -> tuple[IntArray, bool]:
        """The ends of a line."""
        return np.repeat([[self.x.type.lo], [self.x.type.hi]], self.channels, axis=1), True

"""Affine: a line for each channel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Affine
from intinfer.ops.base import per_channel
from intinfer.types import IntArray

from ..designs import Mistake, listed
from ..make.coverage import Covergroup, Prover
from ..make.coverage.combinations import around_zero
from .base import PerChannel, Served
from .steps import Operand, Place, Steps


class AffineFacts(Served, PerChannel[Affine]):
    """The facts of an affine map of each channel."""

    of = Affine

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """The product, and the offset that is added to it."""
        z = operands[0].element(at)
        multiplier, offset = int(self.op.multiplier.values[at[0]]), int(self.op.offset.values[at[0]])
        product = z.number * multiplier
        facts = {"z": z.number, "M": multiplier, "z * M": product, "B": offset}
        return Steps("z * M + B", (), facts, product + offset, (z,))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """The ends of the input and the numbers around 0."""
        return [around_zero(self.node, self.x, "points")]

    def telling(self, order: IntArray) -> tuple[IntArray, bool]:
        """The ends of a line."""
        return np.repeat([[self.x.type.lo], [self.x.type.hi]], self.channels, axis=1), True

    def mistakes(self) -> Iterator[Mistake]:
        """An offset that is multiplied, subtracted or added twice, and constants exchanged."""
        tensors = (self.op.multiplier, self.op.offset)
        m, b = (per_channel(t.values, len(self.node.output.shape) + 1) for t in tensors)
        return listed(
            {
                "the offset is multiplied as well: (z + B) * M": lambda z: (z + b) * m,
                "the multiplier is added and the offset multiplied: z * B + M": lambda z: z * b + m,
                "the offset is added twice": lambda z: z * m + 2 * b,
                "the offset is subtracted": lambda z: z * m - b,
            }
        )

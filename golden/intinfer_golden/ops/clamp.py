"""Clamp: two limits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Clamp
from intinfer.types import IntArray

from ..designs import Mistake, listed, wrapped
from ..designs.limits import limited
from ..make.coverage import Covergroup, Prover
from ..make.coverage.combinations import points_of
from .base import Elementwise, Served, Stateless
from .steps import Operand, Place, Steps


class ClampFacts(Stateless, Served, Elementwise[Clamp]):
    """The facts of a clamp."""

    of = Clamp

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """The element between both limits."""
        z, op = operands[0].element(at), self.op
        facts = {"z": z.number, "lo": op.lo, "hi": op.hi}
        return Steps("min(max(z, lo), hi)", (), facts, min(max(z.number, op.lo), op.hi), (z,))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Numbers at, below and above both limits, and the ends of the input."""
        op, type_ = self.op, self.x.type
        points = (op.lo - 1, op.lo, op.lo + 1, op.hi - 1, op.hi, op.hi + 1, type_.lo, type_.hi)
        sentence = "z at, below and above both limits, and at the ends of its type"
        return [points_of(self.node, self.x, "clip", sentence, points)]

    def turns(self) -> list[IntArray]:
        """The numbers at both limits and just beyond them."""
        limits = np.array([self.op.lo - 1, self.op.lo, self.op.hi, self.op.hi + 1])
        return [np.tile(limits.clip(self.x.type.lo, self.x.type.hi), (self.channels, 1))]

    def mistakes(self) -> Iterator[Mistake]:
        """A clamp that is missing, on one side alone, crossed, wrapped, or to other limits."""
        bits, lo, hi = self.node.output.type.bits, self.op.lo, self.op.hi
        crossed = f"values above {hi} give {lo} and values below {lo} give {hi}"
        yield from listed(
            {
                "there is no clamp": lambda z: z,
                f"the result wraps at {bits} bits, it is not clamped": lambda z: wrapped(z, bits, lo < 0),
                f"the result is not clamped below, to {lo}": lambda z: np.minimum(z, hi),
                f"the result is not clamped above, to {hi}": lambda z: np.maximum(z, lo),
                crossed: lambda z: np.where(z > hi, lo, np.where(z < lo, hi, z)),
            }
        )
        yield from limited(self.op, [(lo + 1, hi), (lo, hi - 1), (lo - 1, hi), (lo, hi + 1), (0, hi), (lo, 0)])

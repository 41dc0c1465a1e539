"""Abs: the absolute value."""

from __future__ import annotations

from intinfer.ops import Abs

from ..make.coverage import Covergroup, Prover
from ..make.coverage.combinations import around_zero
from .base import Elementwise, Served, Stateless
from .steps import Cell, Operand, Place, Steps


class AbsFacts(Stateless, Served, Elementwise[Abs]):
    of = Abs

    def explain(self, at: Place, *operands: Operand) -> Steps:
        z = operands[0].element(at)
        facts: dict[str, Cell] = {"z": z.number, "sign": "negative" if z.number < 0 else "not negative"}
        return Steps("z or -z, whichever is not negative", (), facts, -z.number if z.number < 0 else z.number, (z,))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        return [around_zero(self.node, self.x, "sign")]

"""Add: a weighted sum at each place."""

from __future__ import annotations

import numpy as np

from intinfer.ops import Add

from ..make.coverage import Covergroup, Prover
from ..make.coverage.combinations import MAX_PAIRS, Combinations, ends
from .base import Elementwise, Served, Stateless
from .steps import Cell, Operand, Place, Steps, element_row


class AddFacts(Stateless, Served, Elementwise[Add]):
    of = Add

    def explain(self, at: Place, *operands: Operand) -> Steps:
        rows: list[dict[str, Cell]] = []
        total = 0
        elements = tuple(x.element(at) for x in operands)
        for multiplier, element in zip(self.op.multipliers, elements, strict=True):
            product = multiplier * element.number
            total += product
            rows.append(element_row(element, multiplier=multiplier, product=product, sum=total))
        return Steps("sum of multiplier * value", tuple(rows), {}, total, elements)

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        both = ends(self.inputs)
        if len(both) > MAX_PAIRS:  # many inputs: each alone at its other end, and all together
            low, high = (np.array([getattr(v.type, end) for v in self.inputs]) for end in ("lo", "hi"))
            each = np.where(np.eye(len(self.inputs), dtype=bool), high, low)
            both = np.concatenate([[low, high], each, low + high - each])
        sentence = "every combination of the inputs' ends"
        return [Combinations(self.node, "ends", sentence, self.node.inputs, both, self.channels)]

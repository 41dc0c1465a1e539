"""Add: a weighted sum at each place."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import numpy as np

from intinfer.ops import Add

from ..designs import Mistake, weighted
from ..designs.sums import narrowed
from ..make.coverage import Covergroup, Prover
from ..make.coverage.combinations import MAX_PAIRS, Combinations, ends
from .base import Elementwise, Served, Stateless
from .steps import Operand, Place, Steps, element_row

_MULTIPLIERS = (1, -1, 2, -2, 3, -3, 4, -4, 8, -8, 0)
"""Multipliers that a design may have instead of a small one."""


class AddFacts(Stateless, Served, Elementwise[Add]):
    """The facts of a weighted sum of operands."""

    of = Add

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """Each operand's element with its multiplier, and the sum as it grows."""
        elements = tuple(x.element(at) for x in operands)
        products = [m * element.number for m, element in zip(self.op.multipliers, elements, strict=True)]
        columns = zip(elements, self.op.multipliers, products, accumulate(products), strict=True)
        rows = tuple(element_row(e, multiplier=m, product=product, sum=total) for e, m, product, total in columns)
        return Steps("sum of multiplier * value", rows, {}, sum(products), elements)

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """The inputs' ends together; of many inputs each alone at its other end."""
        both = ends(self.inputs)
        if len(both) > MAX_PAIRS:  # many inputs: each alone at its other end, and all together
            low, high = np.array([(v.type.lo, v.type.hi) for v in self.inputs]).T
            each = np.where(np.eye(len(self.inputs), dtype=bool), high, low)
            both = np.concatenate([[low, high], each, low + high - each])
        sentence = "every combination of the inputs' ends"
        return [Combinations(self.node, "ends", sentence, self.node.inputs, both, self.channels)]

    def mistakes(self) -> Iterator[Mistake]:
        """Other multipliers, sums of fewer bits, and operands that are not added."""
        names, multipliers = self.node.inputs, list(self.op.multipliers)
        for i, own in enumerate(multipliers):
            near = (own + 1, own - 1, -own, 2 * own, *(_MULTIPLIERS if abs(own) < 2**20 else ()))
            for value in dict.fromkeys(value for value in near if value != own):
                text = f"the multiplier of operand {names[i]} is {value}, not {own}"
                changed = [*multipliers[:i], value, *multipliers[i + 1 :]]
                yield Mistake(text, weighted(changed), 1 if value in (-own, 0, 1) else len(near))
        if len(set(multipliers)) > 1:
            yield Mistake("all multipliers are 1", weighted([1] * len(multipliers)))
            yield Mistake("the multipliers are in reverse", weighted(multipliers[::-1]))
            if min(multipliers) < 0:
                yield Mistake("of all multipliers the sign alone counts", weighted(np.sign(multipliers).tolist()))
        yield from narrowed(self.op, self.node.output.type)
        yield Mistake("the larger operand is given, not the sum", lambda *xs: np.max(xs, axis=0))
        yield Mistake("the bits of the operands are joined (OR), not added", lambda *xs: np.bitwise_or.reduce(xs))
        yield Mistake("the operands are added without carries (XOR)", lambda *xs: np.bitwise_xor.reduce(xs))

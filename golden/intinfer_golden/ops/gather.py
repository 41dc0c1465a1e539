"""Gather: each element is one of the input, or a constant."""

from __future__ import annotations

import numpy as np

from intinfer.ops import Gather

from ..make.coverage import Covergroup, Prover
from ..make.coverage.routing import told_apart
from .base import Routing
from .steps import Cell, Operand, Place, Steps, element_row, place_of


class GatherFacts(Routing[Gather]):
    of = Gather

    def explain(self, at: Place, *operands: Operand) -> Steps:
        (x,), index = operands, int(self.op.index.values[at])
        facts: dict[str, Cell] = {f"index[{', '.join(map(str, at))}]": index}
        if index < 0:
            return Steps("index -1: fill", (), facts, self.op.fill, ())
        element = x.element(place_of(index, x.shape))
        return Steps("input.flat[index]", (element_row(element),), facts, element.number, (element,))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Every element that is read, and the constant where it stands in the result."""
        read = np.unique(self.op.index.values)
        constants = (self.op.fill,) if read[0] < 0 else ()
        sentence = (
            "over all frames the element carries another sequence than any other that is read, and than the constant"
        )
        return [told_apart(self.node, [self.x], read[read >= 0], constants, sentence)]

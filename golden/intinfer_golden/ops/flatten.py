"""Flatten: a map as a vector."""

from __future__ import annotations

from intinfer.ops import Flatten

from .base import Routing
from .steps import Operand, Place, Steps, element_row, place_of


class FlattenFacts(Routing[Flatten]):
    of = Flatten

    def explain(self, at: Place, *operands: Operand) -> Steps:
        (x,) = operands
        element = x.element(place_of(at[0], x.shape))
        return Steps("index = (c * H + y) * W + x", (element_row(element),), {}, element.number, (element,))

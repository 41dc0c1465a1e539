"""Concat: channels of one input after another."""

from __future__ import annotations

from intinfer.ops import Concat

from .base import Routing
from .steps import Cell, Operand, Place, Steps, element_row


class ConcatFacts(Routing[Concat]):
    of = Concat

    def explain(self, at: Place, *operands: Operand) -> Steps:
        first = 0
        for number, x in enumerate(operands):
            if at[0] < first + x.shape[0]:
                element = x.element((at[0] - first, *at[1:]))
                facts: dict[str, Cell] = {"input": number, "its first channel here": first}
                rows = (element_row(element),)
                return Steps("channels one input after another", rows, facts, element.number, (element,))
            first += x.shape[0]
        raise AssertionError("the place was checked")

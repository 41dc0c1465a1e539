"""Channel select: each channel is one of the input."""

from __future__ import annotations

from intinfer.ops import ChannelSelect

from .base import Routing
from .steps import Cell, Operand, Place, Steps, element_row


class ChannelSelectFacts(Routing[ChannelSelect]):
    of = ChannelSelect

    def explain(self, at: Place, *operands: Operand) -> Steps:
        source = int(self.op.indices.values[at[0]])
        element = operands[0].element((source, *at[1:]))
        facts: dict[str, Cell] = {f"indices[{at[0]}]": source}
        return Steps("input[indices[c]]", (element_row(element),), facts, element.number, (element,))

"""Dense layer: a sum over all channels."""

from __future__ import annotations

from intinfer.ops import Dense

from .mac import MacFacts, Tap
from .steps import Operand, Place, Steps


class DenseFacts(MacFacts[Dense]):
    """The facts of a dense layer."""

    of = Dense

    def explain(self, at: Place, *operands: Operand) -> Steps:
        weight_of = self.weights(at[0])
        taps = [Tap({"c": c}, number, weight_of(c)) for c, number in enumerate(operands[0].values.tolist())]
        return self.sum(f"sum of weight[{at[0]}, c] * activation[c]", taps)

"""Dense layer: a sum over all channels."""

from __future__ import annotations

from intinfer.ops import Dense

from .mac import MacFacts, Tap
from .steps import Operand, Place, Steps


class DenseFacts(MacFacts[Dense]):
    """The facts of a dense layer."""

    of = Dense

    def explain(self, at: Place, *operands: Operand) -> Steps:
        (x,), weight_of = operands, self.weights(at[0])
        taps = [Tap({"c": c}, x.number((c,)), weight_of(c)) for c in range(x.shape[0])]
        return self.sum(f"sum of weight[{at[0]}, c] * activation[c]", taps)

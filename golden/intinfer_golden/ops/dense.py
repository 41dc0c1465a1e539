"""Dense layer: a sum over all channels."""

from __future__ import annotations

from intinfer.ops import Dense

from .mac import MacFacts, Tap
from .steps import Operand, Place, Steps


class DenseFacts(MacFacts[Dense]):
    """The facts of a dense layer."""

    of = Dense

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """Every product in the order of the channels, and the sum as it grows."""
        pairs = zip(operands[0].values.tolist(), self.weights(at[0]).tolist(), strict=True)
        taps = [Tap({"c": c}, number, weight) for c, (number, weight) in enumerate(pairs)]
        return self.sum(f"sum of weight[{at[0]}, c] * activation[c]", taps)

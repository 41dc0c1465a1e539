"""Convolution: a sum over a window of the channels of a group."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from intinfer.accumulator import TapOrder
from intinfer.ops import Conv2d
from intinfer.tensor import CellularWeights

from ..designs import Families, windows
from ..designs.mac import Mac
from .mac import MacFacts, Tap
from .steps import Operand, Place, Steps, tap


class Conv2dFacts(MacFacts[Conv2d]):
    """The facts of a convolution."""

    of = Conv2d

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """Every product of the window in the order of the accumulator, and the sum as it grows."""
        out, channels = at[0], self.op.weight.shape[1]
        first = out // (self.op.weight.shape[0] // self.op.groups) * channels  # of the group's input channels
        formula = f"sum of weight[{out}, {f'c - {first}' if first else 'c'}, ky, kx] * activation[c, y, x]"
        return self.sum(formula, list(self._taps(at, operands[0], first)))

    def families(self) -> Families:
        """Those of the weights, of the windows, then those of sums."""
        mac = Mac.of(self.graph, self.node)
        reduced = windows.Reduction(mac.type, mac.pad_value, mac.sums, range(-256, 256))
        of_weights, *others = super().families()
        return of_weights, windows.mistakes(mac.window, mac.outputs[1:], reduced), *others

    def _taps(self, at: Place, x: Operand, first: int) -> Iterator[Tap]:
        op, weights = self.op, self.weights(at[0])
        channels, rows, columns = op.weight.shape[1:]
        order = list(product(range(channels), range(rows), range(columns)))
        if op.accumulator.order is TapOrder.KKC:
            order = [(c, ky, kx) for ky, kx, c in product(range(rows), range(columns), range(channels))]
        for c, ky, kx in order:
            here, element = tap(op.window, at, (ky, kx), x, first + c)
            pad = op.pad_value[first + c if len(op.pad_value) > 1 else 0]
            where = {"c": first + c, **here, "ky": ky, "kx": kx}
            if isinstance(op.weight, CellularWeights):
                where |= {"automaton": f"row {c} cell {at[0]}"}
            yield Tap(where, pad if element is None else element.number, int(weights[c, ky, kx]))

"""Bitshift: the mean of two codes without its fraction, or OR of two bits."""

from __future__ import annotations

from itertools import product

import numpy as np

from intinfer.ops import Bitshift
from intinfer.types import IntArray

from ..make.coverage import Covergroup, Prover
from ..make.coverage.combinations import MAX_PAIRS, Combinations, ends
from .base import Elementwise, Served, Stateless
from .steps import Operand, Place, Steps, element_row


class BitshiftFacts(Stateless, Served, Elementwise[Bitshift]):
    of = Bitshift

    def explain(self, at: Place, *operands: Operand) -> Steps:
        one, two = (x.element(at) for x in operands)
        rows = (element_row(one), element_row(two))
        if self.op.bits == 1:
            return Steps("a OR b", rows, {}, one.number | two.number, (one, two))
        total = one.number + two.number
        return Steps("(a + b) >> 1", rows, {"a + b": total, "lost bit": total % 2}, total // 2, (one, two))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        names, sentence = self.node.inputs, "both inputs at their ends"
        every = Combinations(self.node, "ends", sentence, names, ends(self.inputs), self.channels)
        sentence = "pairs of codes: all, or carries through every bit and odd sums beside the ends"
        return [every, Combinations(self.node, "pairs", sentence, names, self._pairs(), None)]

    def _pairs(self) -> IntArray:
        a, b = (v.type for v in self.inputs)
        spans = [range(t.lo, t.hi + 1) for t in (a, b)]
        if len(spans[0]) * len(spans[1]) <= MAX_PAIRS:
            return np.array(list(product(*spans)), dtype=np.int64)
        powers = [2**i for i in range(self.op.bits)]
        wide = [(p - 1, 1) for p in powers] + [(1, p - 1) for p in powers] + [(p, p) for p in powers]
        near = [(a.lo, b.lo + 1), (a.lo + 1, b.lo), (a.hi, b.hi - 1), (a.hi - 1, b.hi), (a.lo, b.hi), (a.hi, b.lo)]
        inside = {(x, y) for x, y in wide + near if a.lo <= x <= a.hi and b.lo <= y <= b.hi}
        return np.array(sorted(inside), dtype=np.int64)

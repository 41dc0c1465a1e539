"""Bitshift: the mean of two codes without its fraction, or OR of two bits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from intinfer.ops import Bitshift
from intinfer.types import IntArray

from ..designs import Change, Mistake, listed
from ..make.coverage import Covergroup, Prover
from ..make.coverage.combinations import MAX_PAIRS, Combinations, ends
from .base import Elementwise, Served, Stateless
from .steps import Operand, Place, Steps, element_row


class BitshiftFacts(Stateless, Served, Elementwise[Bitshift]):
    """The facts of a merge of two codes by a shift."""

    of = Bitshift

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """The sum of both codes and the bit that the shift loses; of two bits their OR."""
        one, two = (x.element(at) for x in operands)
        rows = (element_row(one), element_row(two))
        if self.op.bits == 1:
            return Steps("a OR b", rows, {}, one.number | two.number, (one, two))
        total = one.number + two.number
        return Steps("(a + b) >> 1", rows, {"a + b": total, "lost bit": total % 2}, total // 2, (one, two))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Both inputs at their ends, and pairs of codes that carry."""
        node, pairs = self.node, "pairs of codes: all, or carries through every bit and odd sums beside the ends"
        return [
            Combinations(node, "ends", "both inputs at their ends", node.inputs, ends(self.inputs), self.channels),
            Combinations(node, "pairs", pairs, node.inputs, self._pairs(), None),
        ]

    def _pairs(self) -> IntArray:
        a, b = (v.type for v in self.inputs)
        if (a.hi - a.lo + 1) * (b.hi - b.lo + 1) <= MAX_PAIRS:
            return np.array(list(product(range(a.lo, a.hi + 1), range(b.lo, b.hi + 1))), dtype=np.int64)
        powers = [2**i for i in range(self.op.bits)]
        wide = [pair for p in powers for pair in ((p - 1, 1), (1, p - 1), (p, p))]
        near = [(a.lo, b.lo + 1), (a.lo + 1, b.lo), (a.hi, b.hi - 1), (a.hi - 1, b.hi), (a.lo, b.hi), (a.hi, b.lo)]
        inside = {(x, y) for x, y in wide + near if a.lo <= x <= a.hi and b.lo <= y <= b.hi}
        return np.array(sorted(inside), dtype=np.int64)

    def mistakes(self) -> Iterator[Mistake]:
        """Other gates, roundings and shifts; a carry that is lost; one branch alone."""
        first, second = self.node.inputs
        bits, top = self.op.bits, 1 << self.op.bits
        what = "a OR b" if bits == 1 else "(a + b) >> 1"
        of_bits: dict[str, Change] = {"the mean is given, (a + b) >> 1, not a OR b": lambda a, b: (a + b) >> 1}
        of_levels: dict[str, Change] = {
            f"a OR b is given, not {what}": lambda a, b: a | b,
            "the mean is rounded up: (a + b + 1) >> 1": lambda a, b: (a + b + 1) >> 1,
            "the mean is rounded to the even level at a tie": lambda a, b: ((s := a + b) >> 1) + (s & 1 & (s >> 1)),
            f"the carry of a + b is lost: the sum has {bits} bits": lambda a, b: ((a + b) % top) >> 1,
            "each branch is shifted before the sum: (a >> 1) + (b >> 1)": lambda a, b: (a >> 1) + (b >> 1),
            "the shift is arithmetic: the carry is taken for a sign": lambda a, b: (
                ((s := a + b) - 2 * top * (s >= top)) >> 1
            ),
        }
        of_any: dict[str, Change] = {
            f"a XOR b is given, not {what}": lambda a, b: a ^ b,
            f"a AND b is given, not {what}": lambda a, b: a & b,
            "the result is inverted (NOR)": lambda a, b: top - 1 - (a | b),
            "the result is inverted (NAND)": lambda a, b: top - 1 - (a & b),
            "the result is inverted (XNOR)": lambda a, b: top - 1 - (a ^ b),
            f"the sum is given, a + b, cut to {bits} bits: there is no shift": lambda a, b: (a + b) % top,
            "the sum is given, a + b: there is no shift": lambda a, b: a + b,
            f"the sum is given, a + b, clipped to {top - 1}: there is no shift": lambda a, b: (a + b).clip(max=top - 1),
            "the sum is shifted by 2": lambda a, b: (a + b) >> 2,
            "the difference is shifted: (a - b) >> 1": lambda a, b: (a - b) >> 1,
            "the absolute difference is given": lambda a, b: np.abs(a - b),
            "the larger branch is given": np.maximum,
            "the smaller branch is given": np.minimum,
            f"only {first} is given": lambda a, b: a,
            f"only {second} is given": lambda a, b: b,
            f"only {first} counts: {second} is 0": lambda a, b: a >> 1,
            f"only {second} counts: {first} is 0": lambda a, b: b >> 1,
        }
        return listed((of_bits if bits == 1 else of_levels) | of_any)

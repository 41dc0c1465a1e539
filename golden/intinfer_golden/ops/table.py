"""Table: an entry looked up."""

from __future__ import annotations

import numpy as np

from intinfer.ops import Table
from intinfer.types import IntArray

from ..make.coverage import Covergroup, Prover
from ..make.coverage.combinations import points_of
from .base import PerChannel, Served
from .steps import Cell, Operand, Place, Steps


class TableFacts(Served, PerChannel[Table]):
    of = Table

    def explain(self, at: Place, *operands: Operand) -> Steps:
        z, op = operands[0].element(at), self.op
        row = at[0] if op.entries.shape[0] > 1 else 0
        index = z.number - op.start
        entry = int(op.entries.values[row, index])
        facts: dict[str, Cell] = {"z": z.number, "start": op.start, "index": index, "entry": entry}
        return Steps("entries[c, z - start]", (), facts, entry, (z,))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        points = range(self.op.start, self.op.start + self.op.entries.shape[1])
        return [points_of(self.node, self.x, "entries", "every entry of every channel is looked up", points)]

    def telling(self, order: IntArray) -> tuple[IntArray, bool]:
        return np.repeat(np.arange(self.x.type.lo, self.x.type.hi + 1)[:, None], self.channels, axis=1), True

    def turns(self) -> list[IntArray]:
        """The first lowest and the first highest entry."""
        entries = np.broadcast_to(self.op.entries.values, (self.channels, self.op.entries.shape[1]))
        return [self.op.start + np.stack([entries.argmin(axis=1), entries.argmax(axis=1)], axis=1)]

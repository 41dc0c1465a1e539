"""Table: an entry looked up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Table
from intinfer.types import IntArray

from ..designs import Change, Mistake, altered, listed, possible
from ..make.coverage import Covergroup, Prover
from ..make.coverage.combinations import points_of
from .base import PerChannel, Served
from .steps import Operand, Place, Steps


class TableFacts(Served, PerChannel[Table]):
    """The facts of a lookup table."""

    of = Table

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """The index behind the start, and its entry."""
        z, op = operands[0].element(at), self.op
        index = z.number - op.start
        entry = int(op.entries.values[at[0] if op.entries.shape[0] > 1 else 0, index])
        facts = {"z": z.number, "start": op.start, "index": index, "entry": entry}
        return Steps("entries[c, z - start]", (), facts, entry, (z,))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Every entry of every channel."""
        points = range(self.op.start, self.op.start + self.op.entries.shape[1])
        return [points_of(self.node, self.x, "entries", "every entry of every channel is looked up", points)]

    def telling(self, order: IntArray) -> tuple[IntArray, bool]:
        """Every number of the input."""
        return np.repeat(np.arange(self.x.type.lo, self.x.type.hi + 1)[:, None], self.channels, axis=1), True

    def turns(self) -> list[IntArray]:
        """The first lowest and the first highest entry."""
        entries = np.broadcast_to(self.op.entries.values, (self.channels, self.op.entries.shape[1]))
        return [self.op.start + np.stack([entries.argmin(axis=1), entries.argmax(axis=1)], axis=1)]

    def mistakes(self) -> Iterator[Mistake]:
        """Indices that are off by one, in reverse, without start or low bits; a table that is passed by."""
        entries, start, size = self.op.entries.values, self.op.start, self.op.entries.shape[1]
        index = np.arange(size)

        def looked(index: IntArray) -> Change:
            """The op with the entries at other indices, counted around the end."""
            return altered(self.op, entries=entries[:, index % size]).reference

        indices = possible(
            (True, "the index is 1 too high, around the end", index + 1),
            (True, "the index is 1 too high, up to the end", np.minimum(index + 1, size - 1)),
            (True, "the index is 1 too low, around the end", index - 1),
            (True, "the index is 1 too low, up to the end", np.maximum(index - 1, 0)),
            (True, "the table is in reverse", index[::-1]),
            (
                size % 2 == 0,
                "the highest bit of the index is inverted (signed for unsigned, or back)",
                index + size // 2,
            ),
            (start != 0, f"the index lacks its start: it begins at 0, not at {start}", index + start),
            (start != 0, "the index is the absolute value", np.clip(np.abs(index + start) - start, 0, size - 1)),
        )
        yield from listed({text: looked(other) for text, other in indices.items()})
        for lost in range(1, max(1, (size - 1).bit_length())):
            yield Mistake(f"the index lacks its low {lost} bits", looked(index >> lost << lost), 8)
        yield Mistake("the table is passed by: the input is given", lambda z: z)

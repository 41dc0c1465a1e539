"""Gather: each element is one of the input, or a constant."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Gather
from intinfer.types import IntArray

from ..designs import Change, Mistake, listed, possible
from ..designs.orders import AXES, channel_orders
from ..make.coverage import Covergroup, Prover
from ..make.coverage.routing import told_apart
from .base import Routing
from .steps import Operand, Place, Steps, copied


class GatherFacts(Routing[Gather]):
    """The facts of a gather of elements."""

    of = Gather

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """The element that the index names, or the fill."""
        index = int(self.op.index.values[at])
        facts = {f"index[{', '.join(map(str, at))}]": index}
        if index < 0:
            return Steps("index -1: fill", (), facts, self.op.fill)
        return copied("input.flat[index]", operands[0].flat(index), facts)

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Every element that is read, and the constant where it stands in the result."""
        read = np.unique(self.op.index.values)
        constants = (self.op.fill,) if read[0] < 0 else ()
        sentence = (
            "over all frames the element carries another sequence than any other that is read, and than the constant"
        )
        return [told_apart(self.node, [self.x], read[read >= 0], constants, sentence)]

    def mistakes(self) -> Iterator[Mistake]:
        """Other fills and indices: off by one, the neighbour's, counted in another order, the other way."""
        index, fill, shape, size = self.op.index.values, self.op.fill, self.x.shape, self.x.size
        empty = index < 0

        def take(source: IntArray, value: int = fill) -> Change:
            return lambda x: np.where(source < 0, value, x.reshape(len(x), -1)[:, np.maximum(source, 0)])

        some, every, flat = bool(empty.any()), np.arange(size), index.reshape(-1)
        held = np.maximum.accumulate(np.where(flat < 0, -1, np.arange(index.size)))
        orders = AXES if len(shape) == 3 else {}
        counted = {name: every.reshape(shape).transpose(order).reshape(-1) for name, order in orders.items()}
        changes = possible(
            (some, "places without an index hold element 0, not the fill", take(np.maximum(index, 0))),
            (
                some,
                "places without an index hold the last element, not the fill",
                take(np.where(empty, size - 1, index)),
            ),
            *((some and value != fill, f"the fill is {value}, not {fill}", take(index, value)) for value in (0, 1, -1)),
            (
                some,
                "places without an index hold the value before them, not the fill",
                take(np.where(held < 0, -1, flat[held]).reshape(index.shape)),
            ),
            (True, "the indices are 1 too high", take(np.where(empty, -1, (index + 1) % size))),
            (True, "each index is the one before it", take(np.roll(flat, 1).reshape(index.shape))),
            (True, "the indices are 1 too low", take(np.where(empty, -1, (index - 1) % size))),
            (True, "each index is the one after it", take(np.roll(flat, -1).reshape(index.shape))),
            *(
                (True, f"the indices are counted in {name} order, not CHW", take(np.where(empty, -1, lies[index])))
                for name, lies in counted.items()
            ),
            (index.size == size, "the elements are not moved", take(np.resize(every, index.shape))),
            (
                sorted(flat.tolist()) == every.tolist(),
                "the elements go the other way: the inverse of the indices",
                take(np.argsort(flat).reshape(index.shape)),
            ),
        )
        yield from listed(changes)
        for text, source, _ in channel_orders(index.shape[0]):
            yield Mistake(f"the output channels of the index are {text}: 0 is {source[0]}", take(index[source]), 16)

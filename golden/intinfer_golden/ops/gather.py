"""Gather: each element is one of the input, or a constant."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Gather
from intinfer.types import IntArray

from ..designs import Change, Mistake, listed
from ..designs.orders import AXES, channel_orders
from ..make.coverage import Covergroup, Prover
from ..make.coverage.routing import told_apart
from .base import Routing
from .steps import Operand, Place, Steps, copied


class GatherFacts(Routing[Gather]):
    """The facts of a gather of elements."""

    of = Gather

    def explain(self, at: Place, *operands: Operand) -> Steps:
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
        index, fill, shape, size = self.op.index.values, self.op.fill, self.x.shape, self.x.size
        empty = index < 0

        def take(source: IntArray, value: int = fill) -> Change:
            return lambda x: np.where(source < 0, value, x.reshape(len(x), -1)[:, np.maximum(source, 0)])

        sources: dict[str, IntArray] = {}
        if empty.any():
            ends = {"places without an index hold element 0, not the fill": np.maximum(index, 0)}
            ends["places without an index hold the last element, not the fill"] = np.where(empty, size - 1, index)
            yield from listed({text: take(source) for text, source in ends.items()})
            values = [value for value in (0, 1, -1) if value != fill]
            yield from listed({f"the fill is {value}, not {fill}": take(index, value) for value in values})
            held = np.maximum.accumulate(np.where(empty.reshape(-1), -1, np.arange(index.size)))
            before = np.where(held < 0, -1, index.reshape(-1)[held]).reshape(index.shape)
            sources["places without an index hold the value before them, not the fill"] = before
        for by, far, late in ((1, "high", "before"), (-1, "low", "after")):
            sources[f"the indices are 1 too {far}"] = np.where(empty, -1, (index + by) % size)
            sources[f"each index is the one {late} it"] = np.roll(index.reshape(-1), by).reshape(index.shape)
        for name, order in AXES.items() if len(shape) == 3 else ():
            lies = np.arange(size).reshape(shape).transpose(order).reshape(-1)
            sources[f"the indices are counted in {name} order, not CHW"] = np.where(empty, -1, lies[index])
        if index.size == size:
            sources["the elements are not moved"] = np.arange(size).reshape(index.shape)
            if sorted(index.reshape(-1).tolist()) == list(range(size)):
                back = np.argsort(index.reshape(-1)).reshape(index.shape)
                sources["the elements go the other way: the inverse of the indices"] = back
        yield from listed({text: take(source) for text, source in sources.items()})
        for text, source, _ in channel_orders(index.shape[0]):
            yield Mistake(f"the output channels of the index are {text}: 0 is {source[0]}", take(index[source]), 16)

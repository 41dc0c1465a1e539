"""Concat: channels of one input after another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Concat

from ..designs import Mistake
from .base import Routing
from .steps import Operand, Place, Steps, copied


class ConcatFacts(Routing[Concat]):
    """The facts of a concatenation of channels."""

    of = Concat

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """The input that the channel lies in, and its first channel in the result."""
        first = 0
        for number, x in enumerate(operands):
            if at[0] < first + x.shape[0]:
                element = x.element((at[0] - first, *at[1:]))
                facts = {"input": number, "its first channel here": first}
                return copied("channels one input after another", element, facts)
            first += x.shape[0]
        raise AssertionError("the place was checked")

    def mistakes(self) -> Iterator[Mistake]:
        """Channels that are interleaved; operands that are 0, or stand in the place of another."""
        op, values = self.op, self.inputs
        if len({value.shape[0] for value in values}) == 1:
            mixed = np.arange(self.channels).reshape(len(values), -1).T.reshape(-1)
            text = "the operands' channels are interleaved, not one operand after the other"
            yield Mistake(text, lambda *xs: op.reference(*xs)[:, mixed])
        for i, value in enumerate(values):
            gone = lambda *xs, i=i: op.reference(*xs[:i], np.zeros_like(xs[i]), *xs[i + 1 :])  # noqa: E731
            yield Mistake(f"operand {value.name} is not there: its channels are 0", gone)
            for k, other in enumerate(values):
                if k != i and other.shape == value.shape:
                    twice = lambda *xs, i=i, k=k: op.reference(*xs[:i], xs[k], *xs[i + 1 :])  # noqa: E731
                    yield Mistake(f"operand {other.name} stands in the place of {value.name} as well", twice)

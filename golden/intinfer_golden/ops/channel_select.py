"""Channel select: each channel is one of the input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import ChannelSelect
from intinfer.types import IntArray

from ..designs import Mistake, listed
from .base import Routing
from .steps import Operand, Place, Steps, copied


class ChannelSelectFacts(Routing[ChannelSelect]):
    """The facts of a selection of channels."""

    of = ChannelSelect

    def explain(self, at: Place, *operands: Operand) -> Steps:
        source = int(self.op.indices.values[at[0]])
        element = operands[0].element((source, *at[1:]))
        return copied("input[indices[c]]", element, {f"indices[{at[0]}]": source})

    def mistakes(self) -> Iterator[Mistake]:
        count, indices, size = self.x.shape[0], self.op.indices.values, self.channels
        every = np.arange(size)
        sources: dict[str, IntArray] = {}
        if size <= count:
            sources[f"the channels are not selected: 0..{size - 1} are given in their order"] = every
            sources[f"the channels are not selected: the last {size} are given"] = every + count - size
        if sorted(indices.tolist()) == list(range(count)):
            sources["the channels go the other way: the inverse of the selection"] = np.argsort(indices)
        sources["the indices are 1 too high"] = (indices + 1) % count
        sources["the indices are 1 too low"] = (indices - 1) % count
        for groups in (g for g in range(2, size) if size == count and size % g == 0):
            source = every.reshape(groups, -1).T.reshape(-1)
            if not np.array_equal(source, indices):
                sources[f"the channels are shuffled in {groups} groups"] = source
        for by in (1, 2):
            stride = np.minimum(every * by + indices[0], count - 1)
            sources[f"every channel from {indices[0]} on in steps of {by} is given"] = stride
        return listed({text: lambda x, s=source: x[:, s] for text, source in sources.items()})

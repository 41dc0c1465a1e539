"""Channel select: each channel is one of the input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import ChannelSelect

from ..designs import Mistake, listed, possible
from .base import Routing
from .steps import Operand, Place, Steps, copied


class ChannelSelectFacts(Routing[ChannelSelect]):
    """The facts of a selection of channels."""

    of = ChannelSelect

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """The channel that the index names."""
        source = int(self.op.indices.values[at[0]])
        element = operands[0].element((source, *at[1:]))
        return copied("input[indices[c]]", element, {f"indices[{at[0]}]": source})

    def mistakes(self) -> Iterator[Mistake]:
        """Channels that are not selected, selected the other way, shuffled or off by one."""
        count, indices, size = self.x.shape[0], self.op.indices.values, self.channels
        every = np.arange(size)
        first, fits, bijective = indices[0], size <= count, sorted(indices.tolist()) == list(range(count))
        shuffled = {g: every.reshape(g, -1).T.reshape(-1) for g in range(2, size) if size == count and size % g == 0}
        sources = possible(
            (fits, f"the channels are not selected: 0..{size - 1} are given in their order", every),
            (fits, f"the channels are not selected: the last {size} are given", every + count - size),
            (bijective, "the channels go the other way: the inverse of the selection", np.argsort(indices)),
            (True, "the indices are 1 too high", (indices + 1) % count),
            (True, "the indices are 1 too low", (indices - 1) % count),
            *(
                (not np.array_equal(source, indices), f"the channels are shuffled in {groups} groups", source)
                for groups, source in shuffled.items()
            ),
            *(
                (
                    True,
                    f"every channel from {first} on in steps of {by} is given",
                    (every * by + first).clip(max=count - 1),
                )
                for by in (1, 2)
            ),
        )
        return listed({text: lambda x, s=source: x[:, s] for text, source in sources.items()})

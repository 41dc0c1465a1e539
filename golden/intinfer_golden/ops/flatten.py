"""Flatten: a map as a vector."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Flatten

from ..designs import Mistake, listed
from ..designs.orders import AXES
from .base import Routing
from .steps import Operand, Place, Steps, copied


class FlattenFacts(Routing[Flatten]):
    """The facts of a map as a vector."""

    of = Flatten

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """The element of the map with this index in the order CHW."""
        return copied("index = (c * H + y) * W + x", operands[0].flat(at[0]), {})

    def mistakes(self) -> Iterator[Mistake]:
        """Maps that are written, or taken to lie, in another order of their axes."""
        shape = self.x.shape
        places = np.arange(self.x.size)
        for name, order in AXES.items() if len(shape) == 3 else ():
            written = places.reshape(shape).transpose(order).reshape(-1)
            back = np.argsort(order).tolist()
            read = places.reshape([shape[axis] for axis in order]).transpose(back).reshape(-1)
            orders = {"flattened": written, "taken to lie": read}
            yield from listed(
                {
                    f"the values are {what} in {name} order, not CHW": lambda x, s=source: x.reshape(len(x), -1)[:, s]
                    for what, source in orders.items()
                }
            )

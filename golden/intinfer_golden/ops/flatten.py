"""Flatten: a map as a vector."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Flatten

from ..designs import Change, Mistake, listed
from ..designs.orders import AXES
from .base import Routing
from .steps import Operand, Place, Steps, element_row, place_of


class FlattenFacts(Routing[Flatten]):
    """The facts of a map as a vector."""

    of = Flatten

    def explain(self, at: Place, *operands: Operand) -> Steps:
        (x,) = operands
        element = x.element(place_of(at[0], x.shape))
        return Steps("index = (c * H + y) * W + x", (element_row(element),), {}, element.number, (element,))

    def mistakes(self) -> Iterator[Mistake]:
        shape = self.x.shape
        places = np.arange(self.x.size)
        for name, order in AXES.items() if len(shape) == 3 else ():
            written = places.reshape(shape).transpose(order).reshape(-1)
            back = np.argsort(order).tolist()
            read = places.reshape([shape[axis] for axis in order]).transpose(back).reshape(-1)
            table: dict[str, Change] = {
                f"the values are flattened in {name} order, not CHW": lambda x, w=written: x.reshape(len(x), -1)[:, w],
                f"the values are taken to lie in {name} order, not CHW": lambda x, r=read: x.reshape(len(x), -1)[:, r],
            }
            yield from listed(table)

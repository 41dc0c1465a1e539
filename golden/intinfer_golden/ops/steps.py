"""How an op makes one element, step by step. Plain Python integers throughout: nothing can wrap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from intinfer.ops.geometry import Window
from intinfer.types import IntArray

Place = tuple[int, ...]
"""(c, y, x) of a map, (c,) of a vector."""

Cell = int | str


@dataclass(frozen=True)
class Element:
    """One number of a value of the graph."""

    value: str
    at: Place
    number: int


@dataclass(frozen=True)
class Operand:
    """An input of a node: its values without batch axis."""

    name: str
    values: IntArray

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) or (C,)."""
        return self.values.shape

    def element(self, at: Place) -> Element:
        """The number at a place, with the operand's name."""
        return Element(self.name, at, int(self.values[at]))

    def flat(self, index: int) -> Element:
        """The number with this flat index."""
        return self.element(tuple(int(i) for i in np.unravel_index(index, self.shape)))


@dataclass(frozen=True)
class Steps:
    """How an op makes one element.

    Attributes:
        formula: of the op, in its terms.
        rows: what is gone through, one dictionary a row with the same keys in all.
        facts: intermediate results by name, in order.
        result: the element.
        made_of: the elements to explain next; those of a long sum are not among them.
    """

    formula: str
    rows: tuple[dict[str, Cell], ...]
    facts: Mapping[str, Cell]
    result: int
    made_of: tuple[Element, ...] = ()


def element_row(element: Element, **more: Cell) -> dict[str, Cell]:
    """A row that says where a number stands."""
    return {"input": element.value, **dict(zip("cyx", element.at, strict=False)), "value": element.number, **more}


def tap(
    window: Window, at: Place, place: tuple[int, ...], x: Operand, channel: int
) -> tuple[dict[str, Cell], Element | None]:
    """Where a place (ky, kx) of the window of the element at `at` reads a channel, and what; None in the border."""
    y, column = (at[i + 1] * window.stride[i] + place[i] * window.dilation[i] - window.pads[i] for i in (0, 1))
    if 0 <= y < x.shape[1] and 0 <= column < x.shape[2]:
        return {"y": y, "x": column}, x.element((channel, y, column))
    return {"y": "pad", "x": "pad"}, None


def copied(formula: str, element: Element, facts: Mapping[str, Cell]) -> Steps:
    """How an op makes an element that is one of an input's."""
    return Steps(formula, (element_row(element),), facts, element.number, (element,))

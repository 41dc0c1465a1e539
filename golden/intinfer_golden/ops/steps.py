"""How an op makes one element, step by step. Plain Python integers throughout: nothing can wrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
        return Element(self.name, at, self.number(at))

    def number(self, at: Place) -> int:
        """The number at a place."""
        return int(self.values[at])


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
    facts: dict[str, Cell]
    result: int
    made_of: tuple[Element, ...] = ()


def element_row(element: Element, **more: Cell) -> dict[str, Cell]:
    """A row that says where a number stands."""
    return {"input": element.value, **dict(zip("cyx", element.at, strict=False)), "value": element.number, **more}


def place_of(index: int, shape: tuple[int, ...]) -> Place:
    """Where the element with this flat index stands."""
    return tuple(int(i) for i in np.unravel_index(index, shape))

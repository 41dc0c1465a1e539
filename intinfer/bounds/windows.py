"""Which pixels of a value have windows alike, so that one of them stands for all.

A pixel's window is what its linear chain reads, down to the values that the chain begins with: the pattern of taps
inside the map and in the padding, layer by layer. Rows and columns decide it independently, so it is found along
each axis. Two pixels are alike when their patterns are, up to a shift on each of those values.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from ..graph import Graph, Node
from ..ops.linear import Linear
from ..types import IntArray

Key = tuple[Any, ...]
Pattern = tuple[int, dict[str, int]]
"""Number of the pattern, and where it lies: the first row (or column) it reads of each value the chain begins with."""


class Windows:
    """The patterns of every value of a graph along one axis, 0 for rows and 1 for columns.

    Args:
        ends: the values that linear chains begin with: what is not made by a linear node, at least.
    """

    def __init__(self, graph: Graph, ends: Collection[str], axis: int) -> None:
        self.graph, self.ends, self.axis = graph, ends, axis
        self._numbers: dict[Key, int] = {}
        self._patterns: dict[str, list[Pattern]] = {}

    def classes(self, value: str) -> IntArray:
        """Give for each row (column) of the value the number of its class, counted from 0 in order of appearance.

        A vector has one row and one column.
        """
        return _counted(self._of(value))

    def classes_of_reads(self, name: str) -> IntArray:
        """The same for what a linear node computes before its accumulator's rule, even where chains end with it."""
        node = self.graph.node_by_name[name]
        return _counted([self._joined(node, self._reads(node, i)) for i in range(self._extent(name))])

    def _extent(self, name: str) -> int:
        shape = self.graph.values[name].shape
        return shape[1 + self.axis] if len(shape) == 3 else 1

    def _add(self, name: str) -> None:
        """Find the patterns of a value whose inputs are known already."""
        extent, type_ = self._extent(name), self.graph.values[name].type
        constant = type_.lo == type_.hi
        if name in self.ends or constant:
            number = self._number((name,))
            self._patterns[name] = [(number, {} if constant else {name: i}) for i in range(extent)]
        else:
            node = self.graph.node_by_name[name]
            self._patterns[name] = [self._joined(node, self._reads(node, i)) for i in range(extent)]

    def _of(self, value: str) -> list[Pattern]:
        if value not in self._patterns:
            for name in self.graph.values:  # in order: inputs before their readers
                if name not in self._patterns:
                    self._add(name)
                if name == value:
                    break
        return self._patterns[value]

    def _reads(self, node: Node, position: int) -> list[Pattern | None]:
        """The patterns that a pixel of a linear node reads, one a tap and input; None is padding."""
        assert isinstance(node.op, Linear)
        inputs = [self._of(name) for name in node.inputs]
        reads = node.op.reads(self.axis, position, [len(patterns) for patterns in inputs])
        return [None if read is None else inputs[read[0]][read[1]] for read in reads]

    def _joined(self, node: Node, reads: list[Pattern | None]) -> Pattern:
        base: dict[str, int] = {}
        for pattern in filter(None, reads):
            for name, row in pattern[1].items():
                base[name] = min(row, base.get(name, row))
        parts = (
            None if p is None else (p[0], tuple(sorted((name, row - base[name]) for name, row in p[1].items())))
            for p in reads
        )
        return self._number((node.name, *parts)), base

    def _number(self, key: Key) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _counted(patterns: list[Pattern]) -> IntArray:
    first = {number: i for i, number in enumerate(dict.fromkeys(number for number, _ in patterns))}
    return np.array([first[number] for number, _ in patterns], dtype=np.int64)


def representatives(classes: IntArray) -> list[int]:
    """Choose one row (column) of each class, in order of the classes: the middle one, away from the border."""
    found = [np.flatnonzero(classes == number) for number in range(int(classes.max()) + 1)]
    return [int(rows[len(rows) // 2]) for rows in found]

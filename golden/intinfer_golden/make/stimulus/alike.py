"""Graphs that differ in names alone: what was searched for one of them is found for the others."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.graph import Graph

from .textures import Frame


class SearchCache:
    """Results of searches, by all that decides them but the graph: the frame, and the random numbers left after it."""

    def __init__(self) -> None:
        self._results: dict[Hashable, tuple[list[npt.NDArray[np.integer]] | None, Any]] = {}

    def once(
        self, key: Hashable, graph: Graph, rng: np.random.Generator, search: Callable[[], Frame | None]
    ) -> Frame | None:
        """What `search` finds, under this graph's names; `rng` goes on as it did behind the search."""
        if key not in self._results:
            frame = search()
            arrays = None if frame is None else [frame[x.name].astype(x.type.dtype) for x in graph.inputs]
            self._results[key] = arrays, rng.bit_generator.state
        arrays, rng.bit_generator.state = self._results[key]
        if arrays is None:
            return None
        return {x.name: array.astype(np.int64) for x, array in zip(graph.inputs, arrays, strict=True)}


class Alike:
    """Which of some graphs are alike, and a `SearchCache` for each kind of them."""

    def __init__(self, graphs: Iterable[Graph]) -> None:
        kinds: dict[Hashable, list[list[Graph]]] = {}
        for graph in graphs:
            same = kinds.setdefault(_form(graph), [])
            own = next((kind for kind in same if _same_ops(kind[0], graph)), None)
            if own is None:
                same.append([graph])
            else:
                own.append(graph)
        self._found: dict[Graph, SearchCache] = {}
        for kind in (kind for same in kinds.values() for kind in same if len(kind) > 1):
            self._found |= dict.fromkeys(kind, SearchCache())

    def of(self, graph: Graph) -> SearchCache | None:
        """None for a graph that has no like."""
        return self._found.get(graph)


def _form(graph: Graph) -> Hashable:
    """Shapes, types and who reads what; no names and no constants."""
    inputs = tuple((x.shape, x.type) for x in graph.inputs)
    nodes = tuple(
        (node.op.kind, tuple(graph.place[name] for name in node.inputs), node.output.shape, node.output.type)
        for node in graph.nodes
    )
    return inputs, nodes


def _same_ops(a: Graph, b: Graph) -> bool:
    """Whether nodes of the same kinds have the same attributes."""
    return all(
        getattr(one.op, attribute.name) == getattr(other.op, attribute.name)
        for one, other in zip(a.nodes, b.nodes, strict=True)
        for attribute in fields(one.op)
    )

"""`Coverage`: all covergroups of a graph, fed with frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from intinfer import reference
from intinfer.graph import Graph

from ...ops import facts_of
from . import document, told
from .first import FirstFrames, opposites
from .forms import Prover
from .group import Covergroup, Intervals, Values
from .shown import Shown
from .turning import Turning

CHUNK_BYTES = 2**27
"""Memory of the values of one batch of frames."""


class Coverage:
    """What frames have covered of a graph.

    A bin is hit by some frame, or unreachable, with its reason, when it is proven that no input can hit it; the rest
    is open. Only `Intervals` need a proof over the numbers that a value can hold: they get it here, those of
    `Shown` by `prove`; the other groups know their unreachable bins when they are made.
    """

    def __init__(self, graph: Graph, name: str = "frames") -> None:
        self.graph = graph
        self.prover = Prover(graph)
        self.turning = Turning(graph, self.prover)
        self.groups: list[Covergroup] = []
        for node in graph.nodes:
            self.groups += [*facts_of(graph, node).covergroups(self.prover), *told.covergroups(graph, node)]
        self.frames, self.first = opposites(graph, name), FirstFrames(graph, name, self.prover)
        self.groups += [self.frames, self.first]
        for group in self.groups:
            if isinstance(group, Intervals):
                self.prover.prove(group)

    def prove(self) -> None:
        """Prove bins of `Shown` unreachable that are still open: a proof for each element, too many for all bins."""
        for group in self.groups:
            if isinstance(group, Shown):
                self.turning.prove(group)

    @property
    def hit(self) -> int:
        """How many bins are hit."""
        return int(document.counts(self.groups)["hit"])

    @property
    def unreachable(self) -> int:
        """How many bins are proven unreachable."""
        return int(document.counts(self.groups)["unreachable"])

    @property
    def open(self) -> int:
        """How many bins are neither hit nor proven unreachable."""
        return int(document.counts(self.groups)["open"])

    @property
    def percent(self) -> float:
        """How many per cent of the bins that are not proven unreachable are hit; 100 exactly when none is open."""
        return float(document.counts(self.groups)["percent"])

    def observe(self, values: Values) -> None:
        """Count what these frames hit, in their order. `values` is a trace, every array (N, ...)."""
        for group in self.groups:
            group.observe(values)

    def news(self, values: Values) -> int:
        """How many open bins these frames would hit; groups that depend on all frames are not asked."""
        return sum(int((group.see(values) & group.open).sum()) for group in self.groups if not group.history)

    def run(self, inputs: Values) -> None:
        """Trace these frames with the reference and observe them. Errors as `reference.trace`."""
        for part in chunks(self.graph, len(next(iter(inputs.values())))):
            self.observe(reference.trace(self.graph, {name: array[part] for name, array in inputs.items()}))

    def document(self) -> dict[str, Any]:
        """As JSON-able dict: totals, and every group with its bins, reasons and first open bins."""
        return document.document(self.groups)

    def files(self) -> dict[str, str]:
        """By suffix the document as JSON, as a table with the reasons and the first open bins, and as a web page of its
        own: no scripts, no other files."""
        report = self.document()
        return {
            "json": json.dumps(report, indent=1) + "\n",
            "txt": document.text(report),
            "html": document.html(report),
        }


def chunks(graph: Graph, count: int) -> Iterator[slice]:
    """Slices of frames whose values fit CHUNK_BYTES."""
    size = max(1, CHUNK_BYTES // (8 * sum(value.size for value in graph.values.values())))
    return (slice(start, min(start + size, count)) for start in range(0, count, size))

"""Node by node: the integer op on the source's own integers, against what the source has there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer import reference
from intinfer.errors import DataError
from intinfer.graph import Graph
from intinfer.types import IntArray

from ..lower import lower
from ..lowered import Lowered
from .batch import CheckedBatch
from .comparisons import OutputComparison, ValueComparison, comparison_of
from .levels import Reals, real_output
from .report import CheckReport
from .runner import Runner, need_same_nodes, pair_nodes

MAX_BATCH = 32
MEMORY = 2**28
BYTES = 40
"""Of a value: the integer, its float, its real value and bound, and a temporary."""


class Checker:
    """Compares a graph with the source it was made from; `add` images, then read `report`.

    Args:
        graph: the model.
        source: a `Runner`, or a torch module made of `intinfer_converters.nets.layers`.
        threads: of torch, for a module.
        lowering: options of `lower` that the model was made with.

    Raises:
        DataError, LoweringError: the source cannot be read or converted, or the graph is not one of it.
    """

    def __init__(
        self, graph: Graph, source: Any, threads: int = 1, *, lowering: Mapping[str, Any] | None = None
    ) -> None:
        if len(graph.inputs) != 1:
            shapes = ", ".join(f"{value.name} {value.shape}" for value in graph.inputs)
            raise DataError(f"the model takes {shapes}; only models of one input can be checked")
        self.graph = graph
        self.runner: Runner = source if hasattr(source, "reading") else _module_runner(source, graph, threads)
        self.net = self.runner.reading.net
        meanings: dict[str, Lowered] = {}
        ours = lower(self.net, recorded=meanings, **(lowering or {}))
        need_same_nodes(graph, ours)
        pairs = pair_nodes(ours, self.runner.reading, meanings)
        every = {
            node.name: comparison_of(node, ours.node(node.name), pairs.get(node.name), self.net.dtype)
            for node in graph.nodes
        }
        self.nodes: dict[str, ValueComparison] = {name: found for name, found in every.items() if found is not None}
        self.outputs: list[ValueComparison] = [
            OutputComparison(
                out,
                ours.node(out.value).source if out.value in ours.node_by_name else (out.value,),
                self.net.outputs[out.name],
                (out.scale, out.offset) != (theirs.scale, theirs.offset),
            )
            for out, theirs in zip(graph.outputs, ours.outputs, strict=True)
        ]
        rounded = {line.partition(":")[0] for line in ours.provenance.get("approximate adds", "").split("; ")}
        self.reals = Reals(self.net, meanings, getattr(self.runner, "norms", {}), rounded)
        self.restart()

    def restart(self, first_image: int = 0) -> None:
        """Begin a new report, whose images are counted from `first_image`.

        `failing` is the first image of the last batch that has a mismatch, or None.
        """
        self._rows = {comparison: comparison.row() for comparison in (*self.nodes.values(), *self.outputs)}
        self.report = CheckReport(nodes=list(self._rows.values()))
        self._first_image = first_image
        self.failing: IntArray | None = None

    @property
    def batch(self) -> int:
        """Images at a time: what a quarter of a GiB holds of all values, at most 32."""
        an_image = BYTES * sum(value.size for value in self.graph.values.values())
        return max(1, min(MAX_BATCH, MEMORY // an_image))

    def add_each(self, images: npt.NDArray[np.integer], batch: int | None = None) -> IntArray | None:
        """Check images, `batch` or `self.batch` at a time; the image of the first mismatch of a batch that has one."""
        failing, size = None, batch or self.batch
        for start in range(0, len(images), size):
            if self.add(images[start : start + size]) and failing is None:
                failing = self.failing
        return failing

    def add(self, images: npt.NDArray[np.integer]) -> int:
        """Check a batch (N, *shape of the input) and return its number of mismatches."""
        before = self.report.mismatches
        self.graph.inputs[0].type.check(images, f"input {self.graph.inputs[0].name!r}")
        pixels = images.astype(np.int64)
        number = self._first_image + self.report.images
        batch = CheckedBatch(self.graph, pixels, self.runner.run(pixels), self.reals, number)
        for node in self.graph.nodes:
            batch.run(node)
            if node.name in self.nodes:
                comparison = self.nodes[node.name]
                comparison.compare(batch, self._rows[comparison])
        for comparison in self.outputs:
            comparison.compare(batch, self._rows[comparison])
        self._end_to_end(batch)
        self.failing = None if batch.failing is None else pixels[batch.failing]
        self.report.images += len(images)
        return self.report.mismatches - before

    def _end_to_end(self, batch: CheckedBatch) -> None:
        """Where no value differs, the model's own run is what was compared; other images are run again."""
        out = self.graph.outputs[0]
        z = batch.live[out.value]
        if batch.replaced.any():
            z = z.copy()
            z[batch.replaced] = reference.run(self.graph, batch.pixels[batch.replaced])[out.name]
        model, _ = real_output(out, z)
        result = batch.tensor(out.name).astype(np.float64).reshape(model.shape)
        if model.shape[1] == 1:  # the class itself, or one number
            same = model == result
        else:
            same = np.argmax(z if out.ordered else model, axis=1) == np.argmax(result, axis=1)
        right = int(same.reshape(len(z), -1).all(axis=1).sum())
        self.report.end_to_end.count(len(z), right, float(np.abs(model - result).max(initial=0)))


def _module_runner(module: Any, graph: Graph, threads: int) -> Runner:
    from ..read_aten import export_layers
    from .aten_runner import ModuleRunner

    size = graph.inputs[0].shape
    if len(size) != 3:
        raise DataError(f"the model takes {graph.inputs[0].name} {size}; a torch module of ours takes (C, H, W)")
    return ModuleRunner(module, export_layers(module, size), threads)

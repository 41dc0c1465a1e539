"""`Model`: a graph that runs. What `intinfer.load` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from . import model_file, reference
from .cost import graph_cost
from .errors import DataError, RangeError
from .graph import Graph, GraphLike, graph_of
from .inputs import Arrays, Batch
from .ops.geometry import Windowed
from .types import IntArray

if TYPE_CHECKING:
    from .engine.session import Session

CHUNK_BYTES = 2**28
"""Working memory of one chunk of images; a larger batch is run in several."""

ENGINES = ("fast", "reference")
FAST_FROM = 5 * 10**9
"""MACs from which the fast engine is sooner done: what the reference computes while Numba compiles the kernels."""


class Model:
    """A frozen graph, ready to run.

    Inputs are integer arrays of any dtype, range-checked: (N, *shape) or, for one image, (*shape); for a graph of
    several inputs a mapping {input name: array}. Results are int64 and have a batch axis when the inputs have one.
    """

    def __init__(self, graph: GraphLike) -> None:
        self.graph = graph = graph_of(graph)
        self._chunk = max(1, CHUNK_BYTES // _image_bytes(graph))
        self._sessions: dict[bool, Session] = {}
        self._by_reference = 0

    def choose(self, images: int) -> str:
        """The engine that is sooner done with so many images: "fast" or "reference". Their bits are the same.

        Images that the reference has run count: who gives them one by one is not left with it for ever.
        """
        return "fast" if self._sessions or (self._by_reference + images) * self._macs >= FAST_FROM else "reference"

    @cached_property
    def _macs(self) -> int:
        """The multiply-accumulates of one image; they are asked for at every run."""
        return graph_cost(self.graph).macs

    def run(
        self, images: Arrays, *, engine: str | None = None, skip: bool = True, threads: int = 1
    ) -> IntArray | dict[str, IntArray]:
        """The output: an array for a graph of one output, a dict by output name for several.

        Args:
            images: see the class.
            engine: "fast" (Numba kernels; compiled at first use, some seconds), "reference" (plain NumPy), or
                None for the one that is sooner done. The result does not depend on it.
            skip: let the fast engine leave out channels that no multiplexer selects; the result stays the same.
            threads: of the fast engine, over the images.

        Raises:
            DataError: wrong names, shapes or dtypes.
            RangeError: a value outside its input's type, or a `trap` accumulator that left its range.
        """
        if engine not in (None, *ENGINES):
            raise DataError(f"engine {engine!r} is unknown; there are {' and '.join(ENGINES)}")
        batch, batched = Batch.or_single(self.graph, images)
        if (engine or self.choose(batch.count)) == "fast":
            results = self.session(skip).run(batch, threads=threads)
        else:
            self._by_reference += batch.count
            shapes = {output.name: self.graph.values[output.value].shape for output in self.graph.outputs}
            results = self._in_chunks(batch, reference.run, shapes)
        results = _squeezed(results, batched)
        return next(iter(results.values())) if len(results) == 1 else results

    def trace(self, image: Arrays) -> dict[str, IntArray]:
        """Every value by node name, inputs included, unfused and with nothing skipped. Errors as `run`."""
        batch, batched = Batch.or_single(self.graph, image)
        shapes = {name: value.shape for name, value in self.graph.values.items()}
        return _squeezed(self._in_chunks(batch, reference.trace, shapes), batched)

    def session(self, skip: bool = True) -> Session:
        """The fast engine's session for this graph, made at the first call."""
        if skip not in self._sessions:
            from .engine.session import Session  # Numba takes longer to import than one image to run

            self._sessions[skip] = Session(self.graph, skip=skip)
        return self._sessions[skip]

    def _in_chunks(
        self,
        batch: Batch,
        function: Callable[[Graph, Batch], dict[str, IntArray]],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> dict[str, IntArray]:
        results = {name: np.empty((batch.count, *shape), dtype=np.int64) for name, shape in shapes.items()}
        for start in range(0, batch.count, self._chunk):
            part = slice(start, start + self._chunk)
            try:
                chunk = function(self.graph, batch.part(part))
            except RangeError as error:
                counted = f" (images counted from {start})" if start else ""
                raise RangeError(f"{error}{counted}") from None
            for name, array in chunk.items():
                results[name][part] = array
        return results


def load(path: str | PathLike[str]) -> Model:
    """The model in an `.npz` file. Raises ModelFileError naming the file."""
    return Model(model_file.load(path))


def _image_bytes(graph: Graph) -> int:
    """An upper bound of what the reference holds for one image: every value, and one op's unfolded
    windows in int64 and float64."""
    windows = 0
    for node in graph.nodes:
        if isinstance(node.op, Windowed):
            taps = graph.values[node.inputs[0]].shape[0] * node.op.window.kernel[0] * node.op.window.kernel[1]
            windows = max(windows, taps * node.output.shape[1] * node.output.shape[2])
    return 8 * (sum(value.size for value in graph.values.values()) + 2 * windows)


def _squeezed(results: dict[str, IntArray], batched: bool) -> dict[str, IntArray]:
    """Take the batch axis away where the inputs came without one."""
    return results if batched else {name: array[0] for name, array in results.items()}

"""`Model`: a graph that runs. What `intinfer.load` returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from . import model_file, reference
from .cost import graph_cost
from .errors import DataError, RangeError
from .graph import Graph, GraphLike, graph_of
from .ops.windowed import Windowed
from .reference import Arrays
from .types import IntArray

if TYPE_CHECKING:
    from .engine.session import Session

Batch = dict[str, npt.NDArray[np.integer]]

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

    def choose(self, images: int) -> str:
        """The engine that is sooner done with so many images: "fast" or "reference". Their bits are the same."""
        if self._sessions:
            return "fast"
        return "fast" if images * self._macs >= FAST_FROM else "reference"

    @cached_property
    def _macs(self) -> int:
        """Of one image; asked at every run."""
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
        arrays, batched = _with_batch_axis(self.graph, images)
        count = len(next(iter(arrays.values())))
        if (engine or self.choose(count)) == "fast":
            results = _squeezed(self.session(skip).run(arrays, threads=threads), batched)
        else:
            shapes = {output.name: self.graph.values[output.value].shape for output in self.graph.outputs}
            results = _squeezed(self._in_chunks(arrays, count, reference.run, shapes), batched)
        return next(iter(results.values())) if len(results) == 1 else results

    def trace(self, image: Arrays) -> dict[str, IntArray]:
        """Every value by node name, inputs included, unfused and with nothing skipped. Errors as `run`."""
        arrays, batched = _with_batch_axis(self.graph, image)
        shapes = {name: value.shape for name, value in self.graph.values.items()}
        return _squeezed(self._in_chunks(arrays, len(next(iter(arrays.values()))), reference.trace, shapes), batched)

    def session(self, skip: bool = True) -> Session:
        """The fast engine's session for this graph, made at the first call."""
        if skip not in self._sessions:
            from .engine.session import Session  # Numba takes longer to import than one image to run

            self._sessions[skip] = Session(self.graph, skip=skip)
        return self._sessions[skip]

    def _in_chunks(
        self,
        arrays: Batch,
        count: int,
        function: Callable[[Graph, Batch], dict[str, IntArray]],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> dict[str, IntArray]:
        results = {name: np.empty((count, *shape), dtype=np.int64) for name, shape in shapes.items()}
        for part in self._chunks(count):
            try:
                chunk = function(self.graph, {name: array[part] for name, array in arrays.items()})
            except RangeError as error:
                counted = f" (images counted from {part.start})" if part.start else ""
                raise RangeError(f"{error}{counted}") from None
            for name, array in chunk.items():
                results[name][part] = array
        return results

    def _chunks(self, count: int) -> Iterator[slice]:
        return (slice(start, min(start + self._chunk, count)) for start in range(0, count, self._chunk))


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
    """Without the batch axis where the inputs came without one."""
    return results if batched else {name: array[0] for name, array in results.items()}


def _with_batch_axis(graph: Graph, images: Arrays) -> tuple[Batch, bool]:
    """Checked inputs with a batch axis, and whether they came with one."""
    given = images if isinstance(images, Mapping) else {graph.inputs[0].name: images}
    wanted = {value.name for value in graph.inputs}
    if set(given) != wanted:
        form = "" if isinstance(images, Mapping) else "; pass a mapping {input name: array}"
        raise DataError(f"inputs {sorted(given)} are given, {sorted(wanted)} are needed{form}")
    arrays: Batch = {}
    counts: set[int | None] = set()
    for value in graph.inputs:
        array = np.asarray(given[value.name])
        what = f"input {value.name!r}"
        if array.dtype.kind not in "iu":
            raise DataError(f"{what} has dtype {array.dtype}, integers are needed; cast it if its values are integers")
        if array.shape == value.shape:
            counts.add(None)
            value.type.check(array, what)
            array = array[None]
        elif array.shape[1:] == value.shape:
            counts.add(len(array))
            value.type.check(array, what)
        else:
            form = f"{value.shape} or {reference.batched(value.shape)}"
            raise DataError(f"{what} has shape {array.shape}, {form} is needed")
        arrays[value.name] = array
    if len(counts) != 1:
        sizes = ", ".join("one unbatched" if c is None else str(c) for c in sorted(counts, key=str))
        raise DataError(f"inputs differ in the number of images: {sizes}; give all the same batch")
    return arrays, counts != {None}

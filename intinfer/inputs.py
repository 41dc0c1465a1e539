"""What a graph is run on: `Batch`, arrays for all its inputs, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import DataError
from .graph import Graph, Value
from .types import IntArray

Arrays = npt.NDArray[np.integer] | Mapping[str, npt.NDArray[np.integer]]
"""An integer array for the only input of a graph, or arrays by input name."""


def image_input(graph: Graph, model: str = "the model", call: str = "intinfer.load(...).run") -> Value:
    """The only input of a graph, which images become.

    Raises DataError for a graph of several; it names the `model`, and what to `call` with arrays for all of them.
    """
    if len(graph.inputs) != 1:
        shapes = ", ".join(f"{value.name} {value.shape}" for value in graph.inputs)
        raise DataError(f"{model} takes {shapes}, not an image; call {call} from Python")
    return graph.inputs[0]


@dataclass(frozen=True, eq=False)
class Batch:
    """As many images of every input of a graph: integers of any dtype, inside the inputs' types.

    Attributes:
        inputs: of the graph that they were checked for.
        arrays: (N, *shape) by input name.
        count: N.
    """

    inputs: tuple[Value, ...]
    arrays: dict[str, npt.NDArray[np.integer]]
    count: int

    @classmethod
    def of(cls, graph: Graph, images: Arrays | Batch) -> Batch:
        """Arrays (N, *shape), checked; a batch of the same graph is taken as it is.

        Raises:
            DataError: wrong names, shapes or dtypes, or different numbers of images.
            RangeError: a value outside its input's type.
        """
        if isinstance(images, Batch):
            if images.inputs == graph.inputs:
                return images
            images = images.arrays
        return cls._checked(graph, images, single=False)[0]

    @classmethod
    def or_single(cls, graph: Graph, images: Arrays) -> tuple[Batch, bool]:
        """The same, of one image (*shape) too; and whether the arrays came with a batch axis. Errors as `of`."""
        return cls._checked(graph, images, single=True)

    def part(self, part: slice) -> Batch:
        """Take some of the images."""
        arrays = {name: array[part] for name, array in self.arrays.items()}
        return Batch(self.inputs, arrays, len(range(self.count)[part]))

    def int64(self) -> dict[str, IntArray]:
        """A copy of the arrays that every op's reference can compute with."""
        return {name: array.astype(np.int64) for name, array in self.arrays.items()}

    @classmethod
    def _checked(cls, graph: Graph, images: Arrays, single: bool) -> tuple[Batch, bool]:
        given = images if isinstance(images, Mapping) else {graph.inputs[0].name: images}
        wanted = {value.name for value in graph.inputs}
        if set(given) != wanted:
            form = "" if isinstance(images, Mapping) else "; pass a mapping {input name: array}"
            raise DataError(f"inputs {sorted(given)} are given, {sorted(wanted)} are needed{form}")
        arrays: dict[str, npt.NDArray[np.integer]] = {}
        counts: set[int | None] = set()
        for value in graph.inputs:
            array = _of_input(value, np.asarray(given[value.name]), single)
            unbatched = array.ndim == len(value.shape)
            counts.add(None if unbatched else len(array))
            arrays[value.name] = array[None] if unbatched else array
        if len(counts) != 1:
            sizes = ", ".join("one unbatched" if count is None else str(count) for count in sorted(counts, key=str))
            raise DataError(f"inputs differ in the number of images: {sizes}; give all the same batch")
        (count,) = counts
        return cls(graph.inputs, arrays, 1 if count is None else count), count is not None


def _of_input(value: Value, array: npt.NDArray[np.integer], single: bool) -> npt.NDArray[np.integer]:
    """The array itself, once it fits; with `single`, without a batch axis too."""
    what = f"input {value.name!r}"
    if array.dtype.kind not in "iu":
        raise DataError(f"{what} has dtype {array.dtype}, integers are needed; cast it if its values are integers")
    if not ((array.ndim > 0 and array.shape[1:] == value.shape) or (single and array.shape == value.shape)):
        batched = f"(N, {', '.join(map(str, value.shape))})"
        raise DataError(f"{what} has shape {array.shape}, {f'{value.shape} or ' * single}{batched} is needed")
    value.type.check(array, what)
    return array

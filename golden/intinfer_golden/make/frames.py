"""Images on their way into vectors: counted, hashed and read a few at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError, RangeError
from intinfer.graph import Graph
from intinfer.inputs import Arrays, Batch
from intinfer.types import IntArray, Mask

CHUNK = 64
"""Images that are read at a time where nothing else decides."""


@dataclass(frozen=True)
class Frames:
    """`count` images; `read(start, stop)` gives some of them as {input name: integers (stop - start, *shape)}.

    `read` gives the same integers whenever it is asked; it is asked twice for each image.
    """

    count: int
    read: Callable[[int, int], Mapping[str, npt.NDArray[np.integer]]]

    @classmethod
    def of(cls, graph: Graph, images: Arrays) -> Frames:
        """The frames in arrays; see `write_vectors`. Values are checked when they are read.

        Raises DataError for wrong names or shapes.
        """
        given = images if isinstance(images, Mapping) else {graph.inputs[0].name: images}
        shapes = {value.name: value.shape for value in graph.inputs}
        arrays = {name: np.atleast_1d(array) for name, array in given.items()}
        arrays = {name: array[None] if array.shape == shapes.get(name) else array for name, array in arrays.items()}
        Batch.of(graph, {name: array[:0] for name, array in arrays.items()})
        counts = {len(array) for array in arrays.values()}
        if len(counts) != 1:
            raise DataError(f"inputs differ in the number of images: {', '.join(map(str, sorted(counts)))}")
        return cls(counts.pop(), lambda start, stop: {name: array[start:stop] for name, array in arrays.items()})

    def all(self, graph: Graph) -> dict[str, IntArray]:
        """All images in memory, checked."""
        return Batch.of(graph, self.read(0, self.count)).int64()

    def chunks(self, graph: Graph, start: int = 0, size: int = CHUNK) -> Iterator[dict[str, IntArray]]:
        """The images from `start` on as int64, checked, at most `size` at a time."""
        for begin in range(start, self.count, size):
            images = self.read(begin, min(begin + size, self.count))
            try:
                chunk = Batch.of(graph, images).int64()
            except RangeError as error:
                raise RangeError(f"{error}{f' (images counted from {begin})' if begin else ''}") from None
            yield chunk


class Report(Protocol):
    """A coverage report in three forms; see `intinfer_golden.make.coverage`."""

    def files(self) -> dict[str, str]:
        """Text by suffix."""


@dataclass(frozen=True, eq=False)
class Stimulus:
    """Images for the inputs of a graph, in the order in which they are to be sent, and how they were found.

    Attributes:
        frames: the images, as `write_vectors` takes them.
        labels: what each is for; None for "image 0" and so on.
        masks: {name of the only node: bool (N, C)}, the channels that each image demands of it; None when everything is
            always demanded. Values of other channels are as full in the files as any.
        coverage: what the images reach; None where nobody looked.
        seed, rounds: of the search for them; None where there was none.
    """

    frames: Arrays | Frames
    labels: Sequence[str] | None = None
    masks: Mapping[str, Mask] | None = None
    coverage: Report | None = None
    seed: int | None = None
    rounds: int | None = None

    def of(self, graph: Graph) -> tuple[Frames, list[str], dict[str, Mask]]:
        """The images of a graph, a label for each, and the masks. Raises DataError for what does not fit together."""
        frames = self.frames if isinstance(self.frames, Frames) else Frames.of(graph, self.frames)
        labels = [f"image {i}" for i in range(frames.count)] if self.labels is None else list(self.labels)
        if len(labels) != frames.count:
            raise DataError(f"{len(labels)} labels are given for {frames.count} images; give one an image")
        for name, mask in (self.masks or {}).items():
            if len(graph.nodes) != 1 or name not in graph.node_by_name:
                names = ", ".join(graph.node_by_name)
                raise DataError(
                    f"a mask of node {name!r} is given; masks are for a graph of that node alone, this is {names}"
                )
            wanted = (frames.count, graph.node_by_name[name].output.shape[0])
            if mask.dtype != np.bool_ or mask.shape != wanted:
                raise DataError(f"mask of node {name!r} is {mask.dtype} {mask.shape}, bool {wanted} is needed")
        return frames, labels, dict(self.masks or {})


@dataclass(frozen=True)
class Hashes:
    """What tells whether images changed.

    Attributes:
        inputs: by input name the SHA-256 of the decoded integers (N, *shape), little-endian int64 in C order.
        images: `fingerprints`.
    """

    inputs: dict[str, str]
    images: list[int]

    @classmethod
    def of(cls, graph: Graph, frames: Frames) -> Hashes:
        """Raises DataError when there are no images; else errors as `reference.run`."""
        if frames.count < 1:
            raise DataError("there are no images; golden vectors need at least one")
        digests = {value.name: hashlib.sha256() for value in graph.inputs}
        images: list[int] = []
        for chunk in frames.chunks(graph):
            for name, digest in digests.items():
                digest.update(np.ascontiguousarray(chunk[name], dtype="<i8").data)
            images += fingerprints(graph, chunk)
        return cls({name: digest.hexdigest() for name, digest in digests.items()}, images)


def fingerprints(graph: Graph, chunk: Mapping[str, IntArray]) -> list[int]:
    """A number for each image, of all its inputs; it means nothing in another process."""
    images = zip(*(chunk[value.name] for value in graph.inputs), strict=True)
    return [hash(tuple(part.tobytes() for part in image)) for image in images]

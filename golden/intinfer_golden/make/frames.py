"""Images on their way into vectors: counted, hashed and read a few at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError, RangeError
from intinfer.graph import Graph
from intinfer.inputs import Arrays, Batch
from intinfer.types import IntArray

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
        """Of arrays; see `write_vectors`. Raises DataError for wrong names or shapes; values are checked when read."""
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


@dataclass(frozen=True)
class Hashes:
    """SHA-256 of decoded integers as little-endian int64 in C order: `inputs` of (N, *shape) by input name, `images`
    of all inputs of each image."""

    inputs: dict[str, str]
    images: tuple[bytes, ...]

    @classmethod
    def of(cls, graph: Graph, frames: Frames) -> Hashes:
        """Raises DataError when there are no images; else errors as `reference.run`."""
        if frames.count < 1:
            raise DataError("there are no images; golden vectors need at least one")
        digests = {value.name: hashlib.sha256() for value in graph.inputs}
        images: list[bytes] = []
        for chunk in frames.chunks(graph):
            for name, digest in digests.items():
                digest.update(_little(chunk[name]).data)
            images += image_hashes(graph, chunk)
        return cls({name: digest.hexdigest() for name, digest in digests.items()}, tuple(images))


def image_hashes(graph: Graph, chunk: Mapping[str, IntArray]) -> list[bytes]:
    """SHA-256 of each image, of all its inputs."""
    count = len(next(iter(chunk.values())))
    digests = [hashlib.sha256() for _ in range(count)]
    for value in graph.inputs:
        for digest, row in zip(digests, _little(chunk[value.name]), strict=True):
            digest.update(row.data)
    return [digest.digest() for digest in digests]


def _little(array: IntArray) -> npt.NDArray[np.int64]:
    """As little-endian int64 in C order, which a digest reads in place."""
    return np.ascontiguousarray(array, dtype="<i8")

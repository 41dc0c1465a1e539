"""Values as the words of a stream, and back: for a scoreboard that drives a design itself. See `spec/scoreboard.md`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError, RangeError
from intinfer.graph import Graph
from intinfer.types import IntArray

from .formats import words as rows
from .plan import Layout, value_tensors
from .tensors import Tensor


def stream(graph: Graph, value: str, *, order: str = "nhwc", fold: int | Mapping[str, int] = 1) -> Tensor:
    """How a value of a graph lies in words, as in a set that `write_vectors` makes with the same order and fold.

    Raises DataError for a value that the graph does not have, and as `write_vectors`.
    """
    if value not in graph.values:
        raise DataError(f"the graph has no value {value!r}; it has {', '.join(graph.values)}")
    (tensor,) = value_tensors(graph, [graph.values[value]], 1, Layout.of(graph, order, fold))
    return tensor


def pack(tensor: Tensor, values: npt.ArrayLike) -> list[int]:
    """The words of values, one a beat of the stream, those of a frame after those of the frame before.

    Args:
        tensor: of `stream`, or of a set: `intinfer_golden.load(directory).values[name].tensor`.
        values: integers, one frame (C, H, W) or (C,), or several (N, ...).

    Raises:
        DataError: values of another shape, or no integers.
        RangeError: a value that the tensor's code does not have.
    """
    array = np.asarray(values)
    frames = array[None] if array.shape == tensor.shape[1:] else array
    if frames.shape[1:] != tensor.shape[1:] or frames.dtype.kind not in "iu":
        extents = ", ".join(map(str, tensor.shape[1:]))
        raise DataError(
            f"values of {tensor.node!r} are {array.dtype} {array.shape}; integers ({extents}) or (N, {extents}) are "
            "needed"
        )
    code = tensor.code
    outside = (frames < code.lo) | (frames > code.hi)
    if outside.any():
        at = tuple(int(i) for i in np.argwhere(outside)[0])
        raise RangeError(
            f"value {int(frames[at])} of {tensor.node!r} at {at} is outside {code.lo}..{code.hi}, which {code.bits} "
            f"bits {code.name} hold"
        )
    data = rows.pack(tensor, tensor.flat(frames.astype(np.int64))).tobytes()
    return [int.from_bytes(data[i : i + tensor.word_bytes], "little") for i in range(0, len(data), tensor.word_bytes)]


def unpack(tensor: Tensor, words: Iterable[int]) -> IntArray:
    """The values in the words of whole frames, (N, C, H, W) or (N, C): the inverse of `pack`.

    Raises DataError for words that are not whole frames, and for a word that `pack` makes of no values: one that is
    too wide, or in which a bit is 1 that belongs to no element.
    """
    numbers = list(words)
    frame_words = tensor.words // tensor.shape[0]
    if len(numbers) % frame_words:
        raise DataError(f"{len(numbers)} words of {tensor.node!r} are no whole frames of {frame_words} words")
    for place, word in enumerate(numbers):
        if not 0 <= word < 1 << tensor.word_bits:
            raise DataError(f"word {place} of {tensor.node!r} is {word:#x}, which is not of {tensor.word_bits} bits")
    data = b"".join(word.to_bytes(tensor.word_bytes, "little") for word in numbers)
    given = np.frombuffer(data, dtype=np.uint8).reshape(len(numbers), tensor.word_bytes)
    flat = rows.unpack(tensor, given)
    wrong = (rows.pack(tensor, flat).reshape(given.shape) != given).any(axis=1)
    if wrong.any():
        place = int(np.argmax(wrong))
        raise DataError(
            f"word {place} of {tensor.node!r} is {numbers[place]:#x}: a bit is wrong that belongs to no element"
        )
    return tensor.shaped(flat)

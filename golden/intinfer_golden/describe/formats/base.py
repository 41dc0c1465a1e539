"""What every file format does, and the formats of bytes: words, or the integers themselves."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from intinfer.types import IntArray

from ..tensors import Tensor
from .words import WordBytes, pack, unpack


@dataclass
class Piece:
    """Whole runs of a tensor's values on their way into files; words are made once for all formats.

    Attributes:
        values: a vector in the order of files, of the dtype of the tensor's code.
    """

    tensor: Tensor
    values: npt.NDArray[np.integer]

    @cached_property
    def words(self) -> WordBytes:
        """(memories, words, bytes)."""
        return pack(self.tensor, self.values).reshape(self.tensor.memories, -1, self.tensor.word_bytes)


class Format(ABC):
    """One kind of file. The bytes of a word do not depend on its neighbours, so a file grows piece by piece."""

    name: ClassVar[str]
    of_words: ClassVar[bool] = True
    """Whether it holds words, those of each memory in a file of their own; else the integers of all."""

    def memories(self, tensor: Tensor) -> Sequence[int | None]:
        """The files of a tensor: one of all, or one of each memory."""
        return range(tensor.memories) if self.of_words and tensor.per_pe else (None,)

    def header(self, tensor: Tensor) -> bytes:
        """What stands before the first word."""
        return b""

    @abstractmethod
    def body(self, tensor: Tensor, piece: Piece, first: int, memory: int = 0) -> bytes:
        """The words of a memory in a piece, of which `first` is the number of the first word in the file."""

    def footer(self, tensor: Tensor) -> bytes:
        """What stands after the last word."""
        return b""

    @abstractmethod
    def body_bytes(self, tensor: Tensor, elements: int) -> int:
        """The length of `body` for so many elements, whole runs."""

    @abstractmethod
    def decode(self, tensor: Tensor, *bodies: bytes) -> IntArray:
        """The values of whole runs in what `body` wrote for each of `memories`, as a vector in the order of files."""

    def size(self, tensor: Tensor) -> int:
        """Bytes of all files."""
        each = len(self.header(tensor)) + self.body_bytes(tensor, tensor.elements) + len(self.footer(tensor))
        return each * len(self.memories(tensor))


class Raw(Format):
    """Raw words: each little-endian in as many whole bytes as it needs, one after the other."""

    name = "bin"

    def body(self, tensor: Tensor, piece: Piece, first: int, memory: int = 0) -> bytes:
        """The words of the memory, little-endian, in whole bytes."""
        words: WordBytes = piece.words[memory]
        return words.tobytes()

    def body_bytes(self, tensor: Tensor, elements: int) -> int:
        """As many words as the elements need, each of whole bytes."""
        return tensor.words_of(elements) * tensor.word_bytes

    def decode(self, tensor: Tensor, *bodies: bytes) -> IntArray:
        """The values of the words in all bodies, memory after memory."""
        return unpack(tensor, np.frombuffer(b"".join(bodies), dtype=np.uint8).reshape(-1, tensor.word_bytes))


class Npy(Format):
    """NumPy array: the integers themselves, one an element, in the axis order of the other files; nothing is folded."""

    name = "npy"
    of_words = False

    def header(self, tensor: Tensor) -> bytes:
        """The header of version 1.0 with dtype, C order and the shape along the axes of files."""
        buffer = io.BytesIO()
        description = {"descr": tensor.code.dtype.str, "fortran_order": False, "shape": tensor.file_shape}
        np.lib.format.write_array_header_1_0(buffer, description)
        return buffer.getvalue()

    def body(self, tensor: Tensor, piece: Piece, first: int, memory: int = 0) -> bytes:
        """The values themselves, little-endian, in the smallest dtype that holds the code."""
        return piece.values.astype(tensor.code.dtype, copy=False).tobytes()

    def body_bytes(self, tensor: Tensor, elements: int) -> int:
        """As many bytes as the elements need in the dtype of the code."""
        return elements * tensor.code.dtype.itemsize

    def decode(self, tensor: Tensor, *bodies: bytes) -> IntArray:
        """The values in the only body."""
        (body,) = bodies
        return np.frombuffer(body, tensor.code.dtype).astype(np.int64)

"""Files of bytes: words, or the integers themselves."""

from __future__ import annotations

import io

import numpy as np

from intinfer.types import IntArray

from ..tensors import Tensor
from .base import Format, Piece
from .words import WordBytes, unpack


class Raw(Format):
    """Raw words: each little-endian in as many whole bytes as it needs, one after the other."""

    name = "bin"

    def body(self, tensor: Tensor, piece: Piece, first: int, memory: int = 0) -> bytes:
        words: WordBytes = piece.words[memory]
        return words.tobytes()

    def body_bytes(self, tensor: Tensor, elements: int) -> int:
        return tensor.words_of(elements) * tensor.word_bytes

    def decode(self, tensor: Tensor, *bodies: bytes) -> IntArray:
        return unpack(tensor, np.frombuffer(b"".join(bodies), dtype=np.uint8).reshape(-1, tensor.word_bytes))


class Npy(Format):
    """NumPy array: the integers themselves, one an element, in the axis order of the other files; nothing is folded."""

    name = "npy"
    of_words = False

    def header(self, tensor: Tensor) -> bytes:
        buffer = io.BytesIO()
        description = {"descr": tensor.code.dtype.str, "fortran_order": False, "shape": tensor.file_shape}
        np.lib.format.write_array_header_1_0(buffer, description)
        return buffer.getvalue()

    def body(self, tensor: Tensor, piece: Piece, first: int, memory: int = 0) -> bytes:
        return piece.values.astype(tensor.code.dtype, copy=False).tobytes()

    def body_bytes(self, tensor: Tensor, elements: int) -> int:
        return elements * tensor.code.dtype.itemsize

    def decode(self, tensor: Tensor, *bodies: bytes) -> IntArray:
        (body,) = bodies
        return np.frombuffer(body, tensor.code.dtype).astype(np.int64)

"""Raw words: each little-endian in as many whole bytes as it needs, one after the other."""

from __future__ import annotations

import numpy as np

from intinfer.types import IntArray

from ..tensors import Tensor
from .base import Format, Piece
from .words import WordBytes, unpack


class Raw(Format):
    name = "bin"

    def header(self, tensor: Tensor) -> bytes:
        return b""

    def body(self, tensor: Tensor, piece: Piece, first: int, memory: int = 0) -> bytes:
        words: WordBytes = piece.words[memory]
        return words.tobytes()

    def body_bytes(self, tensor: Tensor, elements: int) -> int:
        return tensor.words_of(elements) * tensor.word_bytes

    def decode(self, tensor: Tensor, *bodies: bytes) -> IntArray:
        return unpack(tensor, np.frombuffer(b"".join(bodies), dtype=np.uint8).reshape(-1, tensor.word_bytes))

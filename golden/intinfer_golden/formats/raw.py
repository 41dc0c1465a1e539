"""Raw words: each little-endian in as many whole bytes as it needs, one after the other."""

from __future__ import annotations

import numpy as np

from intinfer.types import IntArray

from ..tensors import Tensor
from .base import Format, Piece
from .words import unpack


class Raw(Format):
    name = "bin"

    def header(self, tensor: Tensor) -> bytes:
        return b""

    def body(self, tensor: Tensor, piece: Piece, first: int) -> bytes:
        return piece.words.tobytes()

    def body_bytes(self, tensor: Tensor, elements: int) -> int:
        return elements // tensor.run * tensor.words_per_run * tensor.word_bytes

    def decode(self, tensor: Tensor, body: bytes) -> IntArray:
        return unpack(tensor, np.frombuffer(body, dtype=np.uint8).reshape(-1, tensor.word_bytes))

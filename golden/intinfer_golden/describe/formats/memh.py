"""`$readmemh` text (IEEE 1800, 21.4): comment lines with what the words are, then a word a line in hexadecimal."""

from __future__ import annotations

from ..tensors import Tensor
from .base import WordText, comment


class Memh(WordText):
    name = "memh"

    def header(self, tensor: Tensor) -> bytes:
        return comment(tensor, "//")

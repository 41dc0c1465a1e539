"""Xilinx coefficient file (UG896): radix, then the memory's words with commas between them and a semicolon at the end.

Text after a semicolon is a comment.
"""

from __future__ import annotations

import numpy as np

from ..tensors import Tensor
from .base import Text, WordText, comment


class Coe(WordText):
    name = "coe"

    def header(self, tensor: Tensor) -> bytes:
        return comment(tensor, ";") + b"memory_initialization_radix=16;\nmemory_initialization_vector=\n"

    def lines(self, tensor: Tensor, digits: Text, first: int) -> Text:
        text = np.pad(digits, ((0, 0), (0, 2)), constant_values=ord("\n"))
        text[:, -2] = ord(",")
        if first + len(digits) == tensor.words:
            text[-1, -2] = ord(";")
        return text

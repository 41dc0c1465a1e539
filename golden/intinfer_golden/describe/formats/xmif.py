"""Xilinx memory initialization file (UG896): a word a line in binary, as many digits as the memory is wide.

Nothing else may stand in it. Vivado makes it from a COE file under the suffix `.mif`, which is Intel's here.
"""

from __future__ import annotations

from ..tensors import Tensor
from .base import WordText


class Xmif(WordText):
    name = "xmif"
    radix = 2

    def header(self, tensor: Tensor) -> bytes:
        return b""

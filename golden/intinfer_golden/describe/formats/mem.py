"""AMD memory file (UG1580, UpdateMEM): `@` with the hexadecimal address of the first word, then the words.

No comments, as not every AMD tool that reads such files takes them.
"""

from __future__ import annotations

from ..tensors import Tensor
from .base import WordText


class Mem(WordText):
    name = "mem"

    def header(self, tensor: Tensor) -> bytes:
        return b"@00000000\n"

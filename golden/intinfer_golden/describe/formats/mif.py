"""Intel memory initialization file (Quartus help, "Memory Initialization File (.mif) Definition"): `address : word;`.

All in hexadecimal. A comment is what follows `--`, or stands between two `%`.
"""

from __future__ import annotations

import numpy as np

from ..tensors import Tensor
from .base import Text, WordText, comment, hexadecimal


class Mif(WordText):
    name = "mif"

    def header(self, tensor: Tensor) -> bytes:
        what = comment(tensor, "--").replace(b"%", b"\\x25")  # a % of a name is not to open a comment
        return (
            what + b"DEPTH = %d;\nWIDTH = %d;\n" % (tensor.words, tensor.word_bits) + b"ADDRESS_RADIX = HEX;\n"
            b"DATA_RADIX = HEX;\nCONTENT BEGIN\n"
        )

    def footer(self, tensor: Tensor) -> bytes:
        return b"END;\n"

    def before(self, tensor: Tensor) -> int:
        return _address_digits(tensor) + 3

    def lines(self, tensor: Tensor, digits: Text, first: int) -> Text:
        places = np.arange(first, first + len(digits), dtype="<u8").view(np.uint8).reshape(-1, 8)
        addresses = hexadecimal(places)[:, 16 - _address_digits(tensor) :]
        between = np.broadcast_to(np.frombuffer(b" : ", dtype=np.uint8), (len(digits), 3))
        end = np.broadcast_to(np.frombuffer(b";\n", dtype=np.uint8), (len(digits), 2))
        return np.concatenate([addresses, between, digits, end], axis=1)


def _address_digits(tensor: Tensor) -> int:
    return len(f"{tensor.words - 1:x}")

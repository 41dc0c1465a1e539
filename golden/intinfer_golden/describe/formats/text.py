"""Files of text: one word a line, all lines of one length."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from intinfer.reports.text import printable
from intinfer.types import IntArray

from ..tensors import Tensor
from .base import Format, Piece
from .words import WordBytes, unpack

Text = npt.NDArray[np.uint8]
"""ASCII characters, (words, characters of a line)."""

_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), dtype=np.uint16)
"""The two digits of a byte, as they stand in memory."""


class WordText(Format):
    """One word a line, all of its digits, the most significant first."""

    radix: ClassVar[int] = 16

    def before(self, tensor: Tensor) -> int:
        """Characters of a line before the digits."""
        return 0

    def lines(self, tensor: Tensor, digits: Text, first: int) -> Text:
        """Whole lines from the digits of words."""
        return np.pad(digits, ((0, 0), (0, 1)), constant_values=ord("\n"))

    def body(self, tensor: Tensor, piece: Piece, first: int, memory: int = 0) -> bytes:
        """A line a word: its digits, and what `lines` puts around them."""
        words = piece.words[memory]
        digits = hexadecimal(words) if self.radix == 16 else binary(words)
        return self.lines(tensor, digits[:, digits.shape[1] - self._digits(tensor) :], first).tobytes()

    def body_bytes(self, tensor: Tensor, elements: int) -> int:
        """As many lines as the elements need words, each as long as that of a word of zeros."""
        words = tensor.words_of(elements)
        digits = np.zeros((1, self._digits(tensor)), dtype=np.uint8)
        return words * int(self.lines(tensor, digits, 0).shape[1])

    def decode(self, tensor: Tensor, *bodies: bytes) -> IntArray:
        """The values of the words whose digits stand in the lines of all bodies."""
        return unpack(tensor, np.concatenate([self._words(tensor, body) for body in bodies]))

    def _words(self, tensor: Tensor, body: bytes) -> WordBytes:
        line = self.body_bytes(tensor, tensor.elements) // tensor.words
        before = self.before(tensor)
        text = np.frombuffer(body, dtype=np.uint8).reshape(-1, line)[:, before : before + self._digits(tensor)]
        return packed(text - np.where(text > ord("9"), ord("a") - 10, ord("0")).astype(np.uint8), self.radix)

    def _digits(self, tensor: Tensor) -> int:
        return -(-tensor.word_bits // 4) if self.radix == 16 else tensor.word_bits


class Memh(WordText):
    """`$readmemh` text (IEEE 1800, 21.4): comment lines with what the words are, then a word a line in hexadecimal."""

    name = "memh"

    def header(self, tensor: Tensor) -> bytes:
        """Comments that say what the words are."""
        return comment(tensor, "//")


class Mem(WordText):
    """AMD memory file (UG1580, UpdateMEM): `@` with the hexadecimal address of the first word, then the words.

    No comments, as not every AMD tool that reads such files takes them.
    """

    name = "mem"

    def header(self, tensor: Tensor) -> bytes:
        """The address of the first word, which is 0."""
        return b"@00000000\n"


class Coe(WordText):
    """Xilinx coefficient file (UG896): radix, then the memory's words, commas between them, a semicolon at the end.

    Text after a semicolon is a comment.
    """

    name = "coe"

    def header(self, tensor: Tensor) -> bytes:
        """Comments that say what the words are, the radix, and the keyword that the words follow."""
        return comment(tensor, ";") + b"memory_initialization_radix=16;\nmemory_initialization_vector=\n"

    def lines(self, tensor: Tensor, digits: Text, first: int) -> Text:
        """Digits and a comma, or behind the last word of the memory a semicolon."""
        text = np.pad(digits, ((0, 0), (0, 2)), constant_values=ord("\n"))
        text[:, -2] = ord(",")
        if first + len(digits) == tensor.words:
            text[-1, -2] = ord(";")
        return text


class Xmif(WordText):
    """Xilinx memory initialization file (UG896): a word a line in binary, as many digits as the memory is wide.

    Nothing else may stand in it. Vivado makes it from a COE file under the suffix `.mif`, which is Intel's here.
    """

    name = "xmif"
    radix = 2


class Mif(WordText):
    """Intel memory initialization file (Quartus help, "Memory Initialization File (.mif) Definition").

    `address : word;`, all in hexadecimal. A comment is what follows `--`, or stands between two `%`.
    """

    name = "mif"

    def header(self, tensor: Tensor) -> bytes:
        """Comments that say what the words are, depth, width and radices, and CONTENT BEGIN."""
        what = comment(tensor, "--").replace(b"%", b"\\x25")  # a % of a name is not to open a comment
        return (
            what + b"DEPTH = %d;\nWIDTH = %d;\n" % (tensor.words, tensor.word_bits) + b"ADDRESS_RADIX = HEX;\n"
            b"DATA_RADIX = HEX;\nCONTENT BEGIN\n"
        )

    def footer(self, tensor: Tensor) -> bytes:
        """The END that CONTENT BEGIN asks for."""
        return b"END;\n"

    def before(self, tensor: Tensor) -> int:
        """The digits of the address, and a colon between blanks."""
        return _address_digits(tensor) + 3

    def lines(self, tensor: Tensor, digits: Text, first: int) -> Text:
        """Address, colon, digits and semicolon."""
        places = np.arange(first, first + len(digits), dtype="<u8").view(np.uint8).reshape(-1, 8)
        addresses = hexadecimal(places)[:, 16 - _address_digits(tensor) :]
        between = np.broadcast_to(np.frombuffer(b" : ", dtype=np.uint8), (len(digits), 3))
        end = np.broadcast_to(np.frombuffer(b";\n", dtype=np.uint8), (len(digits), 2))
        return np.concatenate([addresses, between, digits, end], axis=1)


def _address_digits(tensor: Tensor) -> int:
    return len(f"{tensor.words - 1:x}")


def hexadecimal(words: WordBytes) -> Text:
    """Two lower-case digits a byte."""
    pairs = _HEX[words[:, ::-1]]
    return pairs.view(np.uint8)


def binary(words: WordBytes) -> Text:
    """Eight digits a byte."""
    return np.unpackbits(words[:, ::-1], axis=1) + np.uint8(ord("0"))


def packed(digits: Text, radix: int) -> WordBytes:
    """The words of the values of digits of radix 16 or 2, the most significant first: rows of bytes, the least
    significant first."""
    if radix == 2:
        return np.packbits(digits[:, ::-1], axis=1, bitorder="little")
    even = np.pad(digits, ((0, 0), (digits.shape[1] % 2, 0)))
    return (even[:, ::2] << np.uint8(4) | even[:, 1::2])[:, ::-1]


def comment(tensor: Tensor, mark: str) -> bytes:
    """Lines that say what the words are, each after `mark`; ASCII, whatever the names are."""
    code = tensor.code
    what = f"node: {tensor.node}" + (f"; constant: {tensor.attribute}" if tensor.attribute else "")
    mapped = "" if code.map is None else " (" + ", ".join(f"{v} -> {w:x}" for v, w in code.map.items()) + ")"
    lines = [
        f"{what}; role: {tensor.role}",
        f"source: {', '.join(tensor.source) or 'none'}",
        f"shape: {' '.join(f'{axis}={extent}' for axis, extent in zip(tensor.axes, tensor.shape, strict=True))}",
        f"order: {' '.join(tensor.order)} (last innermost)",
        f"{_packing(tensor)}; element: {code.bits} bits, {code.name}{mapped}{_slot(tensor)}; words: {tensor.words}",
    ]
    return "".join(f"{mark} {printable(line)}\n" for line in lines).encode("ascii", "backslashreplace")


def _packing(tensor: Tensor) -> str:
    end = "least" if tensor.slot.lsb_first else "most"
    where = f"of {tensor.word_bits} bits, element 0 in the {end} significant bits"
    words = f"{tensor.words_per_run} words" if tensor.words_per_run > 1 else "1 word"
    if tensor.tiled:
        along = " ".join(tensor.order[len(tensor.order) - tensor.run_axes :]) or "nothing"
        pe, own = f"pe={tensor.pe} x simd={tensor.fold}", ""
        if tensor.per_pe:
            pe, own = f"simd={tensor.fold}", f", a memory for each of pe={tensor.pe}"
        groups = f", in {tensor.groups} groups" if tensor.groups > 1 else ""
        return f"packing: tiles of {pe}{own}; a word {where}, {words} for {tensor.run} along {along}{groups}"
    if tensor.fold == 1:
        return "packing: 1 element a word"
    return f"packing: {tensor.fold} elements a word {where}, {words} for {tensor.run} along {tensor.fold_axis}"


def _slot(tensor: Tensor) -> str:
    if tensor.slot_bits == tensor.code.bits:
        return ""
    above = "its sign" if tensor.slot.repeats_sign(tensor.code) else "0"
    return f" in a slot of {tensor.slot_bits}, {above} above it"

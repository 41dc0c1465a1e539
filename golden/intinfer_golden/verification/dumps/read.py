"""A dump's file, told by its suffix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from intinfer.errors import DataError

from .foreign import opened, short
from .memories import coe_words, mif_words
from .npy import read_npy
from .text import decimal_words, memory_words
from .words import WidthError, Words

_TEXT: dict[str, Callable[[Path], Iterator[Words]]] = {
    **dict.fromkeys((".mem", ".memh", ".hex"), partial(memory_words, radix=16)),
    **dict.fromkeys((".memb", ".xmif"), partial(memory_words, radix=2)),
    ".coe": coe_words,
    ".mif": mif_words,
    **dict.fromkeys((".csv", ".txt"), decimal_words),
}
_DECIMAL = (".csv", ".txt")
_BITS = tuple(suffix for suffix in _TEXT if suffix not in _DECIMAL)
SUFFIXES = (*_BITS, ".npy", ".bin", *_DECIMAL)
WAVES = (".vcd", ".fst")
"""Suffixes of waveforms, of which a stream has to be named."""


def read_words(path: Path) -> Words:
    """The words of a dump.

    .mem .memh .hex  `$writememh` text: words with or without leading zeros, comments, `_`; `@address` only where
                     it changes nothing
    .memb .xmif      the same with binary digits
    .coe             Xilinx coefficient file of radix 2, 10 (also negative) or 16
    .mif             Intel memory initialization file, addresses from 0 in order; or Xilinx' binary words
    .bin             raw bytes; how many make a word, nothing in the file says
    .csv .txt        decimal numbers, blanks, commas or semicolons between them, perhaps behind a line of names
    .npy             integers or booleans of any shape, read in C order

    Texts are ASCII or UTF-8, with or without a byte order mark, with line ends of any system.

    Raises DataError for another suffix, a missing file, or a text that is none of this, with its line.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        more = "; name the stream with --signal" if suffix in WAVES else ""
        raise DataError(f"{path}: unknown file type {short(path.suffix)}; known are {', '.join(SUFFIXES)}{more}")
    if suffix == ".npy":
        return Words.of_array(read_npy(path))
    if suffix == ".bin":
        with opened(path) as file:
            return Words.of_bytes(file.read())
    try:
        return Words.of_parts(list(_TEXT[suffix](path)), "numbers" if suffix in _DECIMAL else "bits")
    except WidthError as error:
        raise DataError(f"{path}: {error}") from None

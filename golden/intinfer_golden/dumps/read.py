"""A dump's file, told by its suffix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError

from .memories import coe_tokens, mif_tokens
from .text import decimal_tokens, decode_text, even_words, memory_tokens
from .words import Token, Words

_Tokens = Callable[[str, Path], Iterator[Token]]

_HEX = (".mem", ".memh", ".hex")
_TEXT: dict[str, _Tokens] = {
    **dict.fromkeys(_HEX, memory_tokens(16)),
    ".memb": memory_tokens(2),
    ".xmif": memory_tokens(2),
    ".coe": coe_tokens,
    ".mif": mif_tokens,
}
"""Texts of bit patterns."""
_DECIMAL = (".csv", ".txt")
SUFFIXES = (*_TEXT, ".npy", ".bin", *_DECIMAL)


def read_words(path: Path) -> Words:
    """The words of a dump.

    .mem .memh .hex  `$writememh` text: words with or without leading zeros, comments, `_`; `@address` only where
                     it changes nothing
    .memb .xmif      the same with binary digits
    .coe             Xilinx coefficient file of radix 2, 10 or 16
    .mif             Intel memory initialization file, addresses from 0 in order; or Xilinx' binary words
    .bin             raw bytes; how many make a word, nothing in the file says
    .csv .txt        one decimal number a line
    .npy             integers or booleans of any shape, read in C order

    Raises DataError for another suffix, a missing file, or a text that is none of this, with its line.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        more = "; name the stream with --signal" if suffix == ".vcd" else ""
        raise DataError(f"{path}: unknown file type {path.suffix!r}; known are {', '.join(SUFFIXES)}{more}")
    check_file(path)
    if suffix == ".npy":
        return Words.of_array(_load_npy(path))
    if suffix == ".bin":
        return Words.of_bytes(path.read_bytes())
    text = decode_text(path)
    if suffix in _DECIMAL:
        return Words.of_tokens(decimal_tokens(text, path), "numbers")
    even = even_words(text) if suffix in _HEX else None
    return even if even is not None else Words.of_tokens(_TEXT[suffix](text, path))


def check_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder; give the files in it' if path.is_dir() else 'no such file'}")


def _load_npy(path: Path) -> npt.NDArray[np.integer | np.bool_]:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError, SyntaxError) as error:
        raise DataError(f"{path}: is no readable .npy file ({str(error).splitlines()[0][:160]})") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iub":
        kind = array.dtype if isinstance(array, np.ndarray) else "an archive"
        raise DataError(f"{path}: holds {kind}; integers are needed")
    return array

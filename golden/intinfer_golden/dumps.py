"""What a simulator wrote: memory files of hexadecimal words, decimal text, `.npy`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError
from intinfer.text import printable
from intinfer.types import IntArray

from .codes import Code

HEX_SUFFIXES = (".mem", ".memh", ".hex")
DECIMAL_SUFFIXES = (".csv", ".txt")
SUFFIXES = (*HEX_SUFFIXES, ".npy", *DECIMAL_SUFFIXES)

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_HEX = re.compile(r"[0-9a-fA-FxXzZ?_]*[0-9a-fA-FxXzZ?]")
_UNKNOWN = re.compile(r"[xXzZ?]")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}")
_UNKNOWN_DECIMAL = re.compile(r"(?:\d+'[sS]?[bBdDhH])?[xXzZ]+")


@dataclass(frozen=True)
class Dump:
    """Words of a dump.

    Attributes:
        values: int64; of a word that is too wide the value of its low bits, of one with X or Z 0.
        lines: line of each word, counted from 1; None for `.npy`.
        unknown: bool; words with X or Z.
        problems: by index, words that are no value of the code, with what is wrong.
    """

    values: IntArray
    lines: IntArray | None
    unknown: npt.NDArray[np.bool_]
    problems: dict[int, str]

    @property
    def bad(self) -> npt.NDArray[np.bool_]:
        """Words that have a problem."""
        flags = np.zeros(len(self.values), dtype=bool)
        flags[list(self.problems)] = True
        return flags


def read_dump(path: Path, code: Code) -> Dump:
    """Read a dump of a tensor that has this code; the suffix tells the format.

    .mem .memh .hex  `$readmemh` text: words with or without leading zeros, comments, `_`; `@address` only where
                     it changes nothing
    .csv .txt        one decimal value a line
    .npy             integers or booleans of any shape, read in C order

    Raises DataError for another suffix, a missing file, or a text that is none of this, with its line.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path}: unknown file type {path.suffix!r}; known are {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder; give the files in it' if path.is_dir() else 'no such file'}")
    if path.suffix.lower() == ".npy":
        return _collect(((int(value), 0) for value in _load_npy(path).reshape(-1)), code, path, decimal=True)
    text = path.read_bytes().decode("utf-8", "backslashreplace")
    if path.suffix.lower() in HEX_SUFFIXES:
        return _collect(_hex_words(text, path, code), code, path, decimal=False)
    return _collect(_decimal_words(text, path), code, path, decimal=True)


_Word = tuple[int | str, int]
"""A number, or the text of one with X or Z; and its line."""


def _collect(words: Iterator[_Word], code: Code, path: Path, decimal: bool) -> Dump:
    low: list[int] = []
    lines: list[int] = []
    problems: dict[int, str] = {}
    unknown: list[int] = []
    for index, (word, line) in enumerate(words):
        number = 0 if isinstance(word, str) else word
        if isinstance(word, str):
            unknown.append(index)
            problems[index] = f"{_short(word)} has unknown bits"
        elif decimal and not code.lo <= number <= code.hi:
            problems[index] = f"{_short(str(number))} is outside {code.lo}..{code.hi}"
        elif not decimal and number > code.mask:
            problems[index] = f"{_short(f'{number:x}')} is wider than {code.bits} bits"
        low.append(number & code.mask)
        lines.append(line)
    flags = np.zeros(len(low), dtype=bool)
    flags[unknown] = True
    values = code.decode(np.array(low, dtype=np.uint64))
    numbered = None if path.suffix.lower() == ".npy" else np.array(lines, dtype=np.int64)
    return Dump(values, numbered, flags, problems)


def _hex_words(text: str, path: Path, code: Code) -> Iterator[_Word]:
    bare = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n") or " ", text)
    if bare.lstrip().startswith(":"):
        raise DataError(f"{path}: is an Intel HEX file; dump with $writememh")
    count = 0
    for line, content in enumerate(bare.split("\n"), 1):
        for token in content.split():
            if token.startswith("@"):
                _check_address(token, count, f"{path}: line {line}")
                continue
            if not _HEX.fullmatch(token) or token.startswith("_"):
                raise DataError(f"{path}: line {line}: {_short(token)} is not a hexadecimal word; dump with $writememh")
            digits = token.replace("_", "")
            if digits[:2] in ("0x", "0X") and len(digits) > max(2, code.digits):
                raise DataError(f"{path}: line {line}: {_short(token)} has a 0x prefix; memory files have bare digits")
            yield (token if _UNKNOWN.search(digits) else int(digits, 16)), line
            count += 1


def _check_address(token: str, count: int, where: str) -> None:
    if not re.fullmatch(r"@[0-9a-fA-F]{1,16}", token):
        raise DataError(f"{where}: {_short(token)} is not an address; write @ and up to 16 hexadecimal digits")
    if int(token[1:], 16) != count:
        raise DataError(f"{where}: address {token} comes after {count} words; dump all words from address 0, in order")


def _decimal_words(text: str, path: Path) -> Iterator[_Word]:
    lines = text.split("\n")
    if lines[-1].strip() == "":
        lines.pop()
    for line, content in enumerate(lines, 1):
        token = content.strip()
        if _DECIMAL.fullmatch(token):
            yield int(token), line
        elif _UNKNOWN_DECIMAL.fullmatch(token):
            yield token, line
        else:
            raise DataError(
                f"{path}: line {line}: {_short(token)} is not a decimal integer; write one a line and no header"
            )


def _load_npy(path: Path) -> npt.NDArray[np.generic]:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError, SyntaxError) as error:
        raise DataError(f"{path}: is no readable .npy file ({str(error).splitlines()[0][:160]})") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iub":
        kind = array.dtype if isinstance(array, np.ndarray) else "an archive"
        raise DataError(f"{path}: holds {kind}; integers are needed")
    return array


def _short(token: str) -> str:
    return repr(printable(token if len(token) <= 24 else token[:21] + "..."))

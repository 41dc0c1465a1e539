"""Texts with a word an item: `$writememh` and `$writememb`, and decimal numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from intinfer.errors import DataError
from intinfer.text import printable

from .words import Token, Words

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_WORDS = {16: re.compile(r"[0-9a-fA-FxXzZ?_]*[0-9a-fA-FxXzZ?]"), 2: re.compile(r"[01xXzZ?_]*[01xXzZ?]")}
_NAMES = {16: ("hexadecimal", "$writememh"), 2: ("binary", "$writememb")}
_HEAD = re.compile(r"(?:[ \t]*(?://[^\n]*|@0{1,16}[ \t]*)?\n)*")
_UNKNOWN = re.compile(r"[xXzZ?]")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,4000}")
_UNKNOWN_DECIMAL = re.compile(r"(?:\d+'[sS]?[bBdDhH])?[xXzZ]+")
_DIGITS = str.maketrans("xXzZ?", "00000")


def decode_text(path: Path) -> str:
    """A file as text; bytes that are none become escapes, which no format takes for a word."""
    return path.read_bytes().decode("utf-8", "backslashreplace")


def memory_tokens(radix: int) -> Callable[[str, Path], Iterator[Token]]:
    """The reader of memory files (IEEE 1800, 21.4) of radix 16 or 2."""
    name, task = _NAMES[radix]

    def tokens(text: str, path: Path) -> Iterator[Token]:
        bare = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n") or " ", text)
        if bare.lstrip().startswith(":"):
            raise DataError(f"{path}: is an Intel HEX file; dump with {task}")
        prefixed, count = 0, 0
        for line, content in enumerate(bare.split("\n"), 1):
            for item in content.split():
                if item.startswith("@"):
                    _check_address(item, count, f"{path}: line {line}")
                    continue
                if not _WORDS[radix].fullmatch(item) or item.startswith("_"):
                    raise DataError(f"{path}: line {line}: {short(item)} is not a {name} word; dump with {task}")
                yield word(item, radix, line)
                count += 1
                prefixed += item[:2] in ("0x", "0X") and len(item) > 2
        if count and prefixed == count:  # in some words only, it is a nibble of unknown bits
            raise DataError(f"{path}: all words have a 0x prefix; memory files have bare digits")

    return tokens


def even_words(text: str) -> Words | None:
    """The words of a text with one hexadecimal word a line, all of as many digits and none unknown, behind lines of
    comments and `@0`: what most files are, read at once. None for all other texts, which `memory_tokens` reads."""
    head = _HEAD.match(text)
    start = head.end() if head else 0
    lines = text[start:].split("\n")
    if not lines[-1]:
        lines.pop()
    if not lines or not lines[0] or any(len(line) != len(lines[0]) for line in lines):
        return None
    pad = "0" if len(lines[0]) % 2 else ""
    try:
        data = bytes.fromhex(pad + pad.join(lines))
    except ValueError:
        return None
    size = (len(lines[0]) + 1) // 2
    if len(data) != size * len(lines):  # there are blanks between
        return None
    bits = np.frombuffer(data, dtype=np.uint8).reshape(len(lines), size)[:, ::-1]
    first = text.count("\n", 0, start) + 1
    return Words.of_rows(bits, places=np.arange(first, first + len(lines), dtype=np.int64))


def word(item: str, radix: int, place: int) -> Token:
    """A word of bare digits, some perhaps X or Z; one of X and Z alone is unknown however wide it is."""
    digits = item.replace("_", "")
    if not _UNKNOWN.search(digits):
        return Token(int(digits, radix), 0, item, place)
    if all(_UNKNOWN.match(digit) for digit in digits):
        return Token(0, -1, item, place)
    top = "f" if radix == 16 else "1"
    unknown = "".join(top if _UNKNOWN.match(digit) else "0" for digit in digits)
    return Token(int(digits.translate(_DIGITS), radix), int(unknown, radix), item, place)


def _check_address(item: str, count: int, where: str) -> None:
    if not re.fullmatch(r"@[0-9a-fA-F]{1,16}", item):
        raise DataError(f"{where}: {short(item)} is not an address; write @ and up to 16 hexadecimal digits")
    if int(item[1:], 16) != count:
        raise DataError(f"{where}: address {item} comes after {count} words; dump all words from address 0, in order")


def decimal_tokens(text: str, path: Path) -> Iterator[Token]:
    """One number a line."""
    lines = text.split("\n")
    if lines[-1].strip() == "":
        lines.pop()
    for line, content in enumerate(lines, 1):
        item = content.strip()
        if _DECIMAL.fullmatch(item):
            yield Token(int(item), 0, item, line)
        elif _UNKNOWN_DECIMAL.fullmatch(item):
            yield Token(0, -1, item, line)
        else:
            raise DataError(
                f"{path}: line {line}: {short(item)} is not a decimal integer; write one a line and no header"
            )


def short(item: str) -> str:
    return repr(printable(item if len(item) <= 24 else item[:21] + "..."))

"""Texts with a word an item: `$writememh` and `$writememb`, and decimal numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError
from intinfer.types import IntArray, Mask

from ...describe.formats.text import packed
from .foreign import short, text_blocks
from .places import Places
from .words import ParsedWord, Words, parts_of

_COMMENTS = {b"//": b"\n", b"/*": b"*/"}
_WORDS = {16: re.compile(r"[0-9a-fA-FxXzZ?_]*[0-9a-fA-FxXzZ?]"), 2: re.compile(r"[01xXzZ?_]*[01xXzZ?]")}
_NAMES = {16: ("hexadecimal", "$writememh"), 2: ("binary", "$writememb")}
_UNKNOWN = re.compile(r"[xXzZ?]")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,4000}")
_UNKNOWN_DECIMAL = re.compile(r"(?:\d+'[sS]?[bBdDhH])?[xXzZ]+")
_HEADER = re.compile(rb"[ \t]*(?:#|\"?[A-Za-z_])")
_DIGITS = str.maketrans("xXzZ?", "00000")
_TO_BLANKS = bytes.maketrans(b",;", b"  ")
_PLAIN = b"0123456789+- \t\n\f\v"

_X, _BLANK, _OTHER = 16, 32, 64


def _classes(radix: int) -> npt.NDArray[np.uint8]:
    """What each character is: a digit's value, an unknown digit, a blank, or something that needs a closer look."""
    table = np.full(256, _OTHER, dtype=np.uint8)
    for digit in range(radix):
        table[list(b"%x%X" % (digit, digit))] = digit
    table[list(b"xXzZ?")] = _X
    table[list(b" \t\n\f\v")] = _BLANK
    return table


_CLASSES = {16: _classes(16), 2: _classes(2)}


class Comments:
    """Takes comments out, of which one may begin in one block and end in another.

    Attributes:
        open: the mark of a comment that is not at its end; empty outside comments.
    """

    def __init__(self, closings: Mapping[bytes, bytes]) -> None:
        """`closings`: what ends a comment, by the mark that begins it; a newline that ends one stays."""
        self._closings = closings
        self._opening = re.compile(b"|".join(re.escape(mark) for mark in closings))
        self.open = b""

    def without(self, block: bytes) -> bytes:
        """The next block without its comments; lines stay lines, and a comment within one is a blank."""
        bare, position = [], 0
        while position < len(block):
            if not self.open:
                opening = self._opening.search(block, position)
                bare.append(block[position : opening.start() if opening else None])
                if opening is None:
                    break
                self.open, position = opening[0], opening.end()
            closing = self._closings[self.open]
            end = block.find(closing, position)
            bare.append(b"\n" * block.count(b"\n", position, None if end < 0 else end) or b" ")
            if end < 0:
                break
            position = end + (0 if closing == b"\n" else len(closing))
            self.open = b""
        return b"".join(bare)


def memory_words(path: Path, radix: int) -> Iterator[Words]:
    """The words of a memory file (IEEE 1800, 21.4) of radix 16 or 2, a block at a time.

    Raises DataError for what is no such text.
    """
    comments = Comments(_COMMENTS)
    line, count, prefixed = 1, 0, 0
    for number, block in enumerate(text_blocks(path)):
        if number == 0 and block.lstrip().startswith(b":"):
            raise DataError(f"{path}: is an Intel HEX file; dump with {_NAMES[radix][1]}")
        plain = None if comments.open else plain_words(block, radix, line)
        if plain is not None:
            yield plain[0]
            count, prefixed = count + len(plain[0]), prefixed + plain[1]
        else:
            tokens = list(_memory_tokens(comments.without(block), radix, line, count, str(path)))
            yield from parts_of(tokens, digit=4 if radix == 16 else 1)
            count += len(tokens)
            prefixed += sum(token.text[:2] in ("0x", "0X") and len(token.text) > 2 for token in tokens)
        line += block.count(b"\n")
    if comments.open == b"/*":
        raise DataError(f"{path}: a comment /* has no end; the file is cut, dump it again")
    if count and prefixed == count:  # in some words only, it is a nibble of unknown bits
        raise DataError(f"{path}: all words have a 0x prefix; memory files have bare digits")


def _memory_tokens(block: bytes, radix: int, line: int, count: int, path: str) -> Iterator[ParsedWord]:
    """The words of a block without comments, which begins in `line` and behind `count` words."""
    name, task = _NAMES[radix]
    for number, item in items(block, line):
        where = f"{path}: line {number}"
        if not item.startswith("@"):
            if not _WORDS[radix].fullmatch(item) or item.startswith("_"):
                raise DataError(f"{where}: {short(item)} is not a {name} word; dump with {task}")
            yield word(item, radix, number)
            count += 1
        elif not re.fullmatch(r"@[0-9a-fA-F]{1,16}", item):
            raise DataError(f"{where}: {short(item)} is not an address; write @ and up to 16 hexadecimal digits")
        elif int(item[1:], 16) != count:
            raise DataError(
                f"{where}: address {item} comes after {count} words; dump all words from address 0, in order"
            )


def items(block: bytes, line: int) -> Iterator[tuple[int, str]]:
    """What stands between the blanks of a block that begins in `line`, each with its own line."""
    for number, content in enumerate(block.decode("ascii", "backslashreplace").split("\n"), line):
        for item in content.split():
            yield number, item


def plain_words(block: bytes, radix: int, line: int) -> tuple[Words, int] | None:
    """The words of a block that has digits and blanks alone, and how many begin with 0x: what most blocks are, read at
    once. None where there is something else, or words of very different lengths."""
    raw = np.frombuffer(block, dtype=np.uint8)
    classes = _CLASSES[radix][raw]
    if (classes == _OTHER).any():
        return None
    starts, ends = _items(classes == _BLANK)
    lengths = ends - starts
    width = int(lengths.max(initial=1))
    if len(starts) * width > 4 * len(raw) + 64:
        return None
    index = ends[:, None] - np.arange(width, 0, -1)
    digits = classes[index]
    digits[index < starts[:, None]] = 0
    prefixed = (lengths > 2) & (raw[starts] == ord("0"))
    prefixed[prefixed] = np.isin(raw[starts[prefixed] + 1], np.frombuffer(b"xX", dtype=np.uint8))
    hidden = digits == _X
    unknown, texts = None, {}
    if hidden.any():
        digits[hidden] = 0
        unknown = packed(hidden * np.uint8(radix - 1), radix)
        unknown[hidden.sum(axis=1) == lengths] = 255  # X alone is unknown however wide the word is
        rows = np.flatnonzero(hidden.any(axis=1))[:64].tolist()
        texts = {row: short(block[starts[row] : ends[row]].decode("ascii")) for row in rows}
    size = 4 if radix == 16 else 1
    words = Words(
        packed(digits, radix),
        np.broadcast_to(np.zeros((), dtype=bool), (len(starts),)),
        unknown,
        "bits",
        lines_of(raw, starts, line),
        texts=texts,
        slot=size * width if len(starts) else 0,
        digit=size,
    )
    return words, int(prefixed.sum())


def _items(blank: Mask) -> tuple[IntArray, IntArray]:
    """Where items between blanks start and end."""
    edges = np.flatnonzero(np.diff(blank.astype(np.int8), prepend=1, append=1))
    return edges[::2].astype(np.int64), edges[1::2].astype(np.int64)


def lines_of(raw: npt.NDArray[np.uint8], starts: IntArray, line: int) -> Places:
    """The line of each item of a block that begins in `line`."""
    return Places.of(line + np.searchsorted(np.flatnonzero(raw == ord("\n")), starts).astype(np.int64))


def word(item: str, radix: int, place: int) -> ParsedWord:
    """A word of bare digits, some perhaps X or Z; one of X and Z alone is unknown however wide it is."""
    digits = item.replace("_", "")
    if not _UNKNOWN.search(digits):
        return ParsedWord(int(digits, radix), 0, item, place)
    if all(_UNKNOWN.match(digit) for digit in digits):
        return ParsedWord(0, -1, item, place)
    top = "f" if radix == 16 else "1"
    unknown = "".join(top if _UNKNOWN.match(digit) else "0" for digit in digits)
    return ParsedWord(int(digits.translate(_DIGITS), radix), int(unknown, radix), item, place)


# ------------------------------------------------------------------------------------------------------------ decimal


class Holes:
    """Separators with nothing between them, in a text that comes in blocks."""

    def __init__(self, pattern: bytes, before: bytes, blanks: bytes | None = None) -> None:
        """Args: before: the separator that the text begins behind; blanks: what is not looked at, None: white space."""
        self._pattern, self._before, self._blanks = re.compile(pattern), before, blanks

    def line(self, block: bytes, line: int) -> int:
        """The line of the first hole of the next block, which begins in `line`; 0 without one."""
        if hole := self._pattern.search(self._before + block):
            return line + block.count(b"\n", 0, hole.end() - len(self._before))
        self._before = block.rstrip(self._blanks)[-1:] or self._before
        return 0


def decimal_words(path: Path) -> Iterator[Words]:
    """Decimal numbers with blanks, commas or semicolons between them, one or several a line, perhaps behind a line of
    names; a block at a time. Raises DataError for what is no such text."""
    holes = Holes(rb"[,;\n][ \t\f\v]*[,;]", b"\n", b" \t\f\v")
    line, first = 1, True
    for block in text_blocks(path, b",;"):
        lines = block.count(b"\n")
        if first and block.strip():
            block, first = _without_header(block), False
        if hole := holes.line(block, line):
            raise DataError(f"{path}: line {hole}: a number is missing beside a comma or semicolon; write all of them")
        bare = block.translate(_TO_BLANKS)
        if (plain := plain_decimals(bare, line)) is not None:
            yield plain
        else:
            yield from parts_of(_decimal_tokens(bare, line, str(path)), "numbers")
        line += lines


def _without_header(block: bytes) -> bytes:
    """The first line that is not empty may be a comment or names."""
    start = len(block) - len(block.lstrip())
    begin = block.rfind(b"\n", 0, start) + 1
    line, newline, rest = block[begin:].partition(b"\n")
    names = [item.strip(b' \t"') for item in re.split(rb"[,;]", line)]
    words = any(_UNKNOWN_DECIMAL.fullmatch(name.decode("ascii", "replace")) for name in names)
    if not _HEADER.match(line) or words or (b"#" not in line[:1] and any(name[:1].isdigit() for name in names)):
        return block
    return block[:begin] + newline + rest


def _decimal_tokens(block: bytes, line: int, path: str) -> Iterator[ParsedWord]:
    for number, item in items(block, line):
        unknown = _UNKNOWN_DECIMAL.fullmatch(item)
        if not unknown and not _DECIMAL.fullmatch(item):
            raise DataError(
                f"{path}: line {number}: {short(item)} is not a decimal integer; write integers with blanks, commas or "
                "line ends between them"
            )
        yield ParsedWord(0, -1, item, number) if unknown else ParsedWord(int(item), 0, item, number)


def plain_decimals(block: bytes, line: int) -> Words | None:
    """The numbers of a block of digits, signs and blanks, read at once; None where there is something else, or a number
    beyond int64."""
    if block.translate(None, _PLAIN):
        return None
    try:
        numbers = np.array(list(map(int, block.split())), dtype=np.int64)
    except (ValueError, OverflowError):
        return None
    raw = np.frombuffer(block, dtype=np.uint8)
    starts, _ = _items(_CLASSES[16][raw] == _BLANK)
    lowest, highest = min(-1, int(numbers.min(initial=0))), int(numbers.max(initial=0))
    kind = np.promote_types(np.min_scalar_type(lowest), np.min_scalar_type(-1 - highest))  # signed, as small as can be
    return replace(Words.of_array(numbers.astype(kind)), places=lines_of(raw, starts, line))

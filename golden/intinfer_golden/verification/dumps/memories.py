"""Vendors' memory files: Xilinx COE (UG896), Intel MIF (Quartus help)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from intinfer.errors import DataError

from .foreign import short, text_blocks
from .text import Comments, Holes, MemoryText, items, plain_decimals, plain_words
from .words import ParsedWord, Words, parts_of

_RADICES = {"BIN": 2, "OCT": 8, "DEC": 10, "UNS": 10, "HEX": 16}
MAX_RANGE = 2**22
"""Words that one line may stand for: a small file is not to fill the memory."""
MAX_STATEMENT = 2**22
"""Characters before a semicolon."""
MAX_WIDTH = 2**17
"""Bits of a word, twice those of the widest tensor's."""

_COE_HEAD = re.compile(
    rb"(?:\s|;[^\n]*+)*+memory_initialization_radix\s*+=\s*+(\d++)\s*+;(?:\s*+|[^\n]*+\n(?:\s|;[^\n]*+)*+)"
    rb"memory_initialization_vector\s*+=",
    re.IGNORECASE,
)
_MIF_FIELD = re.compile(r"\b(DEPTH|WIDTH|ADDRESS_RADIX|DATA_RADIX)\s*=\s*(\S+)", re.IGNORECASE)
_MIF_CONTENT = re.compile(r"\bCONTENT\b\s*\bBEGIN\b", re.IGNORECASE)
_MIF_COMMENTS = {b"--": b"\n", b"%": b"%"}
_MIF_RANGE = re.compile(r"\[\s*(\w+)\s*\.\.\s*(\w+)\s*\]")
_WORDS = {
    2: re.compile(r"[01]+"),
    8: re.compile(r"[0-7]{1,4000}"),
    10: re.compile(r"-?[0-9]{1,4000}"),
    16: re.compile(r"[0-9a-fA-F]+"),
}
_DIGIT = {2: 1, 16: 4}
"""Bits of a digit, where a word's digits say how wide it is."""


class CoeText:
    """`memory_initialization_radix=R; memory_initialization_vector=` and words, blanks or commas between, a semicolon
    last. Negative numbers, of radix 10, are two's complement of the memory's width, which the file does not say."""

    def __init__(self, path: Path) -> None:
        self._path, self._radix, self._line = path, 0, 1
        self._holes, self._comments = Holes(rb",\s*,", b","), Comments({b";": b"\n"})

    def parts(self) -> Iterator[Words]:
        """The words, a block at a time. Raises DataError for what is no such file."""
        done = False
        for block in text_blocks(self._path, b",;"):
            body = block if self._radix else self._without_head(block)
            if not done:
                words, semicolon, rest = body.partition(b";")
                yield from self._of_block(words)
                self._line += words.count(b"\n")
                done, body = bool(semicolon), semicolon + rest
            if after := self._comments.without(body).split():  # the semicolon that ends the words begins a comment
                item = short(after[0].decode("ascii", "backslashreplace"))
                raise DataError(f"{self._path}: {item} stands after the semicolon that ends the words; remove it")
        if not self._radix:
            self._without_head(b"")

    def _without_head(self, block: bytes) -> bytes:
        head = _COE_HEAD.match(block)
        if head is None or head[1].lstrip(b"0") not in (b"2", b"10", b"16"):
            raise DataError(
                f"{self._path}: does not begin with memory_initialization_radix=16; (or 2, or 10) and "
                "memory_initialization_vector=; write both before the words"
            )
        self._radix = int(head[1])
        self._line += head[0].count(b"\n")
        return block[head.end() :]

    def _of_block(self, block: bytes) -> Iterator[Words]:
        if line := self._holes.line(block, self._line):
            raise DataError(f"{self._path}: line {line}: a word is missing beside a comma; write all of them")
        bare = block.replace(b",", b" ")
        if self._radix in _DIGIT and (plain := plain_words(bare, self._radix, self._line)) and plain[0].unknown is None:
            yield plain[0]
        elif self._radix == 10 and b"+" not in bare and (numbers := plain_decimals(bare, self._line)) is not None:
            yield replace(numbers, kind="bits")
        else:
            tokens = (_item(item, self._radix, str(self._path), line) for line, item in items(bare, self._line))
            yield from parts_of(tokens, digit=_DIGIT.get(self._radix, 0))


class MifText:
    """`address : word;`, `address : word word ...;` and `[first..last] : word;` between CONTENT BEGIN and END.

    Under the same suffix Xilinx has binary words alone.

    Negative numbers, of DATA_RADIX = DEC, are two's complement of WIDTH bits.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._line, self._count = path, 1, 0
        self._comments = Comments(_MIF_COMMENTS)
        self._fields: dict[str, str] = {}
        self._width: int | None = None

    def parts(self) -> Iterator[Words]:
        """The words, some at a time. Raises DataError for what is neither kind of file."""
        if self._intel():
            yield from (replace(words, slot=self._width or 0, digit=1) for words in parts_of(self._tokens()))
        else:
            yield from MemoryText(self._path, 2).parts()

    def _intel(self) -> bool:
        found = next((bare for block in self._blocks() if (bare := block.strip())), b"")
        self._comments.open = b""
        return bool(re.search(rb"[=:;]|\bCONTENT\b", found, re.IGNORECASE))

    def _blocks(self) -> Iterator[bytes]:
        """The text without comments; lines stay lines."""
        for block in text_blocks(self._path, b";%"):
            yield self._comments.without(block)

    def _statements(self) -> Iterator[tuple[int, str]]:
        """What stands before each semicolon, and last what stands behind them all; with the line it begins in."""
        left = b""
        for block in self._blocks():
            *whole, left = (left + block).split(b";")
            if len(left) > MAX_STATEMENT:
                raise DataError(
                    f"{self._path}: line {self._line}: no semicolon within {MAX_STATEMENT:,} characters; end each "
                    "'address : word' with one"
                )
            for statement in whole:
                yield self._placed(statement)
        yield self._placed(left)

    def _placed(self, statement: bytes) -> tuple[int, str]:
        text = statement.decode("ascii", "backslashreplace")
        line = self._line + _leading(text)
        self._line += text.count("\n")
        return line, text.strip()

    def _tokens(self) -> Iterator[ParsedWord]:
        began = ended = False
        address = data = 16
        for line, text in self._statements():
            if ended and text:
                raise DataError(f"{self._path}: line {line}: {short(text)} stands after END; remove it")
            if not began:
                content = _MIF_CONTENT.search(text)
                self._fields |= {key.upper(): value.upper() for key, value in _MIF_FIELD.findall(text)}
                if content is None:
                    continue
                began, address, data = True, self._radix("ADDRESS_RADIX"), self._radix("DATA_RADIX")
                self._width = self._bits()
                line += text.count("\n", 0, content.end()) + _leading(text[content.end() :])
                text = text[content.end() :].strip()
            if text.upper() == "END":
                ended = True
            elif not ended:
                yield from self._statement(text, address, data, line)
        if not began:
            raise DataError(f"{self._path}: has no CONTENT BEGIN before its words; dump it again")
        if not ended:
            raise DataError(f"{self._path}: the file is cut, END; is missing; dump it again")

    def _bits(self) -> int | None:
        """Bits of a word, None where the file does not say."""
        text = self._fields.get("WIDTH")
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{1,9}", text) or not 0 < int(text) <= MAX_WIDTH:
            raise DataError(f"{self._path}: WIDTH = {short(text)} is not 1 to {MAX_WIDTH:,} bits; dump it again")
        return int(text)

    def _radix(self, field: str) -> int:
        name = self._fields.get(field, "HEX")
        if name not in _RADICES:
            raise DataError(f"{self._path}: radix {short(name)} is unknown; there are {', '.join(_RADICES)}")
        return _RADICES[name]

    def _statement(self, text: str, address: int, data: int, line: int) -> Iterator[ParsedWord]:
        if not text:
            return
        where = f"{self._path}: line {line}"
        left, colon, right = text.partition(":")
        words = right.split()
        if not colon or not words:
            raise DataError(f"{where}: {short(text)} is not 'address : word;'")
        many = _MIF_RANGE.fullmatch(left.strip())
        try:
            first = _address(many[1] if many else left.strip(), address)
            last = _address(many[2], address) if many else first + len(words) - 1
        except ValueError:
            raise DataError(f"{where}: {short(left.strip())} is not an address of radix {address}") from None
        if first != self._count or last < first:
            raise DataError(
                f"{where}: address {short_number(first)} comes after {self._count} words; dump all words from address "
                "0, in order"
            )
        if last - first >= MAX_RANGE:
            raise DataError(
                f"{where}: {short(left.strip())} are {short_number(last - first + 1)} words; write more than "
                f"{MAX_RANGE:,} out"
            )
        tokens = [self._word(word, data, line) for word in words]
        yield from islice(cycle(tokens), last - first + 1)
        self._count += last - first + 1

    def _word(self, item: str, data: int, line: int) -> ParsedWord:
        where, width = f"{self._path}: line {line}: {short(item)}", self._width
        if item.startswith("-") and self._fields.get("DATA_RADIX") != "DEC":
            raise DataError(f"{where} is not a word of radix {data}; signed words have DATA_RADIX = DEC")
        token = _item(item, data, str(self._path), line)
        if width is None:
            if token.number < 0:
                raise DataError(f"{where} is negative, and WIDTH is missing; write WIDTH = bits of a word;")
            return token
        if token.number < -(1 << width - 1) or token.number >> width > 0:
            raise DataError(f"{where} does not fit into WIDTH = {width} bits; dump it again")
        return token._replace(number=token.number & (1 << width) - 1)


def _address(text: str, radix: int) -> int:
    if not _WORDS[radix].fullmatch(text) or text.startswith("-"):
        raise ValueError(text)
    return int(text, radix)


def _leading(text: str) -> int:
    """Lines before the first character that is no blank."""
    return text[: len(text) - len(text.lstrip())].count("\n")


def short_number(number: int) -> str:
    """A number in a message, never long."""
    return f"{number:,}" if number < 10**18 else "far too large"


def _item(item: str, radix: int, path: str, line: int) -> ParsedWord:
    if not _WORDS[radix].fullmatch(item):
        raise DataError(f"{path}: line {line}: {short(item)} is not a word of radix {radix}")
    return ParsedWord(int(item, radix), 0, item, line)

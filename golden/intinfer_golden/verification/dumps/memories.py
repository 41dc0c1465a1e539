"""Vendors' memory files: Xilinx COE (UG896), Intel MIF (Quartus help)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, cycle, islice
from pathlib import Path
from typing import NamedTuple

from intinfer.errors import DataError

from .foreign import short, text_blocks
from .text import Comments, Holes, items, memory_words, plain_decimals, plain_words
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


def coe_words(path: Path) -> Iterator[Words]:
    """The words of `memory_initialization_radix=R; memory_initialization_vector=` and words, blanks or commas between,
    a semicolon last; a block at a time.

    Negative numbers, of radix 10, are two's complement of the memory's width, which the file does not say. Raises
    DataError for what is no such file.
    """
    blocks = text_blocks(path, b",;")
    begin = next(blocks, b"")
    head = _COE_HEAD.match(begin)
    if head is None or head[1].lstrip(b"0") not in (b"2", b"10", b"16"):
        raise DataError(
            f"{path}: {'' if begin else 'is empty and '}does not begin with memory_initialization_radix=16; (or 2, or "
            "10) and memory_initialization_vector=; write both before the words"
        )
    holes, comments = Holes(rb",\s*,", b","), Comments({b";": b"\n"})
    radix, line, done = int(head[1]), 1 + head[0].count(b"\n"), False
    for block in chain([begin[head.end() :]], blocks):
        if not done:
            words, semicolon, rest = block.partition(b";")
            if hole := holes.line(words, line):
                raise DataError(f"{path}: line {hole}: a word is missing beside a comma; write all of them")
            yield from _coe_block(words.replace(b",", b" "), radix, line, str(path))
            line += words.count(b"\n")
            done, block = bool(semicolon), semicolon + rest
        if after := comments.without(block).split():  # the semicolon that ends the words begins a comment
            item = short(after[0].decode("ascii", "backslashreplace"))
            raise DataError(f"{path}: {item} stands after the semicolon that ends the words; remove it")


def _coe_block(block: bytes, radix: int, line: int, path: str) -> Iterator[Words]:
    """Words with blanks between them, of which the first stands in `line` or behind it."""
    if radix in _DIGIT and (plain := plain_words(block, radix, line)) and plain[0].unknown is None:
        yield plain[0]
    elif radix == 10 and b"+" not in block and (numbers := plain_decimals(block, line)) is not None:
        yield replace(numbers, kind="bits")
    else:
        tokens = (_item(item, radix, f"{path}: line {number}", number) for number, item in items(block, line))
        yield from parts_of(tokens, digit=_DIGIT.get(radix, 0))


class _Head(NamedTuple):
    """What stands before CONTENT BEGIN: radices, whether words may be negative, and the bits of a word, None where the
    file does not say."""

    address: int
    data: int
    signed: bool
    width: int | None

    @classmethod
    def of(cls, fields: Mapping[str, str], path: Path) -> _Head:
        """Raises DataError for a radix or a width that there is not."""
        address, data = fields.get("ADDRESS_RADIX", "HEX"), fields.get("DATA_RADIX", "HEX")
        for name in (address, data):
            if name not in _RADICES:
                raise DataError(f"{path}: radix {short(name)} is unknown; there are {', '.join(_RADICES)}")
        text = fields.get("WIDTH")
        if text is not None and (not re.fullmatch(r"[0-9]{1,9}", text) or not 0 < int(text) <= MAX_WIDTH):
            raise DataError(f"{path}: WIDTH = {short(text)} is not 1 to {MAX_WIDTH:,} bits; dump it again")
        return cls(_RADICES[address], _RADICES[data], data == "DEC", None if text is None else int(text))


def mif_words(path: Path) -> Iterator[Words]:
    """The words of `address : word;`, `address : word word ...;` and `[first..last] : word;` between CONTENT BEGIN and
    END, some at a time. Under the same suffix Xilinx has binary words alone.

    Negative numbers, of DATA_RADIX = DEC, are two's complement of WIDTH bits. Raises DataError for what is neither kind
    of file.
    """
    first = next((bare for block in _without_comments(path) if (bare := block.strip())), b"")
    if not re.search(rb"[=:;]|\bCONTENT\b", first, re.IGNORECASE):
        yield from memory_words(path, 2)
        return
    statements = _statements(path)
    fields: dict[str, str] = {}
    for line, text in statements:
        fields |= {key.upper(): value.upper() for key, value in _MIF_FIELD.findall(text)}
        if content := _MIF_CONTENT.search(text):
            head, rest = _Head.of(fields, path), text[content.end() :]
            begin = line + text.count("\n", 0, content.end()) + _leading(rest)
            break
    else:
        raise DataError(f"{path}: has no CONTENT BEGIN before its words; dump it again")
    tokens = _mif_tokens(chain([(begin, rest.strip())], statements), head, path)
    yield from (replace(words, slot=head.width or 0, digit=1) for words in parts_of(tokens))


def _without_comments(path: Path) -> Iterator[bytes]:
    """The text of a file in blocks; lines stay lines."""
    comments = Comments(_MIF_COMMENTS)
    return (comments.without(block) for block in text_blocks(path, b";%"))


def _statements(path: Path) -> Iterator[tuple[int, str]]:
    """What stands before each semicolon, and last what stands behind them all; with the line it begins in."""
    left, line = b"", 1
    for block in chain(_without_comments(path), [b";"]):
        *whole, left = (left + block).split(b";")
        if len(left) > MAX_STATEMENT:
            raise DataError(
                f"{path}: line {line}: no semicolon within {MAX_STATEMENT:,} characters; end each 'address : word' "
                "with one"
            )
        for statement in whole:
            text = statement.decode("ascii", "backslashreplace")
            yield line + _leading(text), text.strip()
            line += text.count("\n")


def _mif_tokens(statements: Iterable[tuple[int, str]], head: _Head, path: Path) -> Iterator[ParsedWord]:
    """The words of all statements up to END, behind which nothing may stand."""
    count, ended = 0, False
    for line, text in statements:
        if ended and text:
            raise DataError(f"{path}: line {line}: {short(text)} stands after END; remove it")
        if text.upper() == "END":
            ended = True
        elif text:
            words, times = _statement(text, head, count, f"{path}: line {line}", line)
            yield from islice(cycle(words), times)
            count += times
    if not ended:
        raise DataError(f"{path}: the file is cut, END; is missing; dump it again")


def _statement(text: str, head: _Head, count: int, where: str, line: int) -> tuple[list[ParsedWord], int]:
    """The words of a statement behind `count` words, and how many it stands for: they are repeated to be so many."""
    left, colon, right = text.partition(":")
    words, place = right.split(), left.strip()
    if not colon or not words:
        raise DataError(f"{where}: {short(text)} is not 'address : word;'")
    many = _MIF_RANGE.fullmatch(place)
    try:
        first = _address(many[1] if many else place, head.address)
        last = _address(many[2], head.address) if many else first + len(words) - 1
    except ValueError:
        raise DataError(f"{where}: {short(place)} is not an address of radix {head.address}") from None
    if first != count or last < first:
        raise DataError(
            f"{where}: address {short_number(first)} comes after {count} words; dump all words from address 0, in order"
        )
    if last - first >= MAX_RANGE:
        raise DataError(
            f"{where}: {short(place)} are {short_number(last - first + 1)} words; write more than {MAX_RANGE:,} out"
        )
    return [_mif_word(word, head, where, line) for word in words], last - first + 1


def _mif_word(item: str, head: _Head, where: str, line: int) -> ParsedWord:
    what, width = f"{where}: {short(item)}", head.width
    if item.startswith("-") and not head.signed:
        raise DataError(f"{what} is not a word of radix {head.data}; signed words have DATA_RADIX = DEC")
    token = _item(item, head.data, where, line)
    if width is None and token.number < 0:
        raise DataError(f"{what} is negative, and WIDTH is missing; write WIDTH = bits of a word;")
    if width is not None and (token.number < -(1 << width - 1) or token.number >> width > 0):
        raise DataError(f"{what} does not fit into WIDTH = {width} bits; dump it again")
    return token if width is None else token._replace(number=token.number & (1 << width) - 1)


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


def _item(item: str, radix: int, where: str, line: int) -> ParsedWord:
    if not _WORDS[radix].fullmatch(item):
        raise DataError(f"{where}: {short(item)} is not a word of radix {radix}")
    return ParsedWord(int(item, radix), 0, item, line)

"""Vendors' memory files: Xilinx COE (UG896), Intel MIF (Quartus help)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from intinfer.errors import DataError

from .text import memory_tokens, short
from .words import Token

_RADICES = {"BIN": 2, "OCT": 8, "DEC": 10, "UNS": 10, "HEX": 16}
MAX_RANGE = 2**22
"""Words that one line may stand for: a small file is not to fill the memory."""

_COE_HEAD = re.compile(
    r"(?:\s|;[^\n]*)*memory_initialization_radix\s*=\s*(\d+)\s*;[^\n]*(?:\s|;[^\n]*)*"
    r"memory_initialization_vector\s*=",
    re.IGNORECASE,
)
_MIF_COMMENT = re.compile(r"--[^\n]*|%[^%]*%")
_MIF_FIELD = re.compile(r"\b(DEPTH|WIDTH|ADDRESS_RADIX|DATA_RADIX)\s*=\s*(\w+)\s*;", re.IGNORECASE)
_MIF_CONTENT = re.compile(r"\bCONTENT\b\s*\bBEGIN\b", re.IGNORECASE)
_MIF_RANGE = re.compile(r"\[\s*(\w+)\s*\.\.\s*(\w+)\s*\]")
_WORDS = {
    2: re.compile(r"[01]+"),
    8: re.compile(r"[0-7]{1,4000}"),
    10: re.compile(r"[0-9]{1,4000}"),
    16: re.compile(r"[0-9a-fA-F]+"),
}


def coe_tokens(text: str, path: Path) -> Iterator[Token]:
    """`memory_initialization_radix=R; memory_initialization_vector=` and words, commas between, a semicolon last."""
    head = _COE_HEAD.match(text)
    if head is None or int(head[1][:4]) not in (2, 10, 16):
        raise DataError(
            f"{path}: does not begin with memory_initialization_radix=16; (or 2, or 10) and "
            "memory_initialization_vector=; write both before the words"
        )
    body, _, rest = text[head.end() :].partition(";")
    line = text.count("\n", 0, head.end()) + 1
    left = re.sub(r"^[^\n]*|;[^\n]*", "", rest).strip()
    if left:
        raise DataError(f"{path}: {short(left.split()[0])} stands after the semicolon that ends the words; remove it")
    for content in body.split("\n"):
        for item in content.replace(",", " ").split():
            yield _item(item, int(head[1]), f"{path}: line {line}", line)
        line += 1


def mif_tokens(text: str, path: Path) -> Iterator[Token]:
    """`address : word;`, `address : word word ...;` and `[first..last] : word;` between CONTENT BEGIN and END."""
    bare = _MIF_COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text)
    content = _MIF_CONTENT.search(bare)
    if content is None:
        yield from memory_tokens(2)(text, path)  # Xilinx has the same suffix for binary words
        return
    fields = {key.upper(): value.upper() for key, value in _MIF_FIELD.findall(bare[: content.start()])}
    try:
        address, data = _RADICES[fields.get("ADDRESS_RADIX", "HEX")], _RADICES[fields.get("DATA_RADIX", "HEX")]
    except KeyError as error:
        raise DataError(f"{path}: radix {error} is unknown; there are {', '.join(_RADICES)}") from None
    if fields.get("DATA_RADIX") == "DEC":
        raise DataError(f"{path}: DATA_RADIX = DEC is signed; write HEX, BIN or UNS")
    line = bare.count("\n", 0, content.end()) + 1
    end = re.compile(r"\bEND\s*;", re.IGNORECASE).search(bare, content.end())
    if end is None:
        raise DataError(f"{path}: the file is cut, END; is missing; dump it again")
    count = 0
    for statement in bare[content.end() : end.start()].split(";"):
        start = line + statement[: len(statement) - len(statement.lstrip())].count("\n")
        for token in _statement(statement.strip(), address, data, f"{path}: line {start}", start, count):
            yield token
            count += 1
        line += statement.count("\n")


def _statement(text: str, address: int, data: int, where: str, line: int, count: int) -> Iterator[Token]:
    if not text:
        return
    left, colon, right = text.partition(":")
    items = right.split()
    if not colon or not items:
        raise DataError(f"{where}: {short(text)} is not 'address : word;'")
    many = _MIF_RANGE.fullmatch(left.strip())
    try:
        first = int(many[1] if many else left, address)
        last = int(many[2], address) if many else first + len(items) - 1
    except ValueError:
        raise DataError(f"{where}: {short(left.strip())} is not an address of radix {address}") from None
    if first != count or last < first:
        raise DataError(f"{where}: address {first} comes after {count} words; dump all words from address 0, in order")
    if last - first >= MAX_RANGE:
        raise DataError(
            f"{where}: {short(left.strip())} are {last - first + 1:,} words; write more than {MAX_RANGE:,} out"
        )
    for index in range(last - first + 1):
        yield _item(items[index % len(items)], data, where, line)


def _item(item: str, radix: int, where: str, line: int) -> Token:
    if not _WORDS[radix].fullmatch(item):
        raise DataError(f"{where}: {short(item)} is not a word of radix {radix}")
    return Token(int(item, radix), 0, item, line)

"""The one place that opens a dump: what is no regular file is refused, and nothing is read without a bound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from intinfer.errors import DataError
from intinfer.reports.text import printable

BLOCK = 2**18
"""Bytes of a text that are looked at together."""
MAX_ITEM = 2**17
"""Characters without a place to cut between them: twice the binary digits of the widest word."""

_BLANKS = b" \t\n\f\v"
_WIDE = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_BOM = b"\xef\xbb\xbf"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading. Raises DataError for anything else."""
    if not path.is_file():
        what = "is no regular file; give a file" if path.exists() else "no such file"  # a pipe would be waited for
        raise DataError(f"{path}: {'is a folder; give the files in it' if path.is_dir() else what}")
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from None


def text_blocks(path: Path, cuts: bytes = b"") -> Iterator[bytes]:
    """The text of a file in blocks of about `BLOCK` bytes, each cut behind a blank or one of `cuts`; line ends are
    newlines. Raises DataError for UTF-16 and for more than `MAX_ITEM` characters in a row that cannot be cut."""
    with opened(path) as file:
        yield from blocks_of(file, path, cuts)


def blocks_of(file: BinaryIO, path: Path, cuts: bytes = b"") -> Iterator[bytes]:
    """As `text_blocks`, of what is left of an open file."""
    left, line, start = b"", 1, True
    while True:
        data = file.read(BLOCK)
        if start:
            _check_encoding(data, path)
            data, start = data.removeprefix(_BOM), False
        last = len(data) == 0
        data = left + data
        if not last and data.endswith(b"\r"):  # perhaps half of a line end
            data, left = data[:-1], b"\r"
        else:
            left = b""
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        cut = len(data) if last else 1 + max(data.rfind(bytes([mark])) for mark in _BLANKS + cuts)
        block, left = data[:cut], data[cut:] + left
        line += block.count(b"\n")
        if len(left) > MAX_ITEM:
            raise DataError(
                f"{path}: line {line}: {short(left[:30].decode('ascii', 'backslashreplace'))} goes on for more than "
                f"{MAX_ITEM:,} characters; no word is so long: dump one word a line"
            )
        if block:
            yield block
        if last:
            return


def short(item: str, size: int = 24) -> str:
    """Text of a file in a message: quoted, printable, never long."""
    return repr(printable(item if len(item) <= size else item[: size - 3] + "..."))


def short_name(name: str, size: int = 120) -> str:
    """A name of a file in a message: its end says most."""
    return printable(name if len(name) <= size else "..." + name[3 - size :])


def _check_encoding(data: bytes, path: Path) -> None:
    wide = _WIDE.get(data[:2])
    if wide or data[:2].count(0) == 1:
        raise DataError(f"{path}: is {wide or 'UTF-16'} text; save it as UTF-8 or ASCII")

"""File names from node names: one percent-escape rule, for every file that is named after a node.

Lower-case letters, digits, `.`, `_` and `-` stand for themselves; every other byte of the UTF-8 name, capitals
included, becomes `%` and two lower-case hex digits, so that names differ on file systems that ignore case as well.
Also escaped are a leading `.`, and the first character where the part before the first `.` is a device name of
Windows (con, nul, com1, ...). `value_name` reverses the rule. A name that would become longer than 200 characters
keeps its first 160, then `%-` and 16 hex digits of its SHA-256: these are looked up in the index beside the files.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote

from intinfer.errors import DataError

MAX_STEM = 200
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")


def file_stem(name: str) -> str:
    """The file name, without suffix, of a node's name.

    >>> file_stem("s1.mrb/Conv 2")
    's1.mrb%2f%43onv%202'
    """
    stem = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in name.encode("utf-8", "surrogateescape"))
    if stem.startswith(".") or _DEVICE.match(stem):
        stem = f"%{ord(stem[0]):02x}{stem[1:]}"
    if len(stem) > MAX_STEM:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        stem = f"{stem[:160]}%-{digest[:16]}"
    return stem


def value_name(stem: str) -> str:
    """The node's name of a file's stem.

    Raises DataError for a shortened name, and for a text that `file_stem` does not make.

    >>> value_name("s1.mrb%2f%43onv%202")
    's1.mrb/Conv 2'
    """
    if "%-" in stem:
        raise DataError(f"file name {stem!r} is shortened; look the node up in the index beside it")
    name = unquote(stem, errors="surrogateescape")
    if file_stem(name) != stem:
        raise DataError(f"file name {stem!r} is not made from a node's name; it would be {file_stem(name)!r}")
    return name

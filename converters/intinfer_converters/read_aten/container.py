"""A `.pt2` file, read strictly: entries of its zip by name, nothing executed, nothing unpacked, no path ever used; JSON
without repeated keys and endless numbers, its items checked one by one.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import IO, NoReturn

from intinfer.errors import DataError
from intinfer.files.foreign import reason as first_line
from intinfer.files.strict_json import MAX_DIGITS, Json, shown, text

from ..checkpoint import loaded, unread

MAX_ENTRIES = 100_000
MAX_PICKLED = 2**31
"""Bytes of an entry that torch.load reads whole."""


class Container:
    """The entries of a stored (uncompressed) zip file.

    torch writes its archives uncompressed; only such are read, so that no entry grows when it is read, and entries do
    not overlap: together they are no larger than the file.

    Attributes:
        entries: by their names.

    Raises:
        DataError: it is no zip file, or one with compressed, encrypted, repeated, overlapping or too many entries.
    """

    def __init__(self, file: IO[bytes]) -> None:
        size = file.seek(0, io.SEEK_END)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, UnicodeDecodeError) as error:
            raise DataError(f"not a .pt2 archive of torch.export.save ({first_line(error)})") from None
        entries = self._zip.infolist()
        if len(entries) > MAX_ENTRIES:
            raise DataError(f"its archive has {len(entries)} entries; at most {MAX_ENTRIES} are allowed")
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
                raise DataError(
                    f"entry {entry.filename[:80]!r} is compressed; torch.export.save writes it uncompressed"
                )
            if entry.flag_bits & 1:
                raise DataError(f"entry {entry.filename[:80]!r} is encrypted; save the archive without encryption")
        if sum(entry.file_size for entry in entries) > size:
            raise DataError(f"its entries overlap: they claim more than the file's {size} bytes; save it again")
        self.entries = {entry.filename: entry for entry in entries}
        if len(self.entries) != len(entries):
            raise DataError("two entries of its archive have one name; save it again")

    def read(self, name: str) -> bytes:
        """The bytes of an entry, its checksum compared."""
        if name not in self.entries:
            raise DataError(f"entry {name[:80]!r} is missing from its archive; save it again")
        try:
            return self._zip.read(self.entries[name])
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
            raise DataError(f"entry {name[:80]!r} is damaged ({first_line(error)}); save it again") from None

    def pickled(self, name: str) -> object:
        """What torch.save wrote into an entry, tensors and plain containers only: no code in it is run.

        The entry is a zip file of its own, and held to the same rules.
        """
        content = self.read(name)
        if len(content) > MAX_PICKLED:
            raise DataError(f"entry {name!r} has {len(content)} bytes; at most {MAX_PICKLED} are read")
        try:
            Container(io.BytesIO(content))
        except DataError as error:
            raise DataError(f"entry {name!r} is nothing that torch.save wrote: {error}") from None
        try:
            return loaded(io.BytesIO(content))
        except Exception as error:  # a foreign parser on a foreign file: any exception means the same
            raise DataError(
                f"entry {name!r} holds no plain tensors ({unread(error)}); export the module with plain tensors as "
                "parameters"
            ) from None


MAX_JSON = 2**28
"""Bytes of one JSON entry."""


def parse(content: bytes, where: str) -> Json:
    """Any JSON, floats included, that is UTF-8 and in which no object has a key twice."""
    if len(content) > MAX_JSON:
        raise DataError(f"{where}: {len(content)} bytes of JSON; at most {MAX_JSON} are read")

    def unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise DataError(f"{where}: a key appears twice in one object")
        return result

    def bounded(digits: str) -> int:
        if len(digits) > MAX_DIGITS:
            raise DataError(f"{where}: an integer of {len(digits)} characters; at most {MAX_DIGITS} are allowed")
        return int(digits)

    def refuse(name: str) -> NoReturn:
        raise DataError(f"{where}: {name} is no JSON")

    try:
        decoded = content.decode("utf-8")
        document: Json = json.loads(decoded, object_pairs_hook=unique, parse_int=bounded, parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise DataError(f"{where}: JSON nested too deep") from None
    return document


def table(item: Json, where: str) -> dict[str, Json]:
    """The item as an object. Raises DataError when it is none."""
    if not isinstance(item, dict):
        raise DataError(f"{where}: an object is needed, got {shown(item)}")
    return item


def member(item: Json, key: str, where: str) -> Json:
    """A field of an object. Raises DataError when it lacks it."""
    fields = table(item, where)
    if key not in fields:
        raise DataError(f"{where}: field {key!r} is missing")
    return fields[key]


def union(item: Json, where: str) -> tuple[str, Json]:
    """The one field of an object that has one."""
    fields = table(item, where)
    if len(fields) != 1:
        raise DataError(f"{where}: an object with one field is needed, got {len(fields)} fields")
    return next(iter(fields.items()))


def boolean(item: Json, where: str) -> bool:
    """A truth value. Raises DataError for anything else."""
    if not isinstance(item, bool):
        raise DataError(f"{where}: true or false is needed, got {shown(item)}")
    return item


def word(item: Json, where: str) -> str:
    """A printable text of reasonable length that is not empty."""
    result = text(item, where)
    if not result:
        raise DataError(f"{where}: a name is empty")
    return result


def number(item: Json, where: str) -> float:
    """A float; torch writes the three that JSON has no number for as texts."""
    if isinstance(item, str) and item in ("Infinity", "-Infinity", "NaN"):
        return float(item)
    if isinstance(item, bool) or not isinstance(item, (int, float)):
        raise DataError(f"{where}: a number is needed, got {shown(item)}")
    return float(item)

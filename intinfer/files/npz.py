"""The container of `model.npz`: an uncompressed zip of one-dimensional uint8 arrays, the same bytes everywhere.

`zipfile` is not used: it writes what differs between systems and reads what it can make sense of. Every byte
that is not content is fixed by `spec/model_file.md`, so reading is: find the sizes, make the frame again, compare.
Nothing is copied or allocated by what a file claims; results are views of the bytes that are really there.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from zlib import crc32

from ..errors import ModelFileError

MAX_MEMBERS = 20_001
MAX_NAME = 16
NPY_HEADER = 128
"""Bytes before the content of each member: NumPy pads the header of a 1-D uint8 array to this, whatever its length."""

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _FLAGS, _STORED, _TIME, _DATE = 20, 0, 0, 0, 0x21  # zip 2.0, uncompressed, 1980-01-01 00:00
_MADE_BY, _MODE = 3 << 8 | 20, 0o100644 << 16  # a Unix file, rw-r--r--


def write(members: Sequence[tuple[str, bytes]]) -> bytes:
    """The file that holds `members`, (name, content) pairs in order; member NAME is stored as NAME.npy."""
    parts, directory, offset = [], [], 0
    for name, content in members:
        file_name, header = f"{name}.npy".encode("ascii"), npy_header(len(content))
        frame = crc32(content, crc32(header)), NPY_HEADER + len(content), file_name
        parts += [_local(*frame), header, content]
        directory.append(_central(*frame, offset))
        offset += _LOCAL.size + len(file_name) + NPY_HEADER + len(content)
    central = b"".join(directory)
    return b"".join((*parts, central, _end(len(members), len(central), offset)))


def read(data: bytes) -> dict[str, memoryview]:
    """The content of each member by name, in file order.

    Raises ModelFileError for anything that `write` would not have written: compression, encryption, gaps,
    overlaps, bytes before or after, a checksum that differs, a member that is no 1-D uint8 array.
    """
    view = memoryview(data)
    count, directory = _directory(view)
    members: dict[str, memoryview] = {}
    position, offset = directory, 0
    for index in range(count):
        what = f"zip entry {index}"
        if position + _CENTRAL.size > len(view) - _END.size:
            raise ModelFileError(f"{what}: the zip directory ends before it; {count} entries are announced")
        entry = _CENTRAL.unpack_from(view, position)
        frame = crc, size, file_name = entry[7], entry[9], bytes(view[position + _CENTRAL.size :][: entry[10]])
        name, what = _checked_entry(what, entry, file_name)
        if name in members:
            raise ModelFileError(f"{what} appears twice")
        _compare(view, position, _central(*frame, offset), f"{what}: directory entry")
        _compare(view, offset, _local(*frame), f"{what}: local header")
        position += _CENTRAL.size + len(file_name)
        offset += _LOCAL.size + len(file_name)
        if offset + size > directory:
            raise ModelFileError(f"{what}: {size} bytes are announced, {max(0, directory - offset)} are there")
        members[name] = _content(view[offset : offset + size], crc, what)
        offset += size
    if offset != directory or position != len(view) - _END.size:
        raise ModelFileError("the zip holds bytes that belong to no member")
    return members


def npy_header(length: int) -> bytes:
    """The .npy 1.0 header of a uint8 array of shape (length,), as numpy.save writes it."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({length},), }}".encode("ascii")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", NPY_HEADER - 10) + text.ljust(NPY_HEADER - 11) + b"\n"


def _local(crc: int, size: int, name: bytes) -> bytes:
    return _LOCAL.pack(b"PK\3\4", _VERSION, _FLAGS, _STORED, _TIME, _DATE, crc, size, size, len(name), 0) + name


def _central(crc: int, size: int, name: bytes, offset: int) -> bytes:
    fixed = (b"PK\1\2", _MADE_BY, _VERSION, _FLAGS, _STORED, _TIME, _DATE)
    return _CENTRAL.pack(*fixed, crc, size, size, len(name), 0, 0, 0, 0, _MODE, offset) + name


def _end(count: int, size: int, offset: int) -> bytes:
    return _END.pack(b"PK\5\6", 0, 0, count, count, size, offset, 0)


def _directory(view: memoryview) -> tuple[int, int]:
    """Number of members and offset of the directory, from the end record."""
    if bytes(view[:4]) != b"PK\3\4":
        raise ModelFileError("not a model file: it does not begin as a zip file does")
    if len(view) < _END.size or bytes(view[-_END.size :][:4]) != b"PK\5\6":
        raise ModelFileError(
            "no zip end record in the last 22 bytes: the file is truncated or something was appended; copy it again"
        )
    count, size, offset = (_END.unpack(view[-_END.size :])[i] for i in (4, 5, 6))
    if not 1 <= count <= MAX_MEMBERS:
        raise ModelFileError(f"the zip announces {count} members, 1..{MAX_MEMBERS} are allowed")
    if offset + size + _END.size != len(view):
        raise ModelFileError(
            f"the zip directory at {offset} with {size} bytes does not end where the end record of a file of "
            f"{len(view)} bytes begins"
        )
    _compare(view, len(view) - _END.size, _end(count, size, offset), "zip end record")
    return count, offset


def _checked_entry(what: str, entry: tuple[int, ...], file_name: bytes) -> tuple[str, str]:
    """Member name and how messages call it. Refuses by its reason what other zip writers may produce."""
    flags, method = entry[3], entry[4]
    name = file_name[:-4].decode("ascii", "replace")
    if not file_name.endswith(b".npy") or len(file_name) > MAX_NAME or not name.isalnum():
        raise ModelFileError(f"{what}: unknown member {file_name[:MAX_NAME]!r}")
    what = f"member {name + '.npy'!r}"
    if flags & 1:
        raise ModelFileError(f"{what} is encrypted; members are stored in plain")
    if method != _STORED:
        raise ModelFileError(f"{what} is compressed (method {method}); members are stored uncompressed")
    return name, what


def _compare(view: memoryview, start: int, expected: bytes, what: str) -> None:
    found = view[start : start + len(expected)]
    if found != expected:
        pairs = enumerate(zip(found, expected, strict=False))
        at = next((i for i, (a, b) in pairs if a != b), len(found))
        raise ModelFileError(f"{what} differs from the only one the format allows, first at its byte {at}")


def _content(member: memoryview, crc: int, what: str) -> memoryview:
    if crc32(member) != crc:
        raise ModelFileError(f"{what}: checksum {crc32(member):08x} is not the stored {crc:08x}; the file is damaged")
    if len(member) < NPY_HEADER or member[:NPY_HEADER] != npy_header(len(member) - NPY_HEADER):
        raise ModelFileError(
            f"{what} does not begin with the npy 1.0 header of a 1-D C-order uint8 array that fills the member"
        )
    return member[NPY_HEADER:]

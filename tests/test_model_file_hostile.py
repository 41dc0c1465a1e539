"""Files whose frame is not exactly the format: each is refused in one line, for its reason."""

from __future__ import annotations

import io
import os
import re
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from model_files import GOOD, members_of, refused, refused_cheaply

from intinfer import model_file
from intinfer.errors import ModelFileError
from intinfer.files import npz
from intinfer.model_file import load


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.npz"


# ---------------------------------------------------------------------------------------------- files


def test_no_such_file(path: Path) -> None:
    with pytest.raises(ModelFileError, match=rf"^{re.escape(str(path))}: no such file$"):
        load(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(ModelFileError) as caught:
            load(place)
        assert str(caught.value) == f"{place}: cannot be read: it is not a regular file"
    with pytest.raises(ModelFileError) as caught:
        load("a\0\nb")
    assert str(caught.value) == r"'a\x00\nb': cannot be read: the path holds a zero byte"


def test_a_file_that_may_not_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(model_file, "open", deny, raising=False)
    refused(GOOD, path, "cannot be read: Permission denied")


def test_a_file_beyond_the_limit_is_not_read(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(2**29 + 1)
    with pytest.raises(ModelFileError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: cannot be read: it has 536870913 bytes, at most 536870912 are allowed"


# ---------------------------------------------------------------------------------------------- container

NOT_ZIP = "not a model file: it does not begin as a zip file does"
NO_END = "no zip end record in the last 22 bytes: the file is truncated or something was appended; copy it again"


def patched(data: bytes, at: int, value: bytes) -> bytes:
    at %= len(data)
    return data[:at] + value + data[at + len(value) :]


def directory_of(data: bytes) -> int:
    return struct.unpack("<L", data[-6:-2])[0]


def test_what_is_no_zip(path: Path) -> None:
    for data in (b"", b"PK", b"\x93NUMPY" + bytes(100), b"x" + GOOD):
        refused(data, path, NOT_ZIP)


def test_truncated_or_appended(path: Path) -> None:
    for data in (GOOD[:4], GOOD[:-1], GOOD[: len(GOOD) // 2], GOOD + b"\n", GOOD + GOOD[:40]):
        refused(data, path, NO_END)


def test_a_zip_comment(path: Path) -> None:
    refused(patched(GOOD, -2, b"\x05\x00") + b"hello", path, NO_END)
    refused(patched(GOOD, -2, b"\x05\x00"), path, END_DIFFERS.format(20))


END_DIFFERS = "zip end record differs from the only one the format allows, first at its byte {}"


def test_the_end_record(path: Path) -> None:
    refused(patched(GOOD, -18, b"\x01"), path, END_DIFFERS.format(4))
    refused(patched(GOOD, -14, b"\x02"), path, END_DIFFERS.format(8))
    for count in (0, 20_002, 65_535):
        announced = struct.pack("<H", count)
        refused(patched(GOOD, -14, 2 * announced), path, f"the zip announces {count} members, 1..20001 are allowed")
    size, offset = struct.unpack("<LL", GOOD[-10:-2])
    refused(
        patched(GOOD, -6, struct.pack("<L", offset - 1)),
        path,
        f"the zip directory at {offset - 1} with {size} bytes does not end where the end record of a file of "
        f"{len(GOOD)} bytes begins",
    )
    refused(
        patched(GOOD, -14, 2 * b"\x0a\x00"),
        path,
        "zip entry 9: the zip directory ends before it; 10 entries are announced",
    )
    refused(patched(GOOD, -14, 2 * b"\x08\x00"), path, "the zip holds bytes that belong to no member")


ENTRY = "member 'header.npy': directory entry differs from the only one the format allows, first at its byte {}"


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (8, b"\x01", "member 'header.npy' is encrypted; members are stored in plain"),
        (10, b"\x08", "member 'header.npy' is compressed (method 8); members are stored uncompressed"),
        (8, b"\x08", ENTRY.format(8)),  # sizes in a data descriptor
        (0, b"X", ENTRY.format(0)),
        (4, b"\x15", ENTRY.format(4)),
        (12, b"\x01", ENTRY.format(12)),
        (20, b"\x01\x00\x00\x00", ENTRY.format(20)),  # compressed size unlike the size
        (30, b"\x01", ENTRY.format(30)),  # an extra field
        (32, b"\x01", ENTRY.format(32)),  # a comment
        (40, b"\x00", ENTRY.format(40)),
        (42, b"\x01", ENTRY.format(42)),  # the member elsewhere
        (
            46,
            b"H",
            "member 'Header.npy': local header differs from the only one the format allows, first at its byte 30",
        ),
        (46, b"/", "zip entry 0: unknown member b'/eader.npy'"),
        (46, b"\xff", "zip entry 0: unknown member b'\\xffeader.npy'"),
        (28, b"\xff\xff", "zip entry 0: unknown member b'header.npyPK\\x01\\x02\\x14\\x03'"),
    ],
)
def test_the_directory(at: int, value: bytes, message: str, path: Path) -> None:
    refused(patched(GOOD, directory_of(GOOD) + at, value), path, message)


@pytest.mark.parametrize("at", [0, 4, 6, 8, 10, 14, 18, 22, 26, 28, 30])
def test_a_local_header_that_disagrees(at: int, path: Path) -> None:
    message = f"member 'header.npy': local header differs from the only one the format allows, first at its byte {at}"
    changed = patched(GOOD, at, bytes([GOOD[at] ^ 0x10]))
    refused(changed, path, message if at else NOT_ZIP)


def test_a_size_beyond_the_file(path: Path) -> None:
    """The directory and the local header agree on almost 4 GiB; nothing of that size is allocated."""
    directory = directory_of(GOOD)
    data = patched(GOOD, 18, 2 * struct.pack("<L", 2**32 - 16))
    data = patched(data, directory + 20, 2 * struct.pack("<L", 2**32 - 16))
    message = f"member 'header.npy': 4294967280 bytes are announced, {directory - 40} are there"
    refused_cheaply(data, path, message)


def test_a_checksum_that_differs(path: Path) -> None:
    data = patched(GOOD, 200, bytes([GOOD[200] ^ 1]))
    size = struct.unpack("<L", GOOD[18:22])[0]
    found, stored = zlib.crc32(data[40 : 40 + size]), zlib.crc32(GOOD[40 : 40 + size])
    refused(
        data, path, f"member 'header.npy': checksum {found:08x} is not the stored {stored:08x}; the file is damaged"
    )


def test_members_that_share_bytes(path: Path) -> None:
    """Entry 1 points at member 0: its offset is not where member 0 ends."""
    directory = directory_of(GOOD)
    overlapping = patched(GOOD, directory + 56 + 42, struct.pack("<L", 0))
    refused(
        overlapping,
        path,
        "member 't0.npy': directory entry differs from the only one the format allows, first at its byte 42",
    )


def test_bytes_between_members(path: Path) -> None:
    directory = directory_of(GOOD)
    data = patched(GOOD, -6, struct.pack("<L", directory + 7))
    data = data[:directory] + b"padding" + data[directory:]
    refused(data, path, "the zip holds bytes that belong to no member")


def test_what_zipfile_and_numpy_write(path: Path) -> None:
    """The same arrays in another zip are refused: one graph, one file."""
    arrays = {name: np.frombuffer(content, np.uint8) for name, content in members_of(GOOD)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    refused(buffer.getvalue(), path, "member 'header.npy' is compressed (method 8); members are stored uncompressed")
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(
        ModelFileError, match=r"^\S+: member 'header\.npy': \w+ \w+ differs from the only one the format"
    ):
        load(path)


def test_unknown_missing_and_repeated_members(path: Path) -> None:
    members = members_of(GOOD)
    refused(npz.write([*members, ("weights", b"")]), path, "member 9 is 'weights.npy', expected 't8.npy'")
    refused(npz.write(members[1:]), path, "member 0 is 't0.npy', expected 'header.npy'")
    refused(npz.write([*members[:2], *members[3:]]), path, "member 2 is 't2.npy', expected 't1.npy'")
    refused(npz.write([members[0], members[2], members[1]]), path, "member 1 is 't1.npy', expected 't0.npy'")
    refused(npz.write([*members, members[3]]), path, "member 't2.npy' appears twice")
    refused(npz.write([*members, ("t8", b"")]), path, "member 't8.npy' is used by no node; 1 such members")
    refused(
        npz.write(members[:-1]), path, "nodes[7].attributes.weight.tensor: 't7' is none of the 7 tensors of the file"
    )


def raw_zip(members: list[tuple[bytes, bytes]]) -> bytes:
    """Members given as whole npy files."""
    parts, entries, offset = [], [], 0
    for name, content in members:
        crc = zlib.crc32(content)
        parts.append(npz._local(crc, len(content), name) + content)
        entries.append(npz._central(crc, len(content), name, offset))
        offset += len(parts[-1])
    return b"".join([*parts, *entries, npz._end(len(members), sum(map(len, entries)), offset)])


def npy_variants() -> list[bytes]:
    content = np.arange(10, dtype=np.uint8)
    arrays = [content.reshape(2, 5), content.astype(np.int8), content.astype("<u2"), np.array(3, np.uint8)]
    files = []
    for array in arrays:
        buffer = io.BytesIO()
        np.save(buffer, array)
        files.append(buffer.getvalue())
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, content, version=(2, 0))
    plain = npz.npy_header(10) + content.tobytes()
    return [
        *files,
        buffer.getvalue(),
        plain[:-1],
        plain + b"\0",
        plain[:100],
        b"",
        plain.replace(b"False", b"True "),
        plain.replace(b"(10,)", b"(0xa,)"),
        plain.replace(b"|u1", b"|O8"),
        plain.replace(b"\x01\x00v", b"\x03\x00v"),
    ]


@pytest.mark.parametrize("index", range(13))
def test_members_that_are_no_plain_array(index: int, path: Path) -> None:
    files = [(name.encode() + b".npy", npz.npy_header(len(c)) + c) for name, c in members_of(GOOD)]
    assert raw_zip(files) == GOOD
    files[3] = (b"t2.npy", npy_variants()[index])
    refused(
        raw_zip(files),
        path,
        "member 't2.npy' does not begin with the npy 1.0 header of a 1-D C-order uint8 array that fills the member",
    )


def test_zipfile_finds_nothing_to_complain_about() -> None:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as archive:
        assert archive.testzip() is None
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}

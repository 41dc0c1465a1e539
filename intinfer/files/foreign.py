"""Arrays in files from anywhere: nothing in them is executed, and no memory is spent by what they only claim.

An array's header is looked at first, so that one of another shape is refused before it is read, and what a compressed
file unpacks to is limited by its size.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError

FREE = 2**28
"""Bytes that any file may unpack to."""
GROWTH = 32
"""How many times its own size a larger one may; images as they are taken compress to no less than a third."""
MAGIC = b"\x93NUMPY"
REASON = 160
"""Characters of another program's error that are quoted."""


@dataclass(frozen=True)
class ArrayForm:
    """What an array's header says."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        """Bytes that the elements take."""
        return math.prod(self.shape) * self.dtype.itemsize


class Npz:
    """The arrays of an open `.npz` file by name."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._zip = zipfile.ZipFile(file)
        self._members = {info.filename.removesuffix(".npy"): info for info in self._zip.infolist()}
        self._largest = max(FREE, GROWTH * os.fstat(file.fileno()).st_size)

    @property
    def names(self) -> list[str]:
        """The names of the arrays, in the order of the file."""
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def form(self, name: str) -> ArrayForm:
        """Shape and type of an array, which is not read."""
        with self._open(name) as file:
            return _form(file, self._members[name].file_size)

    def read(self, name: str) -> npt.NDArray[Any]:
        """An array. Raises DataError when it is too large for its file; see `GROWTH`."""
        size = self._members[name].file_size
        if size > self._largest:
            raise DataError(
                f"{self._path}: {name!r} unpacks to {size:,} bytes, and {self._largest:,} are the most of a file of "
                "this size; write it uncompressed, with numpy.savez"
            )
        with self._open(name) as file:
            return _array(file, size)

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        with readable(self._path, ".npz", "numpy.savez"), self._zip.open(self._members[name]) as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise DataError(f"{self._path}: key {name!r} is no array; write it again with numpy.savez")
            file.seek(0)
            yield file


@contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """The arrays of an `.npz` file, read one by one. Raises DataError for any other file."""
    need_file(path, "an .npz file")
    with open(path, "rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            raise DataError(f"{path}: holds one array; an .npz is needed: write it with numpy.savez")
        file.seek(0)
        with readable(path, ".npz", "numpy.savez"):
            arrays = Npz(path, file)
        yield arrays


def read_npy(path: Path, accept: Callable[[ArrayForm], None] = lambda form: None) -> npt.NDArray[Any]:
    """The array of a `.npy` file; `accept` may refuse its form before it is read. Raises DataError."""
    need_file(path, "a .npy file")
    with open(path, "rb") as file, readable(path, ".npy", "numpy.save"):
        size = os.fstat(file.fileno()).st_size
        accept(_form(file, size))
        file.seek(0)
        return _array(file, size)


def need_file(path: Path, kind: str) -> None:
    """Raise DataError for what is not there, or would be waited for, such as a pipe."""
    if not path.is_file():
        raise DataError(f"{path}: {'is not a regular file' if path.exists() else 'no such file'}; give {kind}")


def check_archive(path: str | PathLike[str], again: str) -> None:
    """Raise DataError when `path` is a zip file whose members unpack to more than its size allows; see `GROWTH`.

    Any other file is left to its reader. `again` says how to write it so that it is taken.
    """
    size = os.stat(path).st_size
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return
    largest = max(FREE, GROWTH * size)
    if unpacked > largest:
        raise DataError(
            f"{path}: unpacks to {unpacked:,} bytes, and {largest:,} are the most of a file of this size; {again}"
        )


@contextmanager
def readable(path: str | PathLike[str], kind: str, writer: str) -> Iterator[None]:
    """Turn whatever a foreign parser raises on a foreign file into a DataError of one line."""
    try:
        yield
    except (DataError, PermissionError, MemoryError):
        raise
    except Exception as error:  # any exception means the same
        raise DataError(f"{path}: cannot be read as {kind} ({reason(error)}); write it again with {writer}") from None


def reason(error: Exception) -> str:
    """The first line of another program's error."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:REASON]


def _form(file: IO[bytes], size: int) -> ArrayForm:
    """The form of the array that an open file of `size` bytes holds."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"format {version[0]}.{version[1]}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    form = ArrayForm(shape, dtype)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
    if min(shape, default=0) < 0 or form.bytes != size - file.tell():
        raise ValueError(f"{dtype} {shape} takes {form.bytes:,} bytes, {size - file.tell():,} are there")
    return form


def _array(file: IO[bytes], size: int) -> npt.NDArray[Any]:
    _form(file, size)
    file.seek(0)
    array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    if file.read(1):  # at the end the checksum of a member is compared, too
        raise ValueError("there is more than an array in it")
    return array

"""The growing files of a set: appended to, counted and hashed, and taken up again after a kill."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from intinfer.files.atomic import naming, write_into
from intinfer.tensor import CellularWeights
from intinfer.types import LIMIT, IntArray

from ..describe.entries import Written, file_path, tensor_entry
from ..describe.formats import FORMATS, Format, Piece
from ..describe.tensors import Tensor
from .journal import FolderError

_READ_BYTES = 2**22


class TensorFile:
    """A file that grows by `append`; `size` and `sha256` are of what it holds so far.

    It is opened for each piece only: a large net has more tensors than a process may have open files.
    """

    def __init__(self, directory: Path, tensor: Tensor, format_: Format, memory: int | None = None) -> None:
        self.path = file_path(tensor, format_.name, memory)
        self.format = format_
        self.memory = memory
        self.size = 0
        self._file = directory / self.path
        self._tensor = tensor
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """SHA-256 of what the file holds so far, in hexadecimal."""
        return self._hash.hexdigest()

    def begin(self) -> None:
        """Start the file anew."""
        self._file.parent.mkdir(exist_ok=True)
        write_into(self._file, b"")
        self._write(self.format.header(self._tensor))

    def take_up(self, size: int, sha256: str) -> None:
        """Go on after the first `size` bytes. Raises DataError when they are not what was written."""
        left = size
        if self._file.is_file():
            with open(self._file, "rb") as file:
                while left and (data := file.read(min(left, _READ_BYTES))):
                    self._hash.update(data)
                    left -= len(data)
        if left or self.sha256 != sha256:
            raise FolderError(
                f"{self._file}: is not what the journal beside it says; remove the folder and begin again"
            )
        os.truncate(self._file, size)
        self.size = size

    def append(self, piece: Piece, first: int) -> None:
        """`first` is the number of the piece's first word."""
        self._write(self.format.body(self._tensor, piece, first, self.memory or 0))

    def end(self) -> None:
        """Write what stands behind the last word."""
        self._write(self.format.footer(self._tensor))

    def sync(self) -> None:
        """Let the data reach the disk."""
        with naming(self._file), open(self._file, "rb+") as file:
            os.fsync(file.fileno())

    def _write(self, data: bytes) -> None:
        if not data:
            return
        self._hash.update(data)
        with naming(self._file), open(self._file, "ab") as file:
            if file.tell() != self.size:
                raise FolderError(f"{self._file}: something else writes to it; let one command at a time make the set")
            file.write(data)
        self.size += len(data)


class TensorWriter:
    """A tensor while it is written: its files, the lowest and highest value so far, and what overflowed."""

    def __init__(
        self, directory: Path, tensor: Tensor, formats: Sequence[str], generated: CellularWeights | None = None
    ) -> None:
        self.tensor = tensor
        self.files = [
            TensorFile(directory, tensor, FORMATS[name], memory)
            for name in formats
            for memory in FORMATS[name].memories(tensor)
        ]
        self.overflows: int | None = None
        self._generated = generated
        self._lowest, self._highest = 2 * LIMIT, -2 * LIMIT
        self._words = 0

    def count(self, overflows: int | None) -> None:
        """So many more values overflowed; None where nothing can."""
        if overflows is not None:
            self.overflows = (self.overflows or 0) + overflows

    def begin(self) -> None:
        """Start all files anew."""
        for file in self.files:
            file.begin()

    def append(self, values: IntArray) -> None:
        """Values with the tensor's axes, or the next images of them, inside its code."""
        small = values.astype(self.tensor.code.dtype)
        self._lowest, self._highest = min(self._lowest, int(small.min())), max(self._highest, int(small.max()))
        piece = Piece(self.tensor, self.tensor.flat(small))
        for file in self.files:
            file.append(piece, self._words)
        self._words += self.tensor.words_of(small.size)

    def end(self) -> dict[str, Any]:
        """Close the files; the tensor's entry of the manifest."""
        for file in self.files:
            file.end()
        written = [Written(file.format.name, file.path, file.size, file.sha256, file.memory) for file in self.files]
        return tensor_entry(self.tensor, written, (self._lowest, self._highest), self.overflows, self._generated)

    def state(self) -> list[int | None]:
        """What `take_up` needs beside the files."""
        return [self._lowest, self._highest, self.overflows, self._words]

    def take_up(self, state: Sequence[int | None], files: Mapping[str, Sequence[Any]]) -> None:
        """Go on where a journal says. Raises DataError for files that are not what it says."""
        lowest, highest, self.overflows, words = state
        if lowest is None or highest is None or words is None:
            raise FolderError(
                f"tensor {self.tensor.node!r} of the journal is damaged; remove the folder and begin again"
            )
        self._lowest, self._highest, self._words = lowest, highest, words
        for file in self.files:
            file.take_up(*files.get(file.path, (0, "")))

"""Tensor files: `$readmemh` text (IEEE 1800, 21.4) and `.npy`, written piece by piece, the same bytes every time."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intinfer.text import printable
from intinfer.types import IntArray

from .tensors import Tensor

FORMATS = ("memh", "npy")
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def estimated_bytes(tensor: Tensor, format_: str) -> int:
    """The size of a tensor's file, to a few hundred bytes of header."""
    word = tensor.code.digits + 1 if format_ == "memh" else tensor.code.dtype.itemsize
    return tensor.words * word


class TensorFile:
    """A file that grows by `append`; `sha256` and `size` are of what it holds so far.

    It is opened for each piece only: a large net has more tensors than a process may have open files.
    """

    def __init__(self, directory: Path, tensor: Tensor, format_: str) -> None:
        self.name = f"{tensor.path}.{format_}"
        self.size = 0
        self._path = directory / self.name
        self._tensor = tensor
        self._encode = memh_words if format_ == "memh" else npy_words
        self._hash = hashlib.sha256()
        self._path.parent.mkdir(exist_ok=True)
        self._write(memh_header(tensor) if format_ == "memh" else npy_header(tensor))

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def append(self, values: IntArray) -> None:
        """Values as a vector in the order of the file."""
        self._write(self._encode(self._tensor, values))

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)
        with open(self._path, "ab") as file:
            file.write(data)


def memh_header(tensor: Tensor) -> bytes:
    """Comment lines that say what the words are; ASCII, whatever the names are."""
    code = tensor.code
    extents = dict(zip(tensor.axes, tensor.shape, strict=True))
    what = f"node: {tensor.node}" + (f"; constant: {tensor.attribute}" if tensor.attribute else "")
    mapped = "" if code.map is None else " (" + ", ".join(f"{v} -> {w:x}" for v, w in code.map.items()) + ")"
    lines = [
        f"{what}; role: {tensor.role}",
        f"source: {', '.join(tensor.source) or 'none'}",
        f"shape: {' '.join(f'{axis}={extent}' for axis, extent in extents.items())}",
        f"order: {' '.join(tensor.order)} (last innermost)",
        f"packing: 1 element a word; word: {code.bits} bits, {code.name}{mapped}; words: {tensor.words}",
    ]
    return "".join(f"// {printable(line)}\n" for line in lines).encode("ascii", "backslashreplace")


def memh_words(tensor: Tensor, values: IntArray) -> bytes:
    """One word a line, lower-case hexadecimal, all of its digits."""
    words = tensor.code.encode(values)
    digits = tensor.code.digits
    text = np.full((len(words), digits + 1), ord("\n"), dtype=np.uint8)
    for place in range(digits):
        nibbles = (words >> np.uint64(4 * (digits - 1 - place))) & np.uint64(15)
        text[:, place] = _HEX[nibbles.astype(np.intp)]
    return text.tobytes()


def npy_header(tensor: Tensor) -> bytes:
    buffer = io.BytesIO()
    description = {"descr": tensor.code.dtype.str, "fortran_order": False, "shape": tensor.file_shape}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()


def npy_words(tensor: Tensor, values: npt.NDArray[np.integer]) -> bytes:
    return values.astype(tensor.code.dtype).tobytes()

"""`.npy` files of integers, their header read by a pattern: nothing in it is evaluated, and nothing is allocated by
what it claims."""

from __future__ import annotations

import os
import re
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError

from .foreign import opened, short

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 2**16
_FIELDS = {
    "descr": re.compile(r"""['"]descr['"]\s*:\s*(?:['"]([^'"]{1,16})['"]|[\[(])"""),
    "fortran_order": re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)\b"""),
    "shape": re.compile(r"""['"]shape['"]\s*:\s*\(([0-9,\sL]*)\)"""),
}
_INTEGER = re.compile(r"[<>|=](?:[iu][1248]|b1)")


def read_npy(path: Path) -> npt.NDArray[np.integer | np.bool_]:
    """The integers or booleans of a file as a vector in C order.

    Raises DataError for another type, a header that `numpy.save` does not write, or a file that is longer or shorter
    than its header says.
    """
    with opened(path) as file:
        start, descr, fortran, shape = _header(file.read(_MAX_HEADER), path)
        dtype, count = np.dtype(descr), prod(shape)
        size = os.fstat(file.fileno()).st_size - start
        if size != count * dtype.itemsize:
            raise DataError(
                f"{path}: is no readable .npy file (the header says {_extents(shape)} {dtype}, {size:,} bytes follow); "
                "write it again with numpy.save"
            )
        file.seek(start)
        flat = np.frombuffer(file.read(size), dtype=dtype)
    if len(flat) != count:
        raise DataError(f"{path}: is no readable .npy file (it is cut while it is read); dump it again")
    if dtype.kind == "b" and (flat.view(np.uint8) > 1).any():
        raise DataError(f"{path}: holds a boolean that is neither 0 nor 1; write it again with numpy.save")
    return np.ascontiguousarray(flat.reshape(shape, order="F")).reshape(-1) if fortran and len(shape) > 1 else flat


def _header(data: bytes, path: Path) -> tuple[int, str, bool, tuple[int, ...]]:
    """Where the content starts, dtype, order and shape."""
    fields, start = _fields(data), 0
    if fields is not None:
        start, text = fields
        found = {name: pattern.search(text) for name, pattern in _FIELDS.items()}
        descr, order, shape = found["descr"], found["fortran_order"], found["shape"]
        if descr is not None and order is not None and shape is not None:
            extents = [item for item in re.split(r"[,\sL]+", shape[1]) if item]
            kind = descr[1] or "fields"
            if not _INTEGER.fullmatch(kind):
                raise DataError(f"{path}: holds {_type_name(kind)}; integers are needed")
            if len(extents) <= 32 and all(len(extent) <= 18 for extent in extents):
                return start, kind, order[1] == "True", tuple(int(extent) for extent in extents)
    what = "it is empty" if not data else f"it begins with {short(repr(data[:8])[2:-1])}" if fields is None else "its header"
    raise DataError(f"{path}: is no readable .npy file ({what}); write it with numpy.save")


def _fields(data: bytes) -> tuple[int, str] | None:
    """Where the content starts, and the text of the header."""
    if not data.startswith(_MAGIC) or len(data) < 12 or data[6] not in (1, 2, 3):
        return None
    width = 2 if data[6] == 1 else 4
    start = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    return (start, data[8 + width : start].decode("latin-1")) if start <= len(data) else None


def _type_name(kind: str) -> str:
    try:
        return str(np.dtype(kind))
    except (TypeError, ValueError):
        return short(kind)


def _extents(shape: tuple[int, ...]) -> str:
    text = "x".join(map(str, shape)) or "one"
    return text if len(text) <= 60 else f"{len(shape)} axes of"

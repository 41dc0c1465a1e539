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
_ENTRY = r"""\s*+['"](\w++)['"]\s*+:\s*+(?>(['"][^'"]{0,16}+['"]|\[[^\]]*+\]|True|False|\([0-9,\s]*+\)))\s*+"""
_DICT = re.compile(rf"\{{{_ENTRY},{_ENTRY},{_ENTRY},?+\s*+\}}\s*+")
_TUPLE = re.compile(r"\(\s*+(?:(?:[0-9]{1,18}\s*+,\s*+)++(?:[0-9]{1,18}\s*+)?)?+\)")
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
                f"{path}: is no readable .npy file (the header says {_shape_text(shape)} {dtype}, {size:,} bytes "
                "follow); write it again with numpy.save"
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
    fields = _fields(data)
    found = None if fields is None else _DICT.fullmatch(fields[1])
    if fields is not None and found is not None:
        entries = dict(zip(found.groups()[::2], found.groups()[1::2], strict=True))
        descr, order, shape = (entries.get(name, "") for name in ("descr", "fortran_order", "shape"))
        if descr[:1] in ("'", '"', "[") and order in ("True", "False"):
            kind = descr[1:-1] if descr[0] != "[" else "fields"
            if not _INTEGER.fullmatch(kind):
                raise DataError(f"{path}: holds {_type_name(kind)}; integers are needed")
            extents = _extents(shape)
            if extents is not None:
                return fields[0], kind, order == "True", extents
    what = (
        "it is empty"
        if not data
        else f"it begins with {short(repr(data[:8])[2:-1])}"
        if fields is None
        else "its header"
    )
    raise DataError(f"{path}: is no readable .npy file ({what}); write it with numpy.save")


def _extents(shape: str) -> tuple[int, ...] | None:
    """The axes of a tuple as Python writes it; None for anything else."""
    extents = re.findall(r"[0-9]+", shape)
    return tuple(map(int, extents)) if _TUPLE.fullmatch(shape) and len(extents) <= 32 else None


def _fields(data: bytes) -> tuple[int, str] | None:
    """Where the content starts, and the text of the header."""
    if not data.startswith(_MAGIC) or len(data) < 12 or data[6] not in (1, 2, 3) or data[7] != 0:
        return None
    width = 2 if data[6] == 1 else 4
    start = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    return (start, data[8 + width : start].decode("latin-1")) if start <= len(data) else None


def _type_name(kind: str) -> str:
    try:
        return str(np.dtype(kind))
    except (TypeError, ValueError):
        return short(kind)


def _shape_text(shape: tuple[int, ...]) -> str:
    text = "x".join(map(str, shape)) or "one"
    return text if len(text) <= 60 else f"{len(shape)} axes of"

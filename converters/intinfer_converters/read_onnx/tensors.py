"""Tensors of an ONNX file as NumPy arrays: every size is checked before anything is allocated or read.

External data is read by this module alone, and only from regular files inside the model's folder, links resolved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, numpy_helper

from intinfer.errors import DataError

from ..symbolic import Array

MAX_ELEMENTS = 2**28
"""Elements of one tensor, stored or computed from constants."""
MAX_RANK = 16

DTYPES: dict[int, np.dtype[Any]] = {
    TensorProto.FLOAT: np.dtype(np.float32),
    TensorProto.FLOAT16: np.dtype(np.float16),
    TensorProto.DOUBLE: np.dtype(np.float64),
    TensorProto.UINT8: np.dtype(np.uint8),
    TensorProto.INT8: np.dtype(np.int8),
    TensorProto.UINT16: np.dtype(np.uint16),
    TensorProto.INT16: np.dtype(np.int16),
    TensorProto.UINT32: np.dtype(np.uint32),
    TensorProto.INT32: np.dtype(np.int32),
    TensorProto.UINT64: np.dtype(np.uint64),
    TensorProto.INT64: np.dtype(np.int64),
    TensorProto.BOOL: np.dtype(np.bool_),
    TensorProto.UINT4: np.dtype(np.uint8),
    TensorProto.INT4: np.dtype(np.int8),
    TensorProto.UINT2: np.dtype(np.uint8),
    TensorProto.INT2: np.dtype(np.int8),
}
"""ONNX type -> what holds it here; types under 8 bits are held in 8."""

NARROW_BITS: dict[int, int] = {TensorProto.UINT4: 4, TensorProto.INT4: 4, TensorProto.UINT2: 2, TensorProto.INT2: 2}
"""Bits of the types that are packed."""

ELEM_TYPES = {dtype: elem for elem, dtype in DTYPES.items() if elem not in NARROW_BITS}
"""What holds it here -> ONNX type, of those that are not packed."""

_FIELDS: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.UINT32: "uint64_data",
    TensorProto.UINT64: "uint64_data",
}


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that depends on no input.

    Attributes:
        elem_type: its ONNX type; `values` of 2 and 4 bits are held in 8.
        quantised: integers q and the scale of each, both of the shape of `values`, when a quantiser made it:
            `values` is q * scale, rounded once.
    """

    values: Array
    elem_type: int
    quantised: tuple[Array, Array] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its values."""
        shape: tuple[int, ...] = self.values.shape
        return shape

    def changed(self, change: Callable[[Array], Array]) -> Constant:
        """In the layout that `change` brings values, integers and scales to."""
        values = np.ascontiguousarray(change(self.values))
        if self.quantised is None:
            return Constant(values, self.elem_type)
        q, scale = (np.ascontiguousarray(change(part)) for part in self.quantised)
        return Constant(values, self.elem_type, (q, scale))


def constant_of(values: npt.ArrayLike) -> Constant:
    """Computed values as a constant of their own type.

    Raises:
        DataError: ONNX networks have no such type here.
    """
    array = np.asarray(values)
    if array.dtype not in ELEM_TYPES:
        raise DataError(f"it gives {array.dtype} values")
    return Constant(array, ELEM_TYPES[array.dtype])


def type_name(elem_type: int) -> str:
    """The name of an ONNX type, or its number."""
    names: dict[int, str] = {number: name for name, number in TensorProto.DataType.items()}
    return names.get(elem_type, f"number {elem_type}")


def integer_range(elem_type: int) -> tuple[int, int]:
    """The integers of an ONNX integer type."""
    dtype = DTYPES[elem_type]
    bits = NARROW_BITS.get(elem_type, dtype.itemsize * 8)
    return (0, 2**bits - 1) if dtype.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def constant_in(tensor: TensorProto, folder: Path | None) -> Constant:
    """A stored tensor; its values are read-only.

    Args:
        folder: where external data may be read from; None refuses external data.

    Raises:
        DataError: naming the tensor; its type, shape, data or the place of its data is not allowed.
    """
    name = f"tensor {tensor.name!r}"
    if tensor.data_type not in DTYPES:
        known = ", ".join(type_name(t) for t in DTYPES)
        raise DataError(f"{name} is of type {type_name(tensor.data_type)}; supported are {known}")
    if len(tensor.dims) > MAX_RANK or any(extent < 0 for extent in tensor.dims):
        raise DataError(f"{name} has shape {tuple(tensor.dims)[:MAX_RANK]}; at most {MAX_RANK} axes, none negative")
    count = prod(tensor.dims)
    if count > MAX_ELEMENTS:
        raise DataError(f"{name} has {count:,} elements; at most {MAX_ELEMENTS:,} are read")
    if tensor.HasField("segment"):
        raise DataError(f"{name} is stored in segments; save the model without them")
    due = _bytes_due(tensor.data_type, count)
    if tensor.data_location == TensorProto.EXTERNAL:
        inline = TensorProto(dims=tensor.dims, data_type=tensor.data_type, name=tensor.name)
        inline.raw_data = _external(tensor, name, due, folder)
        tensor = inline
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != due:
            raise DataError(f"{name}: {len(tensor.raw_data)} bytes of data, its shape and type need {due}")
    else:
        _check_field(tensor, name, count)
    array = np.asarray(numpy_helper.to_array(tensor)).astype(DTYPES[tensor.data_type])
    array.setflags(write=False)
    return Constant(array, tensor.data_type)


def _bytes_due(elem_type: int, count: int) -> int:
    return -(-count * NARROW_BITS.get(elem_type, 8 * DTYPES[elem_type].itemsize) // 8)


def _check_field(tensor: TensorProto, name: str, count: int) -> None:
    """The typed field holds as many entries as the shape says."""
    field = _FIELDS.get(tensor.data_type, "int32_data")
    entries, due = len(getattr(tensor, field)), -(-count * NARROW_BITS.get(tensor.data_type, 8) // 8)
    if entries != due:
        raise DataError(f"{name}: {entries} entries in {field}, its shape needs {due}")


def _external(tensor: TensorProto, name: str, due: int, folder: Path | None) -> bytes:
    if folder is None:
        raise DataError(f"{name} is in another file, but the model came without a folder; give the model's path")
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    path = _inside(folder.resolve(), location)
    if path is None:
        raise DataError(f"{name}: its data file {location!r} is not inside the model's folder; it is not read")
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", str(due)))
    except ValueError:
        raise DataError(f"{name}: offset or length of its data is no number") from None
    try:
        if not path.is_file():
            raise DataError(f"{name}: there is no file {location!r} beside the model; put it there")
        size = path.stat().st_size
        if length != due or offset < 0 or offset + due > size:
            raise DataError(
                f"{name}: {length} bytes at {offset} of {location!r}, which has {size}; its shape and type need {due}"
            )
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(due)
    except OSError as error:
        raise DataError(f"{name}: {location!r} cannot be read: {error.strerror}") from None
    if len(data) != due:
        raise DataError(f"{name}: {location!r} ends after {len(data)} of {due} bytes")
    return data


def _inside(root: Path, location: str) -> Path | None:
    """The file that `location` names, links resolved, or None when it is not below `root`."""
    if not location or "\0" in location or Path(location).is_absolute():
        return None
    try:
        path = (root / location).resolve()
    except (OSError, RuntimeError):  # a loop of links
        return None
    return path if path.is_relative_to(root) and path != root else None

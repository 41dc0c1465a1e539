"""The tensors of a `.pt2` archive, from its raw entries or, where an older torch wrote them so, by safe unpickling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from intinfer.errors import DataError
from intinfer.files.strict_json import Json, integer, items

from .container import Container, boolean, member, parse, table, word

DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
"""torch.export's numbers of element types that networks here are made of."""
MAX_ELEMENTS = 2**28
MAX_TENSORS = 50_000
MAX_RANK = 16
STRIDED = 7


def dtype_of(item: Json, where: str) -> torch.dtype:
    """The element type of torch.export's number. Raises DataError for one that is not read."""
    number = integer(item, where, 0, 255)
    if number not in DTYPES:
        raise DataError(f"{where}: element type {number} is not read; use float32 or an integer type")
    return DTYPES[number]


def extent(item: Json, where: str) -> int | None:
    """One number of a shape; None where it is not fixed."""
    fields = table(item, where)
    return integer(fields["as_int"], where, 0, 2**48) if "as_int" in fields else None


def fixed(item: Json, where: str) -> int:
    """One number of a shape that has to be fixed. Raises DataError when it is not."""
    number = extent(item, where)
    if number is None:
        raise DataError(f"{where}: a number is needed")
    return number


def read_tensors(container: Container, root: str, stem: str) -> dict[str, torch.Tensor]:
    """Every parameter, buffer and constant by its key."""
    found: dict[str, torch.Tensor] = {}
    for folder in ("weights", "constants"):
        base = f"{root}data/{folder}/"
        config = f"{base}{stem}_{folder}_config.json"
        if config in container.entries:
            found.update(_configured(container, base, config))
        elif f"{base}{stem}.pt" in container.entries:
            found.update(_dictionary(container, f"{base}{stem}.pt"))
    return found


def read_old_tensors(container: Container) -> dict[str, torch.Tensor]:
    """The same from the two entries that torch up to 2.6 writes."""
    found: dict[str, torch.Tensor] = {}
    for name in (f"serialized_{part}.{ending}" for part in ("state_dict", "constants") for ending in ("pt", "json")):
        if name in container.entries and container.read(name):
            found.update(_dictionary(container, name))
    return found


def _dictionary(container: Container, name: str) -> dict[str, torch.Tensor]:
    state = container.pickled(name)
    if not isinstance(state, Mapping):
        raise DataError(f"entry {name!r} holds {type(state).__name__}, not tensors by name")
    if not all(isinstance(key, str) for key in state):
        raise DataError(f"entry {name!r} has a key that is no text")
    return {key: _plain(tensor, f"entry {name!r}, {key[:80]!r}") for key, tensor in state.items()}


def _plain(tensor: object, where: str) -> torch.Tensor:
    """A dense tensor that was unpickled, without its gradient."""
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or not isinstance(tensor, torch.Tensor):
        raise DataError(f"{where} is {type(tensor).__name__}, not a plain tensor; export plain tensors as parameters")
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.numel() > MAX_ELEMENTS:
        raise DataError(
            f"{where} is {tensor.layout} {tuple(tensor.shape)}; dense tensors of up to {MAX_ELEMENTS} elements"
        )
    return tensor.detach()


def _configured(container: Container, base: str, name: str) -> dict[str, torch.Tensor]:
    """One raw entry a storage; the configuration says how tensors lie in it."""
    entries = table(member(parse(container.read(name), name), "config", name), name)
    if len(entries) > MAX_TENSORS:
        raise DataError(f"{name}: {len(entries)} tensors; at most {MAX_TENSORS} are allowed")
    storages: dict[str, bytearray] = {}
    found = {}
    for key, item in entries.items():
        where = f"{name}, {key[:80]!r}"
        path = base + word(member(item, "path_name", where), where)
        if boolean(member(item, "use_pickle", where), where):
            found[key] = _plain(container.pickled(path), where)
            continue
        if path not in storages:
            storages[path] = bytearray(container.read(path))
        found[key] = _raw(storages[path], member(item, "tensor_meta", where), where)
    return found


def _raw(storage: bytearray, meta: Json, where: str) -> torch.Tensor:
    """The tensor that lies in `storage` as `meta` says."""
    dtype = dtype_of(member(meta, "dtype", where), where)
    sizes, strides = (
        [fixed(item, where) for item in items(member(meta, key, where), where, MAX_RANK)]
        for key in ("sizes", "strides")
    )
    offset = fixed(member(meta, "storage_offset", where), where)
    if integer(member(meta, "layout", where), where, 0, 255) != STRIDED or len(sizes) != len(strides):
        raise DataError(f"{where}: only dense tensors with one stride an axis are read")
    elements = math.prod(sizes)
    if elements > MAX_ELEMENTS:
        raise DataError(f"{where}: a tensor of {elements} elements; at most {MAX_ELEMENTS} are read")
    if not elements:
        return torch.empty(sizes, dtype=dtype)
    needed = 1 + offset + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    held = len(storage) // dtype.itemsize
    if needed > held:
        raise DataError(f"{where}: {tuple(sizes)} needs {needed} elements, its entry holds {held}; save it again")
    whole = storage[: held * dtype.itemsize]
    flat: Any = torch.frombuffer(whole, dtype=torch.uint8).clone().view(dtype)
    if dtype == torch.bool and int(flat.view(torch.uint8).max()) > 1:
        raise DataError(f"{where}: a truth value that is neither 0 nor 1")
    result: torch.Tensor = torch.as_strided(flat, sizes, strides, offset)
    return result

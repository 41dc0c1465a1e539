"""The constant tensors of `model.npz`: packed members, automata, and the budget that bounds what a file can cost.

A few bytes can name much work: an automaton of 10^9 cells, one tensor that ten thousand nodes refer to, a pool
whose windows are mostly padding. `FileBudget` adds up what all nodes ask for and refuses a file beyond the limits,
before anything is allocated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from ..errors import GraphError, ModelFileError
from ..graph import Value
from ..limits import MAX_ELEMENTS
from ..ops import Op
from ..ops.base import need_map
from ..ops.geometry import Windowed
from ..tensor import CellularWeights, IntTensor
from ..types import IntArray
from . import packing
from .packing import Encoding
from .strict_json import Json, integer, items, record, shown, text

MAX_EXTENT = 2**28
MAX_STORED = 2**28
MAX_REFERENCED = 2**29
MAX_ROWS = 2**20
MAX_CELLS = 2**16
MAX_GENERATED = 2**24
MAX_SCANNED = 2**22

_CHUNK = 2**16
"""Elements packed at once: packing takes some 9 bytes a bit. A multiple of 8, so chunks meet at whole bytes."""


class FileBudget:
    """What the nodes read so far ask for, against the limits of `spec/model_file.md`, section Limits."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}

    def charge(self, where: str, what: str, amount: int, limit: int) -> None:
        """Add an amount of something. Raises ModelFileError, at `where`, when there is then more than `limit` of it."""
        self._used[what] = self._used.get(what, 0) + amount
        if self._used[what] > limit:
            raise ModelFileError(
                f"{where}: with it the file has {self._used[what]} {what}, at most {limit} are allowed"
            )

    def charge_tensor(self, where: str, shape: tuple[int, ...], new: bool) -> None:
        """A node refers to a tensor of this shape, `new` when none did before."""
        if not 1 <= len(shape) <= 4:
            raise ModelFileError(f"{where}.shape: 1 to 4 extents are needed, got {len(shape) or 'none'}")
        for i, extent in enumerate(shape):
            integer(extent, f"{where}.shape[{i}]", 1, MAX_EXTENT)
        count = math.prod(shape)
        self.charge(where, "elements of tensors that nodes refer to", count, MAX_REFERENCED)
        self.charge(where, "rows of tensors that nodes refer to", shape[0], MAX_ROWS)
        if new:
            self.charge(where, "stored elements", count, MAX_STORED)

    def charge_windows(self, where: str, op: Op, inputs: tuple[Value, ...]) -> None:
        """Bound the padded map of a windowed op, and the steps of its type rule."""
        if not isinstance(op, Windowed) or len(inputs) != 1:
            return
        with suppress(GraphError):  # refused by the type rule, which names the node
            channels, height, width = need_map(inputs[0])
            window = op.window
            top, left, bottom, right = window.pads
            padded = channels * (height + top + bottom) * (width + left + right)
            if padded > MAX_ELEMENTS:
                raise ModelFileError(f"{where}: {padded} elements of padded input, at most {MAX_ELEMENTS} are allowed")
            self.charge(where, f"steps of {op.kind} windows", op.rule_steps(height, width), MAX_SCANNED)


class TensorPacker:
    """Collects packed tensors as members t0, t1, ... in order of first use; equal tensors share one."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    @property
    def members(self) -> list[tuple[str, bytes]]:
        """The packed tensors by name, in the order of their first use."""
        return [(key, content) for (_, _, content), key in self._keys.items()]

    def reference(self, tensor: IntTensor, where: str) -> Json:
        """Write what the header says of a tensor: the member that holds it, its shape and code."""
        content = b"".join(packing.pack(part, tensor.encoding).tobytes() for part in _chunks(tensor.values.reshape(-1)))
        key = self._keys.setdefault((tensor.encoding.name, tensor.shape, content), f"t{len(self._keys)}")
        return {"tensor": key, "shape": list(tensor.shape), "encoding": tensor.encoding.name}

    def automaton(self, weights: CellularWeights, where: str) -> Json:
        """Write what the header says of generated weights."""
        return automaton_to_json(weights)


class TensorChecker:
    """What `TensorPacker` is asked for, held against the reader's limits; nothing is packed."""

    def __init__(self) -> None:
        self.budget = FileBudget()
        self._seen: dict[int, IntTensor] = {}

    def reference(self, tensor: IntTensor, where: str) -> Json:
        """Charge a tensor. Raises ModelFileError when it is beyond the limits."""
        self.budget.charge_tensor(where, tensor.shape, new=id(tensor) not in self._seen)
        self._seen[id(tensor)] = tensor
        return None

    def automaton(self, weights: CellularWeights, where: str) -> Json:
        """Charge generated weights. Raises ModelFileError when they are beyond the limits."""
        automaton_from_json(automaton_to_json(weights), where, self.budget)
        return None


class TensorReader:
    """Unpacks members on first use and knows in the end which were never used."""

    def __init__(self, members: Mapping[str, memoryview]) -> None:
        self.budget = FileBudget()
        self._members = members
        self._read: dict[str, IntTensor] = {}

    def tensor(self, item: Json, where: str) -> IntTensor:
        """Read the tensor that an item of the header refers to. Raises ModelFileError."""
        doc = record(item, where, ("tensor", "shape", "encoding"))
        key = text(doc["tensor"], f"{where}.tensor")
        if key not in self._members:
            count = len(self._members)
            raise ModelFileError(f"{where}.tensor: {shown(key)} is none of the {count} tensors of the file")
        encoding = Encoding(text(doc["encoding"], f"{where}.encoding"))
        extents = items(doc["shape"], f"{where}.shape", 4)
        shape = tuple(integer(n, f"{where}.shape[{i}]") for i, n in enumerate(extents))
        self.budget.charge_tensor(where, shape, new=key not in self._read)
        if key not in self._read:
            count = math.prod(shape)
            self._read[key] = IntTensor(self._unpack(key, encoding, count, where).reshape(shape), encoding)
        known = self._read[key]
        if (known.shape, known.encoding) != (shape, encoding):
            raise ModelFileError(
                f"{where}: tensor {key!r} is {encoding} {list(shape)} here, "
                f"{known.encoding} {list(known.shape)} where it was used before"
            )
        return known

    def check_all_used(self) -> None:
        """Raise ModelFileError for a member that no node refers to."""
        unused = [key for key in self._members if key not in self._read]
        if unused:
            raise ModelFileError(f"member {unused[0] + '.npy'!r} is used by no node; {len(unused)} such members")

    def _unpack(self, key: str, encoding: Encoding, count: int, where: str) -> IntArray:
        data = np.frombuffer(self._members[key], dtype=np.uint8)
        needed = packing.packed_size(count, encoding)
        if data.size != needed:
            raise ModelFileError(
                f"{where}: {count} {encoding} elements take {needed} bytes, member {key + '.npy'!r} holds {data.size}"
            )
        values = np.empty(count, dtype=np.int64)
        for start, part in zip(range(0, count, _CHUNK), _chunks(values), strict=True):
            first = packing.packed_size(start, encoding)
            try:
                part[:] = packing.unpack(data[first:][: packing.packed_size(part.size, encoding)], encoding, part.size)
            except ModelFileError as error:
                since = f" from element {start} on" if start else ""
                raise ModelFileError(f"{where}: member {key + '.npy'!r}{since}: {error}") from None
        return values


def _chunks(flat: IntArray) -> list[IntArray]:
    return [flat[start : start + _CHUNK] for start in range(0, flat.size, _CHUNK)]


def automaton_to_json(weights: CellularWeights) -> Json:
    """Write rule, cells, rows and the seed in hex, the first cell in the lowest bit."""
    seed = np.packbits(np.array(weights.seed, dtype=np.uint8), bitorder="little").tobytes().hex()
    return {"rule": weights.rule, "cells": len(weights.seed), "rows": weights.rows, "seed": seed}


def automaton_from_json(item: Json, where: str, budget: FileBudget) -> CellularWeights:
    """Read what `automaton_to_json` writes. Raises ModelFileError, also for more than the budget has."""
    doc = record(item, where, ("rule", "cells", "rows", "seed"))
    cells = integer(doc["cells"], f"{where}.cells", 2, MAX_CELLS)
    rows = integer(doc["rows"], f"{where}.rows", 1, MAX_CELLS)
    budget.charge(where, "generated weights", cells * rows, MAX_GENERATED)
    budget.charge(where, "rows of tensors that nodes refer to", rows, MAX_ROWS)
    digits, length = text(doc["seed"], f"{where}.seed", 2 * MAX_CELLS), 2 * -(-cells // 8)
    if len(digits) != length or not set(digits) <= set("0123456789abcdef"):
        raise ModelFileError(f"{where}.seed: {length} lower-case hex digits are needed, got {shown(digits)}")
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(digits), dtype=np.uint8), bitorder="little")
    if bits[cells:].any():
        raise ModelFileError(f"{where}.seed: a bit after cell {cells - 1} is set")
    return CellularWeights.of(integer(doc["rule"], f"{where}.rule", 0, 255), bits[:cells].tolist(), rows)

"""Thresholds by counting: one vector compare a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..graph import Node, Value
from ..types import IntArray, IntType
from .base import Array, UnfusedKernel, planes
from .compiled import compiled

BLOCK = 1024


def comparison_type(type_: IntType) -> np.dtype[np.integer[Any]]:
    """The signed container, of at least 16 bits, of z and of every limit: lo - 1 .. hi + 1, at most ±(2^62 + 1)."""
    for candidate in (np.int16, np.int32):
        info = np.iinfo(candidate)
        if info.min < type_.lo and type_.hi < info.max:
            return np.dtype(candidate)
    return np.dtype(np.int64)


class ThresholdTable:
    """A threshold's constants, one row a channel, in the container of the sums they are compared with.

    A descending channel compares ~z >= ~T (that is -z - 1 >= -T - 1), which is z <= T without leaving the
    container; so every channel counts with >=. `counts` is the container of the counts 0..N: with repeated or
    very many thresholds N outgrows the sums' container.
    """

    def __init__(self, op: Any, x: Value, dtype: np.dtype[np.integer[Any]]) -> None:
        limits = np.broadcast_to(op.thresholds.values, (x.shape[0], op.thresholds.shape[1]))
        down = np.broadcast_to(op.descending.values, (x.shape[0],))
        flipped = np.where(down[:, None] == 1, ~limits, limits)
        self.counts = np.promote_types(dtype, comparison_type(IntType(0, limits.shape[1])))
        self.arrays = (np.ascontiguousarray(flipped, dtype=dtype), down.astype(np.uint8), op.base, op.step)


class ThresholdCount(UnfusedKernel, op="threshold"):
    """Any number of thresholds, on any container."""

    name: ClassVar[str] = "threshold_count"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        self.dtype = comparison_type(inputs[0].type)
        self.table = ThresholdTable(node.op, inputs[0], self.dtype)

    def scratch(self) -> tuple[Array, ...]:
        return (np.empty(BLOCK, dtype=self.dtype), np.empty(BLOCK, dtype=self.table.counts))

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        z = inputs[0].astype(self.dtype, copy=False)  # one compilation for all that are compared alike
        count(planes(z), channels, *self.table.arrays, *scratch, planes(out))


@compiled(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def count_row(row, n, limits, down, counts):
    """counts[:n] = #{j : row >= limits[j]}, the row complemented first in a descending channel. Changes `row`."""
    if down:
        for x in range(n):
            row[x] = ~row[x]
    for x in range(n):
        counts[x] = 0
    for j in range(limits.size):
        limit = limits[j]
        for x in range(n):
            counts[x] += row[x] >= limit


@compiled()
def count(z, channels, limits, down, base, step, row, counts, out):
    """(C, P) values to codes, block by block."""
    pixels = z.shape[1]
    for k in range(channels.size):
        c = channels[k]
        for start in range(0, pixels, row.size):
            n = min(row.size, pixels - start)
            for x in range(n):
                row[x] = z[c, start + x]
            count_row(row, n, limits[c], down[c], counts)
            for x in range(n):
                out[c, start + x] = base + step * counts[x]

"""Ops that map each pixel on its own: requant, affine, table, clamp, abs, bitshift, add, mux. int64 inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..graph import Node, Value
from ..rounding import RoundMode
from ..types import IntArray
from .base import Array, UnfusedKernel, planes
from .compiled import compiled

MODES = (RoundMode.FLOOR, RoundMode.HALF_UP, RoundMode.HALF_EVEN, RoundMode.HALF_AWAY)


def per_channel(values: IntArray, channels: int) -> IntArray:
    """(C,) of a constant that has one entry, or one a channel."""
    return np.ascontiguousarray(np.broadcast_to(values, (channels,)), dtype=np.int64)


class PlanesKernel(UnfusedKernel):
    """A compiled function of the inputs' planes (C, pixels), the channels, constants, and the output's planes."""

    function: ClassVar[Callable[..., None]]

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        self.constants = self.pack(node, inputs)

    @classmethod
    def pack(cls, node: Node, inputs: Sequence[Value]) -> tuple[Any, ...]:
        """The constants, in the function's order; none, unless a kernel has some."""
        return ()

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        type(self).function(*map(planes, inputs), channels, *self.constants, planes(out))


@compiled()
def requant(z, channels, multiplier, offset, shifts, mode, lo, hi, out):
    """Round z * M + B by 2^S: floor, or up when the remainder is above half, or at half as the mode says."""
    for k in range(channels.size):
        c = channels[k]
        shift = shifts[c]
        for x in range(z.shape[1]):
            product = np.int64(z[c, x]) * multiplier[c] + offset[c]
            value = product >> shift
            if mode > 0 and shift > 0:
                twice = product - (value << shift) - (np.int64(1) << (shift - 1))
                tie_up = mode == 1 or (mode == 2 and value & 1 == 1) or (mode == 3 and product >= 0)
                if twice > 0 or (twice == 0 and tie_up):
                    value += 1
            out[c, x] = min(max(value, lo), hi)


class RequantShift(PlanesKernel, op="requant"):
    name: ClassVar[str] = "requant_shift"
    function = staticmethod(requant)

    @classmethod
    def pack(cls, node: Node, inputs: Sequence[Value]) -> tuple[Any, ...]:
        op: Any = node.op
        constants = (op.multiplier.values, op.offset.values, op.shift.values)
        rows = (per_channel(values, inputs[0].shape[0]) for values in constants)
        return (*rows, MODES.index(op.rounding), op.lo, op.hi)


@compiled()
def affine(z, channels, multiplier, offset, out):
    for k in range(channels.size):
        c = channels[k]
        for x in range(z.shape[1]):
            out[c, x] = np.int64(z[c, x]) * multiplier[c] + offset[c]


class AffineMultiply(PlanesKernel, op="affine"):
    name: ClassVar[str] = "affine_multiply"
    function = staticmethod(affine)

    @classmethod
    def pack(cls, node: Node, inputs: Sequence[Value]) -> tuple[Any, ...]:
        op: Any = node.op
        return op.multiplier.values, op.offset.values


@compiled()
def lookup(z, channels, entries, start, out):
    """Clipped, as what nobody asks for may be anything."""
    last = start + entries.shape[1] - 1
    for k in range(channels.size):
        c = channels[k]
        for x in range(z.shape[1]):
            out[c, x] = entries[c, min(max(np.int64(z[c, x]), start), last) - start]


class TableLookup(PlanesKernel, op="table"):
    name: ClassVar[str] = "table_lookup"
    function = staticmethod(lookup)

    @classmethod
    def pack(cls, node: Node, inputs: Sequence[Value]) -> tuple[Any, ...]:
        op: Any = node.op
        shape = (inputs[0].shape[0], op.entries.shape[1])
        return np.ascontiguousarray(np.broadcast_to(op.entries.values, shape)), op.start


@compiled()
def clamp(z, channels, lo, hi, out):
    for k in range(channels.size):
        c = channels[k]
        for x in range(z.shape[1]):
            out[c, x] = min(max(np.int64(z[c, x]), lo), hi)


class ClampMinMax(PlanesKernel, op="clamp"):
    name: ClassVar[str] = "clamp_minmax"
    function = staticmethod(clamp)

    @classmethod
    def pack(cls, node: Node, inputs: Sequence[Value]) -> tuple[Any, ...]:
        op: Any = node.op
        # The ends may lie beyond int64; only those inside the output's range can be reached.
        return max(op.lo, node.output.type.lo), min(op.hi, node.output.type.hi)


@compiled()
def absolute(z, channels, out):
    for k in range(channels.size):
        c = channels[k]
        for x in range(z.shape[1]):
            out[c, x] = abs(np.int64(z[c, x]))  # widened first: -128 has no opposite in int8


class AbsNegate(PlanesKernel, op="abs"):
    name: ClassVar[str] = "abs_negate"
    function = staticmethod(absolute)


@compiled()
def merge(a, b, channels, one_bit, out):
    for k in range(channels.size):
        c = channels[k]
        if one_bit:
            for x in range(a.shape[1]):
                out[c, x] = a[c, x] | b[c, x]
        else:
            for x in range(a.shape[1]):
                out[c, x] = (np.int64(a[c, x]) + np.int64(b[c, x])) >> 1


class BitshiftMerge(PlanesKernel, op="bitshift"):
    name: ClassVar[str] = "bitshift_merge"
    function = staticmethod(merge)

    @classmethod
    def pack(cls, node: Node, inputs: Sequence[Value]) -> tuple[Any, ...]:
        op: Any = node.op
        return (op.bits == 1,)


class AddMultiples(UnfusedKernel, op="add"):
    name: ClassVar[str] = "add_multiples"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        self.multipliers = op.multipliers

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        # Partial sums may leave the container of the final sum; they wrap there and the final sum is exact again.
        for i, (multiplier, x) in enumerate(zip(self.multipliers, inputs, strict=True)):
            add_multiple(planes(x), channels, multiplier, i == 0, planes(out))


@compiled()
def add_multiple(x, channels, multiplier, first, out):
    for k in range(channels.size):
        c = channels[k]
        for p in range(x.shape[1]):
            product = np.int64(x[c, p]) * multiplier
            out[c, p] = product if first else np.int64(out[c, p]) + product


@compiled()
def choose(select, one, zero, channels, out):
    for k in range(channels.size):
        c = channels[k]
        if select[c, 0] == 1:
            for x in range(out.shape[1]):
                out[c, x] = one[c, x]
        else:
            for x in range(out.shape[1]):
                out[c, x] = zero[c, x]


class MuxCopy(PlanesKernel, op="mux"):
    """Reads only the selected branch of each channel."""

    name: ClassVar[str] = "mux_copy"
    function = staticmethod(choose)

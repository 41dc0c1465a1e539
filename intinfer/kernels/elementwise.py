"""Ops that map each pixel on its own: requant, affine, table, clamp, abs, bitshift, add, mux. int64 inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numba import njit

from ..graph import Node, Value
from ..rounding import RoundMode
from ..types import IntArray
from .base import Array, UnfusedKernel, planes

MODES = (RoundMode.FLOOR, RoundMode.HALF_UP, RoundMode.HALF_EVEN, RoundMode.HALF_AWAY)


def per_channel(values: IntArray, channels: int) -> IntArray:
    """(C,) of a constant that has one entry, or one a channel."""
    return np.ascontiguousarray(np.broadcast_to(values, (channels,)), dtype=np.int64)


class RequantShift(UnfusedKernel):
    name: ClassVar[str] = "requant_shift"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        constants = (op.multiplier.values, op.offset.values, op.shift.values)
        self.constants = tuple(per_channel(values, inputs[0].shape[0]) for values in constants)
        self.rest = (MODES.index(op.rounding), op.lo, op.hi)

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        requant(planes(inputs[0]), channels, *self.constants, *self.rest, planes(out))


@njit(nogil=True)
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


class AffineMultiply(UnfusedKernel):
    name: ClassVar[str] = "affine_multiply"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        self.constants = (op.multiplier.values, op.offset.values)

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        affine(planes(inputs[0]), channels, *self.constants, planes(out))


@njit(nogil=True)
def affine(z, channels, multiplier, offset, out):
    for k in range(channels.size):
        c = channels[k]
        for x in range(z.shape[1]):
            out[c, x] = np.int64(z[c, x]) * multiplier[c] + offset[c]


class TableLookup(UnfusedKernel):
    name: ClassVar[str] = "table_lookup"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        shape = (inputs[0].shape[0], op.entries.shape[1])
        self.constants = (np.ascontiguousarray(np.broadcast_to(op.entries.values, shape)), op.start)

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        lookup(planes(inputs[0]), channels, *self.constants, planes(out))


@njit(nogil=True)
def lookup(z, channels, entries, start, out):
    for k in range(channels.size):
        c = channels[k]
        for x in range(z.shape[1]):
            out[c, x] = entries[c, np.int64(z[c, x]) - start]


class ClampMinMax(UnfusedKernel):
    name: ClassVar[str] = "clamp_minmax"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        # The ends may lie beyond int64; only those inside the output's range can be reached.
        self.ends = (max(op.lo, node.output.type.lo), min(op.hi, node.output.type.hi))

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        clamp(planes(inputs[0]), channels, *self.ends, planes(out))


@njit(nogil=True)
def clamp(z, channels, lo, hi, out):
    for k in range(channels.size):
        c = channels[k]
        for x in range(z.shape[1]):
            out[c, x] = min(max(np.int64(z[c, x]), lo), hi)


class AbsNegate(UnfusedKernel):
    name: ClassVar[str] = "abs_negate"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        pass

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        absolute(planes(inputs[0]), channels, planes(out))


@njit(nogil=True)
def absolute(z, channels, out):
    for k in range(channels.size):
        c = channels[k]
        for x in range(z.shape[1]):
            out[c, x] = abs(np.int64(z[c, x]))  # widened first: -128 has no opposite in int8


class BitshiftMerge(UnfusedKernel):
    name: ClassVar[str] = "bitshift_merge"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        self.one_bit = op.bits == 1

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        merge(planes(inputs[0]), planes(inputs[1]), channels, self.one_bit, planes(out))


@njit(nogil=True)
def merge(a, b, channels, one_bit, out):
    for k in range(channels.size):
        c = channels[k]
        if one_bit:
            for x in range(a.shape[1]):
                out[c, x] = a[c, x] | b[c, x]
        else:
            for x in range(a.shape[1]):
                out[c, x] = (np.int64(a[c, x]) + np.int64(b[c, x])) >> 1


class AddMultiples(UnfusedKernel):
    name: ClassVar[str] = "add_multiples"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        op: Any = node.op
        self.multipliers = op.multipliers

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        # Partial sums may leave the container of the final sum; they wrap there and the final sum is exact again.
        for i, (multiplier, x) in enumerate(zip(self.multipliers, inputs, strict=True)):
            add_multiple(planes(x), channels, multiplier, i == 0, planes(out))


@njit(nogil=True)
def add_multiple(x, channels, multiplier, first, out):
    for k in range(channels.size):
        c = channels[k]
        for p in range(x.shape[1]):
            product = np.int64(x[c, p]) * multiplier
            out[c, p] = product if first else np.int64(out[c, p]) + product


class MuxCopy(UnfusedKernel):
    """Reads only the selected branch of each channel."""

    name: ClassVar[str] = "mux_copy"

    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        pass

    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        choose(inputs[0], planes(inputs[1]), planes(inputs[2]), channels, planes(out))


@njit(nogil=True)
def choose(select, one, zero, channels, out):
    for k in range(channels.size):
        c = channels[k]
        if select[c] == 1:
            for x in range(out.shape[1]):
                out[c, x] = one[c, x]
        else:
            for x in range(out.shape[1]):
                out[c, x] = zero[c, x]

"""The network's input, float ops that wait for a quantiser, and a source's own integer arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from intinfer.graph import Shape
from intinfer.ops import ArgMax
from intinfer.ops.base import Op
from intinfer.types import IntType

from ..evaluator import Chain, FloatArray, affine_of, chain_error, chain_positive
from ..float_error import FloatFormat, Norm, Real, batch_norm, channel_index
from ..lowered import ONE, ZERO, Lowered, Lowering, RefusalError, common_unit
from .base import Exact, Executor, FloatNode, OnGrid, Reads, SameShape, Status, integers


@dataclass(frozen=True, eq=False)
class Pixels(Exact):
    """The network's input: integers lo..hi as they come from the image file."""

    size: Shape
    lo: int
    hi: int
    reads = Reads.ANYTHING

    def shape(self, *inputs: Shape) -> Shape:
        """The size of the image."""
        return self.size

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The integers as floats."""
        return inputs[0].astype(floats.dtype)

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """Integers as they are, near the input."""
        return integers(self.lo >= 0, early=True)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """An input of the graph, with scale 1."""
        return Lowered(state.builder.input(node.name, self.size, IntType(self.lo, self.hi)))


def refuse_faults(chain: Chain) -> None:
    """Raise RefusalError where an operand is no real number, or divides by 0."""
    for primitive in chain:
        if fault := primitive.fault():
            raise RefusalError(fault)


@dataclass(frozen=True, eq=False)
class Pointwise(SameShape):
    """Per-channel float ops (batch norm, ReLU, multiply, add of constants): they wait for a quantiser."""

    chain: Chain
    takes_pending = True
    reads = Reads.WAITING

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The chain, each op rounded once."""
        return floats.chain(self.chain, inputs[0])

    def error(self, format_: FloatFormat, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        """The bound of the chain, or of batch norm by its own parameters where they are known."""
        (x,) = inputs
        channel = channel_index(x.value)
        return chain_error(x, self.chain, channel, format_) if norm is None else batch_norm(x, norm, channel)

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """An affine keeps the levels when all channels share it and real 0 stays on the grid."""
        (x,), affine = inputs, affine_of(self.chain, channels)
        result = OnGrid(Status.CURVED, positive=chain_positive(self.chain, x.positive), early=x.early)
        if affine is None or x.status is Status.CURVED:
            return result
        (scale, *scales), (offset, *offsets) = affine
        if x.status is Status.LEVELS and {scale, *scales} == {scale} and {offset, *offsets} == {offset} and scale > 0:
            if x.grid is None and offset == 0:
                return replace(result, status=Status.LEVELS, early=False)
            if x.grid is not None:
                grid = (scale * x.grid[0], scale * x.grid[1] + offset)
                if (grid[1] / grid[0]).denominator == 1:
                    return replace(result, status=Status.LEVELS, grid=grid)
        return replace(result, status=Status.RAW)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """The chain waits behind what already does. Raises RefusalError for operands that are no numbers."""
        refuse_faults(self.chain)
        (x,) = inputs
        return replace(x, tail=x.tail + self.chain, pending=x.pending + node.source)


@dataclass(frozen=True, eq=False)
class IntegerOp(Exact):
    """An op of the integer graph as it is: arithmetic of a source's own integer types. It reads integers."""

    op: Op
    size: Shape
    reads = Reads.ANYTHING

    def shape(self, *inputs: Shape) -> Shape:
        """The size that was stated."""
        return self.size

    @property
    def ordering(self) -> bool:
        """Whether it only compares, so that the scale of what it reads does not matter."""
        return isinstance(self.op, ArgMax)

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The op's own reference on the rounded inputs; an argmax of the real scores."""
        if self.ordering:  # it reads real scores
            return np.asarray(inputs[0].argmax(axis=1, keepdims=True))
        return self.op.reference(*(np.rint(x).astype(np.int64) for x in inputs)).astype(floats.dtype)

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """Integers of any sign."""
        return integers(positive=False)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """The op itself, on its inputs as integers of scale 1, or in the order of their real values."""
        read = _ordered if self.ordering else _as_integers
        settled = [read(state, node, state.settle(x)) for x in inputs]
        return Lowered(state.add(self.op, *(x.z for x in settled), name=node.name, source=node.source))


def _ordered(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    """Scores whose integers are in the order of their real values."""
    if len(x.scale) == len(x.offset) == 1 and x.scale[0] > 0:
        return x
    return state.in_units(node, x, common_unit([*x.scale, *x.offset]))


def _as_integers(state: Lowering, node: FloatNode, x: Lowered) -> Lowered:
    """`x` with scale 1 and offset 0: an `affine` where they are other integers."""
    if (x.scale, x.offset) == (ONE, ZERO):
        return x
    if any(number.denominator != 1 for number in (*x.scale, *x.offset)):
        raise RefusalError("it works on integers, its input is none; dequantise behind it, not before")
    return state.in_units(node, x, Fraction(1))

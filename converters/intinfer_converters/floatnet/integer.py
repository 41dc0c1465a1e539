"""Arithmetic of a source's own integer types."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from intinfer.graph import Shape
from intinfer.ops import ArgMax
from intinfer.ops.base import Op

from ..evaluator import FloatArray
from ..lowered import ONE, ZERO, Lowered, Lowering, RefusalError, common_unit
from .arrays import Executor
from .base import Exact, FloatNode


@dataclass(frozen=True, eq=False)
class IntegerOp(Exact):
    """An op of the integer graph as it is: arithmetic of a source's own integer types. It reads integers."""

    op: Op
    size: Shape

    def shape(self, *inputs: Shape) -> Shape:
        return self.size

    @property
    def ordering(self) -> bool:
        """Whether it only compares, so that the scale of what it reads does not matter."""
        return isinstance(self.op, ArgMax)

    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        if self.ordering:  # it reads real scores
            return np.asarray(inputs[0].argmax(axis=1, keepdims=True))
        return self.op.reference(*(np.rint(x).astype(np.int64) for x in inputs)).astype(floats.dtype)

    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
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

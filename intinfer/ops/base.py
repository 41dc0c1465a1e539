"""What an op is: attributes, a type rule, a reference, a cost. One file an op, NumPy int64 only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from ..errors import GraphError
from ..graph import Shape, Value
from ..tensor import IntTensor
from ..types import IntArray, IntType


@dataclass(frozen=True, slots=True)
class OpCost:
    """What a node costs on one image.

    `macs` counts dense multiply-accumulates; `weights` stored conv and dense weights (no thresholds, generated
    ones not counted) and `weight_bits` their storage; `bops` = macs x weight width x input width.
    """

    macs: int = 0
    weights: int = 0
    weight_bits: int = 0
    bops: int = 0


@dataclass(frozen=True, eq=False)
class Op(ABC):
    """Base of the ops. A subclass is a frozen dataclass whose fields are its attributes.

    Field types are those that `model_file` stores: int, bool, str enums, tuples of ints, IntTensor, Weights,
    Accumulator. `arity` is the number of inputs, None when it varies (at least one).
    """

    kind: ClassVar[str]
    arity: ClassVar[int | None] = 1

    @abstractmethod
    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Shape and proven range of the result. Raises GraphError on inputs the op is not defined for."""

    @abstractmethod
    def reference(self, *inputs: IntArray) -> IntArray:
        """The definition: int64 (N, *shape) arrays inside their declared types -> (N, *output shape)."""

    def cost(self, inputs: tuple[Value, ...], output: Value) -> OpCost:
        return OpCost()

    def check_arity(self, count: int) -> None:
        if count < 1 or (self.arity is not None and count != self.arity):
            wanted = "at least 1" if self.arity is None else str(self.arity)
            raise GraphError(f"takes {wanted} input(s), got {count}")


def need_map(value: Value) -> tuple[int, int, int]:
    """(C, H, W) of a feature map, or GraphError for a vector."""
    if len(value.shape) != 3:
        raise GraphError(f"needs a (C, H, W) input, {value.name!r} has shape {value.shape}")
    channels, height, width = value.shape
    return channels, height, width


def need_same_shape(*values: Value) -> Shape:
    shapes = {value.shape for value in values}
    if len(shapes) != 1:
        raise GraphError("inputs differ in shape: " + ", ".join(f"{v.name!r} {v.shape}" for v in values))
    return values[0].shape


def need_per_channel(tensor: IntTensor, value: Value, what: str) -> None:
    """A constant of shape (C,), one entry for each channel of `value`."""
    if tensor.shape != (value.shape[0],):
        raise GraphError(f"{what} has shape {tensor.shape}, {value.name!r} needs ({value.shape[0]},)")


def per_channel(vector: IntArray, ndim: int) -> IntArray:
    """(C,) reshaped to broadcast over (N, C, H, W) or (N, C)."""
    return vector.reshape((1, -1) + (1,) * (ndim - 2))

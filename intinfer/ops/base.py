"""What an op is: attributes, and what everybody else needs to know about it. One file an op, NumPy int64 only.

An op says each fact itself or takes it from a class that its bases name: `Linear` (linear.py), `Monotone` or
`Nonlinear`; `Elementwise`, `Channelwise` or `ReadsAll`; `Free`. There is no default where no answer is right for every
op: one that leaves a fact out raises TypeError as its class is made, when it is imported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..tensor import IntTensor
from ..types import IntArray, IntType, Mask, Range

Example = tuple["Op", tuple[tuple[Shape, IntType], ...]]
"""An op with the shapes and types of inputs that it takes."""


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
    Accumulator. `since` is the first version of the model file that has the op. `arity` is the number of inputs, None
    when it varies (at least one). `parts` are the names of the inputs in order where each plays a part of its own.
    """

    kind: ClassVar[str]
    since: ClassVar[int]
    arity: ClassVar[int | None] = 1
    parts: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Refuse an op, a class with a `kind`, that leaves a fact out. Raises TypeError that names what is missing."""
        super().__init_subclass__()
        if "kind" not in vars(cls):
            return
        names = {name for name in dir(cls) if getattr(getattr(cls, name, None), "__isabstractmethod__", False)}
        names |= set() if hasattr(cls, "since") else {"since"}
        if names:
            raise TypeError(
                f"op {cls.kind!r} ({cls.__name__}) does not say its {', '.join(sorted(names))}: define these, or name "
                "a class of intinfer.ops that has them in its bases"
            )

    @abstractmethod
    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Give shape and proven range of the result. Raises GraphError on inputs the op is not defined for."""

    @abstractmethod
    def reference(self, *inputs: IntArray) -> IntArray:
        """The definition: int64 (N, *shape) arrays inside their declared types -> (N, *output shape)."""

    @classmethod
    @abstractmethod
    def example(cls) -> Example:
        """Give one op of this kind with inputs, for the specification's text."""

    @property
    @abstractmethod
    def linear(self) -> bool:
        """Tell whether the result is a linear function of the inputs, overflow left out of account."""

    @abstractmethod
    def demand(self, inputs: Sequence[Value], out: Mask, select: Mask | None = None) -> tuple[Mask, ...]:
        """Tell for each input the channels that the output channels in `out` read.

        Args:
            select: the select bits of a multiplexer (C,), where they are known.
        """

    @abstractmethod
    def cost(self, inputs: Sequence[Value], output: Value) -> OpCost:
        """Say what the op costs on one image."""

    def adapted(self, x: Value, before: IntType) -> Op:
        """Give an op that has the same result for each integer that lies in both types: that of the first input `x`,
        and `before`, which it had. Where constants are tied to the type, those that `x` has no room for are changed.

        The op itself, unless it says otherwise: what it computes does not depend on the type, and a type rule that
        asks for other constants refuses. Raises GraphError when there is no such op.
        """
        return self

    def check_arity(self, count: int) -> None:
        """Raise GraphError for a number of inputs that the op does not take."""
        if count < 1 or (self.arity is not None and count != self.arity):
            wanted = "at least 1" if self.arity is None else str(self.arity)
            raise GraphError(f"takes {wanted} input(s), got {count}")


class Nonlinear(Op):
    """An op whose range is bounded channel by channel, from the ranges of the inputs' channels."""

    linear = False

    @abstractmethod
    def channel_range(self, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
        """Prove the range of each channel of the result from those of the inputs' channels."""


class Monotone(Nonlinear):
    """Pixel by pixel and, in each channel, monotone in the same direction for all inputs: the ends tell."""

    def channel_range(self, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
        """Compute the results of the ends of each channel's range."""
        ends = [np.stack(pair)[:, :, None, None] for pair in ranges]
        results = self.reference(*ends).reshape(2, -1)
        return results.min(axis=0), results.max(axis=0)


class Channelwise(Op):
    """Channel c of the result reads channel c of every input, and nothing else."""

    def demand(self, inputs: Sequence[Value], out: Mask, select: Mask | None = None) -> tuple[Mask, ...]:
        """Ask every input for the channels that are live."""
        return (out,) * len(inputs)


class Elementwise(Channelwise):
    """An element of the result depends on the same element of every input, and on nothing else."""


class ReadsAll(Op):
    """Any channel of the result reads all channels."""

    def demand(self, inputs: Sequence[Value], out: Mask, select: Mask | None = None) -> tuple[Mask, ...]:
        """Ask every input for all channels, when any is live."""
        return tuple(np.full(x.shape[0], bool(out.any())) for x in inputs)


class Selecting(Op):
    """An op whose first input, a bit for each channel, says what is read of the others; `demand` may be given it."""


class Free(Op):
    """An op without multiply-accumulates and weights: it costs nothing by the papers' count."""

    def cost(self, inputs: Sequence[Value], output: Value) -> OpCost:
        """Count nothing."""
        return OpCost()


def need_map(value: Value) -> tuple[int, int, int]:
    """(C, H, W) of a feature map, or GraphError for a vector."""
    if len(value.shape) != 3:
        raise GraphError(f"needs a (C, H, W) input, {value.name!r} has shape {value.shape}")
    channels, height, width = value.shape
    return channels, height, width


def need_same_shape(*values: Value) -> Shape:
    """Give the one shape of values, or raise GraphError that names them all."""
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

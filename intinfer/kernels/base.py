"""What a kernel is: a class that says which nodes it accepts, packs their constants once, and runs one image.

Arrays are C-contiguous and hold one image, (C, H, W) or (C,), in the engine's container of the value's type
(`container`). A kernel writes the channels it is asked for and reads only what these need: the rest may hold
anything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..graph import Node, Shape, Value
from ..ops.geometry import Pair, Window
from ..types import IntArray, IntType

Array = npt.NDArray[np.integer[Any]]

_CONTAINERS = (np.uint8, np.int8, np.int16, np.int32, np.int64)
"""Fewer than NumPy has: each one more is another compilation of every kernel."""


def container(type_: IntType) -> np.dtype[np.integer[Any]]:
    """The engine's storage for values of `type_`."""
    for candidate in _CONTAINERS:
        info = np.iinfo(candidate)
        if info.min <= type_.lo and type_.hi <= info.max:
            return np.dtype(candidate)
    raise AssertionError("int64 holds every IntType")


class Kernel(ABC):
    """A node, or a node and the threshold behind it, bound to packed constants.

    A subclass with a name says the kind of op that it computes: `class MuxCopy(Kernel, op="mux")`.
    """

    name: ClassVar[str]
    op: ClassVar[str] = ""

    def __init_subclass__(cls, op: str = "") -> None:
        super().__init_subclass__()
        cls.op = op
        if ("name" in vars(cls)) != bool(op):
            raise TypeError(f"kernel {cls.__name__}: a name and the kind of op belong together")

    @classmethod
    @abstractmethod
    def refuses(cls, node: Node, inputs: Sequence[Value], fused: Node | None) -> str | None:
        """Say why the kernel cannot run `node` (with `fused` behind it), or None when it can."""

    @abstractmethod
    def __init__(self, node: Node, inputs: Sequence[Value], fused: Node | None) -> None:
        """Pack constants. Called only after `refuses` returned None."""

    def scratch(self) -> tuple[Array, ...]:
        """Working arrays of one thread."""
        return ()

    @abstractmethod
    def run(self, inputs: Sequence[Array], out: Array, channels: IntArray, scratch: tuple[Array, ...]) -> None:
        """Compute the output channels listed in `channels` (sorted, not empty) of one image."""


def steps(window: Window, output: Shape) -> tuple[Pair, Pair]:
    """Stride and dilation, 1 along an axis of one output pixel or of one tap.

    What they are there changes no value, and they may be larger than any map or machine word.
    """
    stride = (window.stride[0] if output[1] > 1 else 1, window.stride[1] if output[2] > 1 else 1)
    dilation = (window.dilation[0] if window.kernel[0] > 1 else 1, window.dilation[1] if window.kernel[1] > 1 else 1)
    return stride, dilation


def planes(array: Array) -> Array:
    """(C, H, W) or (C,) seen as (C, pixels)."""
    return array.reshape(array.shape[0], -1)


class UnfusedKernel(Kernel):
    """A kernel of a single node: it takes nothing behind it."""

    @classmethod
    def refuses(cls, node: Node, inputs: Sequence[Value], fused: Node | None) -> str | None:
        return None if fused is None else f"it does not take {fused.op.kind} behind it"

"""`FloatOp`: what every op of a float net says of itself; the net of such ops, and its builder.

Calibration has to know of an op which inputs it can read as integers, and on which grids its result lies.

In floats, convolutions are im2col and BLAS, so sums are rounded in an order of BLAS' choosing: the results are close to
the net's real values, never a definition of them. Pointwise chains and quantisers are the primitives themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError, GraphError
from intinfer.graph import ImageInput, Shape
from intinfer.ops.geometry import Window

from ..evaluator import Chain, FloatArray, apply_chain
from ..float_error import FloatFormat, Norm, Real
from ..lowered import Lowered, Lowering

COLUMN_BYTES = 2**25
"""Most memory for the im2col columns of a convolution; more images than fit are taken in turns."""


class Reads(Enum):
    """What an op needs of its inputs so that it has an exact integer meaning."""

    ANYTHING = "it takes what comes"
    WAITING = "it takes what comes, and its result needs what the ops behind it need"
    PASSED = "it moves elements, which have to be what the ops behind it need"
    LEVELS = "integers on one grid"
    SUMMED = "integers, each input on one grid, a power of two apart"
    JOINED = "integers, each input on one grid or several, a power of two apart"
    CHOSEN = "integers, all inputs on the same grid"


class Status(Enum):
    """What a value is before quantisers are added."""

    LEVELS = "integers on one grid that holds 0"
    MIXED = "integers, the channels on several grids a power of two apart"
    RAW = "an exact affine of integers, a channel: a sum, an average"
    CURVED = "a float chain that is not affine"


@dataclass(frozen=True)
class OnGrid:
    """A value of the float net while quantisers are planned.

    Attributes:
        grid: scale and offset of its integers when no new quantiser made it.
        origins: the new quantisers that made it.
        positive: whether it is never negative.
        early: whether only pointwise ops stand between it and the input.
    """

    status: Status
    grid: tuple[Fraction, Fraction] | None = None
    origins: frozenset[str] = frozenset()
    positive: bool = False
    early: bool = False


def integers(positive: bool, early: bool = False) -> OnGrid:
    """Integers as they are."""
    return OnGrid(Status.LEVELS, (Fraction(1), Fraction(0)), positive=positive, early=early)


def raw(positive: bool) -> OnGrid:
    """Sums and averages of integers."""
    return OnGrid(Status.RAW, positive=positive)


def merged(inputs: Sequence[OnGrid]) -> OnGrid:
    """Elements that each come from one of the inputs, all on the first one's grid."""
    origins = frozenset[str]().union(*(x.origins for x in inputs))
    return OnGrid(Status.LEVELS, inputs[0].grid, origins, all(x.positive for x in inputs))


class Executor:
    """The arithmetic of one net on batches: arrays (N, C, H, W) or (N, C) of `dtype`.

    `dtype` is float64 for a float64 net, else float32; chains are rounded in the net's own dtype.
    """

    def __init__(self, net_dtype: npt.DTypeLike) -> None:
        self.chain_dtype: np.dtype[Any] = np.dtype(net_dtype)
        self.dtype: np.dtype[Any] = np.result_type(self.chain_dtype, np.float32)

    def chain(self, chain: Chain, x: FloatArray) -> FloatArray:
        """A pointwise chain on a batch."""
        values = np.ascontiguousarray(x, dtype=self.chain_dtype).reshape(*x.shape[:2], -1)
        return apply_chain(chain, values).reshape(x.shape).astype(self.dtype, copy=False)


@dataclass(frozen=True, eq=False)
class FloatOp(ABC):
    """An op of the real-valued network: its shape, its value in floats, its error, and what it becomes on integers.

    Attributes:
        exact: its results are integers that a float evaluation has without error.
        takes_pending: `lower` takes sums that wait for their reader, and decides how they are added.
        reads: what it needs of its inputs.
        selects: how many inputs come before those that it merges.
    """

    exact: ClassVar[bool] = False
    takes_pending: ClassVar[bool] = False
    reads: ClassVar[Reads]
    selects: ClassVar[int] = 0

    @abstractmethod
    def shape(self, *inputs: Shape) -> Shape:
        """The result's shape, batch axis left out. Raises GraphError when the inputs' do not fit."""

    @abstractmethod
    def run(self, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """The result in floats, sums in any order; arrays have the batch axis first."""

    def values(self, name: str, floats: Executor, *inputs: FloatArray) -> FloatArray:
        """`run` of the node `name`. Raises DataError when a value is not finite."""
        values = self.run(floats, *inputs).astype(floats.dtype, copy=False)
        if not np.isfinite(values).all():
            raise DataError(f"{name}: the float network gives values that are not finite; check its parameters")
        return values

    @abstractmethod
    def error(self, format_: FloatFormat, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        """The exact values, and how far the source's float evaluation may be off; not called of what is `exact`.

        Args:
            format_: of the source's floats.
            norm: the batch norm that it is, where the source knows it.
            settled: the exact values by the integers of the graph, where nothing is pending.
            inputs: (N, *shape).
        """

    def on_grid(self, channels: int, *inputs: OnGrid) -> OnGrid:
        """The grids of its result, of so many channels, when its inputs are what it `reads`: by default the first's."""
        return inputs[0]

    @abstractmethod
    def lower(self, state: Lowering, node: FloatNode, *inputs: Lowered) -> Lowered:
        """What it becomes on exact integers. Raises RefusalError where it has no exact integer meaning."""


class SameShape(FloatOp):
    """An op whose result has the shape of its first input."""

    def shape(self, *inputs: Shape) -> Shape:
        """The shape of its first input."""
        return inputs[0]


class Exact(FloatOp):
    """An op whose results are integers, without error in any float arithmetic."""

    exact = True

    def error(self, format_: FloatFormat, norm: Norm | None, settled: Real | None, *inputs: Real) -> Real:
        """The values by the integers of the graph, without error."""
        assert settled is not None
        return settled


@dataclass(frozen=True, eq=False)
class FloatNode:
    """An op applied to named nodes. `source` are the names the checkpoint's owner knows."""

    name: str
    op: FloatOp
    inputs: tuple[str, ...]
    source: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, eq=False)
class FloatNet:
    """Nodes in topological order, and the outputs: output name -> node name."""

    nodes: tuple[FloatNode, ...]
    outputs: dict[str, str]
    dtype: npt.DTypeLike
    image: ImageInput | None


class FloatNetBuilder:
    """Collects float nodes; shapes are inferred as they are added."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self.dtype = dtype
        self._nodes: dict[str, FloatNode] = {}

    def add(self, name: str, op: FloatOp, *inputs: str, source: tuple[str, ...] = ()) -> str:
        """Append a node and return its name. Raises GraphError naming the node when shapes do not fit."""
        if name in self._nodes:
            raise GraphError(f"node name {name!r} is used twice")
        try:
            shape = op.shape(*(self._nodes[i].shape for i in inputs))
        except GraphError as error:
            raise GraphError(f"{name}: {error}") from None
        self._nodes[name] = FloatNode(name, op, inputs, source or (name,), shape)
        return name

    def shape(self, name: str) -> Shape:
        """The shape of the value of a node, (C, H, W) or (C,)."""
        return self._nodes[name].shape

    def finish(self, outputs: dict[str, str], image: ImageInput | None) -> FloatNet:
        """The net of the nodes so far."""
        return FloatNet(tuple(self._nodes.values()), outputs, self.dtype, image)


def convolve(x: FloatArray, weight: FloatArray, window: Window, groups: int) -> FloatArray:
    """Cross-correlation with a zero border: x (N, C, H, W), weight (O, C / groups, KH, KW) -> (N, O, OH, OW)."""
    images, channels = x.shape[:2]
    outputs = len(weight)
    height, width = window.output(x.shape[2], x.shape[3])
    taps = window.kernel[0] * window.kernel[1]
    matrix = weight.reshape(groups, outputs // groups, -1)
    result = np.empty((images, groups, outputs // groups, height * width), dtype=x.dtype)
    turn = max(1, COLUMN_BYTES // max(1, channels * taps * height * width * x.itemsize))
    for start in range(0, images, turn):
        part = x[start : start + turn]
        columns = windows(part, window, 0).transpose(0, 1, 4, 5, 2, 3)  # one shifted copy of the map a tap
        columns = columns.reshape(len(part), groups, channels // groups * taps, height * width)
        np.matmul(matrix, columns, out=result[start : start + turn])
    return result.reshape(images, outputs, height, width)


def windows(x: FloatArray, window: Window, border: float) -> Any:
    """Every window of a batch: (N, C, OH, OW, KH, KW)."""
    top, left, bottom, right = window.pads
    if window.padded:
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=border)
    return window.view(x)  # type: ignore[arg-type]  # only its geometry is used

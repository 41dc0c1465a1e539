"""`FloatNet`: the source's network with its parameters, op order and dtype; what every reader produces.

It says what the real-valued network *is*. Only `lower` turns it into integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy.typing as npt

from intinfer.errors import GraphError
from intinfer.graph import ImageInput, Shape
from intinfer.ops.base import Op
from intinfer.ops.geometry import Pads, Pair, Window
from intinfer.tensor import Weights
from intinfer.types import IntArray

from .evaluator import Chain, FloatArray


@dataclass(frozen=True, eq=False)
class QuantisedWeight:
    """Weights scale[o] * q: `tensor` holds the integers q.

    `scale` has one entry, or one an output channel. `error` is the largest difference of a weight of the source from
    scale * q where that is more than one rounding: weights such as 2 * (j / 3) - 1 carry the noise of several.
    """

    tensor: Weights
    scale: tuple[Fraction, ...] = (Fraction(1),)
    error: float = 0.0

    @property
    def shape(self) -> Shape:
        return self.tensor.shape


@dataclass(frozen=True, eq=False)
class RealWeight:
    """Floating-point weights as trained: `calibrate` makes them integers, `lower` refuses them."""

    values: FloatArray

    @property
    def shape(self) -> Shape:
        shape: Shape = self.values.shape
        return shape


@dataclass(frozen=True, eq=False)
class FloatOp:
    """Base of the float-side ops."""

    def shape(self, *inputs: Shape) -> Shape:
        """The result's shape, batch axis left out."""
        return inputs[0]


@dataclass(frozen=True, eq=False)
class Pixels(FloatOp):
    """The network's input: integers lo..hi as they come from the image file."""

    size: Shape
    lo: int
    hi: int

    def shape(self, *inputs: Shape) -> Shape:
        return self.size


@dataclass(frozen=True, eq=False)
class Conv(FloatOp):
    """Cross-correlation; the border is real 0. `bias` (O,) exact, or None."""

    weight: QuantisedWeight | RealWeight
    stride: Pair
    pads: Pads
    dilation: Pair
    groups: int
    bias: tuple[Fraction, ...] | None = None

    def shape(self, *inputs: Shape) -> Shape:
        kernel = (self.weight.shape[2], self.weight.shape[3])
        window = Window(kernel, self.stride, self.pads, self.dilation)
        return (self.weight.shape[0], *window.output(*inputs[0][1:]))


@dataclass(frozen=True, eq=False)
class Dense(FloatOp):
    """Fully connected layer, weight (O, C)."""

    weight: QuantisedWeight | RealWeight
    bias: tuple[Fraction, ...] | None = None

    def shape(self, *inputs: Shape) -> Shape:
        return (self.weight.shape[0],)


@dataclass(frozen=True, eq=False)
class Pointwise(FloatOp):
    """Per-channel float ops (batch norm, ReLU, multiply, add of constants): they wait for a quantiser."""

    chain: Chain


@dataclass(frozen=True, eq=False)
class Quantise(FloatOp):
    """The end of a pointwise chain: its result takes the values base + step * j, j = 0..count.

    What the levels mean is said by the Pointwise behind it. `base` and `count` are None for a rounding whose range the
    source does not state: then it is that of the integers which it reads.
    """

    chain: Chain
    base: int | None
    step: int
    count: int | None


@dataclass(frozen=True, eq=False)
class BitshiftMean(FloatOp):
    """floor((a + b) / 2) of two k-bit level tensors; OR for k = 1."""

    bits: int


@dataclass(frozen=True, eq=False)
class ThresholdedMean(FloatOp):
    """TGAP of levels 0..top: one bit a channel."""

    top: int

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0][:1]


@dataclass(frozen=True, eq=False)
class Multiplex(FloatOp):
    """select, if one, if zero."""

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[1]


@dataclass(frozen=True, eq=False)
class Sum(FloatOp):
    """Elementwise real addition; `signs` are +1 or -1 an input, () for all +1."""

    signs: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Concatenate(FloatOp):
    """Along channels."""

    def shape(self, *inputs: Shape) -> Shape:
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])


@dataclass(frozen=True, eq=False)
class SelectChannels(FloatOp):
    """out[i] = in[indices[i]]: shuffle, slice, split, index-select."""

    indices: tuple[int, ...]

    def shape(self, *inputs: Shape) -> Shape:
        return (len(self.indices), *inputs[0][1:])


@dataclass(frozen=True, eq=False)
class MaximumPool(FloatOp):
    """Max pool; the border never wins."""

    kernel: Pair
    stride: Pair
    pads: Pads
    dilation: Pair

    def shape(self, *inputs: Shape) -> Shape:
        window = Window(self.kernel, self.stride, self.pads, self.dilation)
        return (inputs[0][0], *window.output(*inputs[0][1:]))


@dataclass(frozen=True, eq=False)
class AveragePool(FloatOp):
    """Mean over each window; padding counts as zeros, so that every window has the same count."""

    kernel: Pair
    stride: Pair
    pads: Pads = (0, 0, 0, 0)

    def shape(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], *Window(self.kernel, self.stride, self.pads).output(*inputs[0][1:]))


@dataclass(frozen=True, eq=False)
class GlobalAverage(FloatOp):
    """Mean over the whole map: (C, H, W) -> (C,)."""

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0][:1]


@dataclass(frozen=True, eq=False)
class GlobalSum(FloatOp):
    """Sum over the whole map: (C, H, W) -> (C,)."""

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0][:1]


@dataclass(frozen=True, eq=False)
class Gather(FloatOp):
    """out.flat[i] = in.flat[index[i]]; where the index is -1, the real number `fill`.

    Pads, crops, strided slices, nearest resizes, depth to space, and any other order of the elements.
    """

    size: Shape
    index: IntArray
    fill: Fraction = Fraction(0)

    def shape(self, *inputs: Shape) -> Shape:
        return self.size


@dataclass(frozen=True, eq=False)
class IntegerOp(FloatOp):
    """An op of the integer graph as it is: arithmetic of a source's own integer types. It reads integers."""

    op: Op
    size: Shape

    def shape(self, *inputs: Shape) -> Shape:
        return self.size


@dataclass(frozen=True, eq=False)
class FlattenMap(FloatOp):
    """(C, H, W) -> (C*H*W,)."""

    def shape(self, *inputs: Shape) -> Shape:
        size = 1
        for extent in inputs[0]:
            size *= extent
        return (size,)


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
        return self._nodes[name].shape

    def finish(self, outputs: dict[str, str], image: ImageInput | None) -> FloatNet:
        return FloatNet(tuple(self._nodes.values()), outputs, self.dtype, image)

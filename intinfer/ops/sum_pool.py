"""Sum pooling: the integer half of an average pool. The division goes into the affine that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import GraphError
from ..graph import Shape, Value
from ..types import LIMIT, IntArray, IntType
from .base import Channelwise, Example, Free, need_map
from .geometry import Pads, Pair, Window
from .linear import Box, Pulled, WindowedLinear


@dataclass(frozen=True, eq=False)
class SumPool(WindowedLinear, Channelwise, Free):
    """Sum of each window; padded positions count as 0. A kernel of the whole map is the global sum (GAP).

    Attributes:
        kernel, stride: (y, x).
        pads: (top, left, bottom, right).

    Result:
        (C, OH, OW) as for conv2d, KH * KW times the range of the input, which takes in 0 when there is padding.
    """

    kind = "sum_pool"
    since = 1
    kernel: Pair
    stride: Pair
    pads: Pads

    @property
    def window(self) -> Window:
        """Kernel, stride and pads, without dilation."""
        return Window(self.kernel, self.stride, self.pads)

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse vectors, windows that do not fit, and sums that may leave ±2^62."""
        (x,) = inputs
        channels, height, width = need_map(x)
        taps = self.window.kernel[0] * self.window.kernel[1]
        element = x.type.union(IntType(0, 0)) if self.window.padded else x.type
        if taps * max(abs(element.lo), abs(element.hi)) > LIMIT:
            raise GraphError(f"the sum of {taps} values {element} may leave ±2^62")
        return (channels, *self.window.output(height, width)), IntType(taps * element.lo, taps * element.hi)

    def reference(self, *inputs: IntArray) -> IntArray:
        """Sum each window, where padding is 0."""
        (x,) = inputs
        result: IntArray = self.window.view(self.window.pad(x, 0)).sum(axis=(4, 5))
        return result

    def rule_steps(self, height: int, width: int) -> int:
        """The type rule looks at the kernel's extent only."""
        return 0

    def pull_back(self, inputs: Sequence[Value], box: Box) -> Pulled:
        """Spread the coefficients over the window that each sum reads; a border of 0 adds nothing."""
        return self.spread(inputs[0], box, lambda i, j: box.coefficients, 0)

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls((4, 5), (1, 1), (0, 0, 0, 0)), (((2, 4, 5), IntType(0, 7)),)

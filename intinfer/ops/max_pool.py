"""Max pooling of levels. Padding never wins: padded positions take no part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import GraphError
from ..graph import Shape, Value
from ..types import LIMIT, IntArray, IntType, Range
from .base import Channelwise, Example, Free, Nonlinear, need_map
from .geometry import Pads, Pair, Window, Windowed


@dataclass(frozen=True, eq=False)
class MaxPool(Windowed, Nonlinear, Channelwise, Free):
    """Largest value of each window.

    Attributes:
        kernel, stride, dilation: (y, x).
        pads: (top, left, bottom, right), such that every window holds at least one real value.

    Result:
        (C, OH, OW) as for conv2d, the range of the input. A window that sees nothing but padding is refused.
    """

    kind = "max_pool"
    since = 1
    kernel: Pair
    stride: Pair
    pads: Pads
    dilation: Pair

    @property
    def window(self) -> Window:
        """Kernel, stride, pads and dilation."""
        return Window(self.kernel, self.stride, self.pads, self.dilation)

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        """Refuse vectors, windows that do not fit, and windows that hold nothing but padding."""
        (x,) = inputs
        channels, height, width = need_map(x)
        window = self.window
        shape = (channels, *window.output(height, width))
        for axis, extent in ((0, height), (1, width)):
            self._refuse_empty_windows(window, axis, extent, shape[1 + axis])
        return shape, x.type

    def reference(self, *inputs: IntArray) -> IntArray:
        """Take the largest of each window, where padding is below every value."""
        (x,) = inputs
        result: IntArray = self.window.view(self.window.pad(x, -2 * LIMIT)).max(axis=(4, 5))
        return result

    @staticmethod
    def _refuse_empty_windows(window: Window, axis: int, extent: int, outputs: int) -> None:
        """Windows that begin in the map's own range hold their first tap; of those that begin in the padding, with
        dilation, each may step over a small map."""
        before, stride, step = window.pads[axis], window.stride[axis], window.dilation[axis]
        last = outputs - 1
        for index in (*range(min(outputs, -(-before // stride))), last):
            first = index * stride - before
            skipped = max(0, -(first // step))  # taps that fall before the map
            if skipped >= window.kernel[axis] or first + skipped * step >= extent:
                raise GraphError(f"pads {window.pads}: window {index} of axis {'HW'[axis]} holds nothing but padding")

    def channel_range(self, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
        """Take the range of the input's channel: every window holds one of its values."""
        return ranges[0]

    def rule_steps(self, height: int, width: int) -> int:
        """Every tap of every window along each axis, and some for the window itself."""
        outputs = self.window.output(height, width)
        return sum(n * (k + 16) for n, k in zip(outputs, self.kernel, strict=True))

    @classmethod
    def example(cls) -> Example:
        """Give one with small constants."""
        return cls((2, 3), (2, 2), (0, 1, 0, 1), (1, 1)), (((2, 4, 5), IntType(0, 7)),)

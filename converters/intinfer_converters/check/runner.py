"""What `check` needs of a source: its tensors on given pixels, and where each is found in the float net."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError
from intinfer.types import IntArray

from ..calibrate import run_float
from ..evaluator import FloatArray
from ..floatnet import FloatNet
from ..symbolic import Layout, Reading, Tap

Tensors = Mapping[str, npt.NDArray[Any]]
"""Source tensor -> its values, batch axis first, in the source's own type."""


class Runner(Protocol):
    """A source and its own framework.

    One that knows more of a batch norm than the folded chain of its `Pointwise` node has `norms`: float node -> `Norm`.
    """

    @property
    def reading(self) -> Reading:
        """The float net that the source was read as, and the tap of each of its tensors."""
        ...

    def run(self, pixels: IntArray) -> Tensors:
        """Every tensor of the source that `reading.tensors` names, as its framework computes it.

        Args:
            pixels: (N, *shape of the float net's input), integers in its range.

        Raises:
            IntinferError: the framework fails, or takes no such input.
        """
        ...


def feed(reading: Reading, name: str, pixels: IntArray) -> npt.NDArray[Any]:
    """The source's input tensor `name` for a batch of pixels: (N, size), in the dtype of the net's chains, or the
    pixels themselves where no op stands before it.

    Raises:
        DataError: the tensor is not computed from the pixels alone.
    """
    tap = reading.tensors.get(name)
    if tap is None or reading.net.nodes[0].name != tap.node:
        raise DataError(f"input {name!r} of the source is not read from the pixels; give the source it was made from")
    channels = pixels.shape[1]
    values = pixels.astype(reading.net.dtype) if tap.chain else pixels
    return tapped(tap, values.reshape(len(pixels), channels, -1))


def tapped(tap: Tap, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The source tensor (N, size) from the values (N, C, M) of its tap's node, each op rounded once."""
    count, channels = values.shape[:2]
    rows = values.transpose(1, 0, 2).reshape(channels, -1)
    for primitive in tap.chain:
        rows = primitive.apply(rows)
    flat = rows.reshape(channels, count, -1).transpose(1, 0, 2).reshape(count, -1)
    result = np.asarray(flat[:, tap.index])
    result[:, tap.index < 0] = float(tap.fill)
    return result


class FloatRunner:
    """A calibrated float net as its own source: it exists in no framework, so it runs in NumPy floats.

    Every node of the net is a tensor of its own, called alike.

    Args:
        net: with quantised weights.
    """

    def __init__(self, net: FloatNet) -> None:
        self.reading = own_reading(net)

    def run(self, pixels: IntArray) -> dict[str, FloatArray]:
        """Every node's value, and the outputs, in floats with sums in an order of BLAS' choosing.

        Raises:
            DataError: weights without values, values that are not finite.
        """
        net = self.reading.net
        values = run_float(net, pixels, taps=[node.name for node in net.nodes])
        return {**values, **{name: values[node] for name, node in net.outputs.items()}}


def own_reading(net: FloatNet) -> Reading:
    """The reading of a source whose tensors are the net's nodes."""
    return Reading(net, {node.name: Tap(node.name, Layout.whole(node.shape), ()) for node in net.nodes})

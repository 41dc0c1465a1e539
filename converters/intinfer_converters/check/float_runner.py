"""A calibrated float net as its own source: it exists in no framework, so it runs in NumPy floats."""

from __future__ import annotations

from intinfer.types import IntArray

from ..calibrate import run_float
from ..evaluator import FloatArray
from ..floatnet import FloatNet
from ..symbolic import Layout, Reading, Tap


class FloatRunner:
    """Every node of the net is a tensor of its own, called alike.

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

"""`intinfer check`: the source in its own float framework beside the integer model, node by node.

Every integer node gets the source's own integers as its inputs, so that one flipped level does not spread over the
layers behind it. A differing value is a *float tie* only when the derived error bound of the float arithmetic
(`bounds`) explains it and a new conversion of the source gives the model's value; everything else is a *mismatch*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .report import CheckReport, Mismatch, NodeReport

if TYPE_CHECKING:
    from intinfer.graph import Graph

__all__ = ["CheckReport", "Mismatch", "NodeReport", "check"]


def check(graph: Graph, module: Any, images: npt.NDArray[np.integer], *, batch: int | None = None) -> CheckReport:
    """Compare every node of `graph` with `module`, the torch module it was converted from.

    Args:
        graph: as `intinfer_converters.convert(module)` gives it.
        module: made of `intinfer_converters.nets.layers`; it is copied, and runs in float32 on the CPU.
        images: integer pixels (N, C, H, W).
        batch: images at a time, None for what memory suggests; the result does not depend on it.

    Raises:
        DataError: the graph was not made from this module, or the module cannot be read.
        RangeError: pixels outside the graph's input type, or a `trap` accumulator that leaves its range.
    """
    from .checker import Checker

    checker = Checker(graph, module)
    size = batch or checker.batch
    for start in range(0, len(images), size):
        checker.add(images[start : start + size])
    return checker.report

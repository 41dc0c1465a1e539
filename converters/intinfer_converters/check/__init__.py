"""`intinfer check`: the source in its own float framework beside the integer model, node by node.

Every integer node gets the source's own integers as its inputs, so that one flipped level does not spread over the
layers behind it. A differing value is a *float tie* only when the derived error bound of the float arithmetic
(`float_error`) explains it and a new conversion of the source gives the model's value; everything else is a *mismatch*.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.graph import GraphLike, graph_of

from .report import CheckReport, Mismatch, NodeReport
from .runner import Runner

__all__ = ["CheckReport", "Mismatch", "NodeReport", "Runner", "check"]


def check(
    graph: GraphLike,
    source: Any,
    images: npt.NDArray[np.integer],
    *,
    batch: int | None = None,
    lowering: Mapping[str, Any] | None = None,
) -> CheckReport:
    """Compare every node of `graph` with the source that it was converted from.

    Args:
        graph: the model, a `Model` or its graph.
        source: a `Runner` (ONNX, .pt2, calibrated nets), or a torch module made of `intinfer_converters.nets.layers`,
            which is copied, and runs in float32 on the CPU.
        images: integer pixels (N, *shape of the model's input).
        batch: images at a time, None for what memory suggests; the result does not depend on it.
        lowering: options of `lower` that the model was made with.

    Raises:
        DataError: the graph was not made from this source, or the source cannot be read or run.
        RangeError: pixels outside the graph's input type, or a `trap` accumulator that leaves its range.
    """
    from .checker import Checker

    checker = Checker(graph_of(graph), source, lowering=lowering)
    checker.add_each(images, batch)
    return checker.report

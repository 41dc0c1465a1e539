"""The second opinion on golden values: the fast engine, which shares no arithmetic with the reference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from intinfer.errors import IntinferError
from intinfer.model import Model
from intinfer.types import IntArray


class CrossCheck:
    """Runs each image again: the outputs fused and with skipping, and every value unfused and without."""

    def __init__(self, model: Model) -> None:
        from intinfer.engine.session import Session  # compiles with Numba, which takes long to import

        self._graph = model.graph
        self._skipping = model.session(True)
        self._unfused = Session(model.graph, every_value=True)

    def check(self, inputs: Mapping[str, IntArray], values: Mapping[str, IntArray], image: int) -> None:
        """Compare one image (arrays (1, *shape)) with the reference's `values`; `image` is its number.

        Raises IntinferError naming the first node, in graph order, that differs.
        """
        for name, array in self._unfused.run(inputs).items():
            _same(name, "fast engine", array, values[name], image)
        skipped = self._skipping.run(inputs)
        for out in self._graph.outputs:
            _same(out.value, "fast engine with skipping", skipped[out.name], values[out.value], image)


def _same(name: str, engine: str, got: IntArray, wanted: IntArray, image: int) -> None:
    different = got != wanted
    if not different.any():
        return
    where = tuple(int(i) for i in np.argwhere(different)[0])
    at = ", ".join(f"{axis}={i}" for axis, i in zip("cyx", where[1:], strict=False))
    raise IntinferError(
        f"node {name!r}: at n={image}, {at} the {engine} gives {int(got[where])} and the reference "
        f"{int(wanted[where])}; nothing was written, please report this bug of intinfer with the model"
    )

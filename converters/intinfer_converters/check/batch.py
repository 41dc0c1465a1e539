"""One batch of images on its way through the graph: the source's tensors, and the integers that nodes read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError, RangeError
from intinfer.graph import Graph, Node
from intinfer.types import IntArray

from ..float_error import Floats
from .levels import Reals
from .report import Mismatch, NodeReport
from .runner import Tensors

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[Any]
Places = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
"""(image, element of the node, flat in C order), of single values."""


@dataclass(frozen=True, eq=False)
class Differing:
    """Single values of a node where the model and the source differ.

    Attributes:
        where: their images and elements.
        model, source: (M,) what each has there.
    """

    where: Places
    model: Values
    source: Values

    def only(self, mask: Mask) -> Differing:
        """Those of the values that the mask (M,) picks."""
        return Differing((self.where[0][mask], self.where[1][mask]), self.model[mask], self.source[mask])


@dataclass(frozen=True, eq=False)
class Judgement:
    """For each value that differs: how far it is from being explained, and how far float arithmetic may be off."""

    distance: Floats
    bound: Floats
    exact: Floats
    boundary: Floats | None = None


class CheckedBatch:
    """The values of a batch, node by node.

    Args:
        pixels: (N, *shape of the graph's input).
        tensors: what the source has for them.
        reals: of the source's float net.
        first_image: the number of the first image.
    """

    def __init__(self, graph: Graph, pixels: IntArray, tensors: Tensors, reals: Reals, first_image: int) -> None:
        self.pixels, self.first_image = pixels, first_image
        self.live: dict[str, IntArray] = {graph.inputs[0].name: pixels}
        """The integers of the graph by name; where the source has its own, these."""
        self.reals = reals.batch(self.live)
        self.replaced = np.zeros(len(pixels), dtype=bool)
        """Images in which the source had its own integers."""
        self.failing: int | None = None
        """The first image with a mismatch."""
        self._tensors = tensors

    def tensor(self, name: str) -> Values:
        """A tensor of the source. Raises DataError when its run has none of that name."""
        if name not in self._tensors:
            raise DataError(f"tensor {name!r} of the source was not computed by its run; report it")
        return self._tensors[name]

    def result(self, node: Node) -> IntArray:
        """What a node makes of the integers that are there."""
        return node.op.reference(*(self.live[name] for name in node.inputs))

    def run(self, node: Node) -> None:
        """Compute a node of the model. Raises RangeError, naming it, for a `trap` accumulator."""
        try:
            self.live[node.name] = self.result(node)
        except RangeError as error:
            counted = f" (images counted from {self.first_image})" if self.first_image else ""
            raise RangeError(f"node {node.name!r} ({node.op.kind}): {error}{counted}") from None

    def replace(self, name: str, where: Places, integers: IntArray) -> None:
        """Put the source's own integers in the place of the model's, for the nodes behind."""
        if not len(integers):
            return
        values = self.live[name].copy()
        flat(values)[where] = integers
        self.live[name] = values
        self.replaced[where[0]] = True
        self.reals.forget(name)

    def blame(self, row: NodeReport, node: Node, differing: Differing, judgement: Judgement, index: int) -> None:
        """Note one of the differing values as the node's first mismatch, unless it has one."""
        image, element = (int(axis[index]) for axis in differing.where)
        at = tuple(int(i) for i in np.unravel_index(element, node.output.shape))
        before, boundary = self.live[node.inputs[0]], judgement.boundary
        levels = boundary is not None and before.shape[1:] == node.output.shape
        self.note(
            row,
            image,
            at,
            got=float(differing.model[index]),
            expected=float(differing.source[index]),
            accumulator=int(before[(image, *at)]) if levels else None,
            exact=float(judgement.exact[index]),
            boundary=None if boundary is None else float(boundary[index]),
            distance=float(judgement.distance[index]),
            bound=float(judgement.bound[index]),
        )

    def note(self, row: NodeReport, image: int, at: tuple[int, ...], **numbers: Any) -> None:
        """The first mismatch of a row at an image of this batch, with the numbers that `Mismatch` has of it."""
        if self.failing is None:
            self.failing = image
        row.first = row.first or Mismatch(row.name, row.source, self.first_image + image, at, **numbers)


def flat(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values with the elements of an image in one row: (N, elements)."""
    return values.reshape(len(values), -1)

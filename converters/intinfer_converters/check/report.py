"""What a check found: counts a node, the first mismatch of each, and the end-to-end agreement beside them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Coordinates = tuple[int, ...]


@dataclass(frozen=True)
class Mismatch:
    """One value that differs and is no float tie.

    Attributes:
        node, source: the graph's node and the names it has in the source.
        image: counted from 0 over all images checked.
        at: (c, y, x) or (c,).
        got, expected: the model's value and the source's.
        accumulator: the integer that the node reads there (quantisers), else None.
        exact: the real value before it is rounded to a level, or the exact sum.
        boundary: the end of the source's level that is nearest to `exact` (quantisers), else None.
        distance, bound: how far `exact` is from being explained, and how far a float evaluation may be off.
    """

    node: str
    source: tuple[str, ...]
    image: int
    at: Coordinates
    got: float
    expected: float
    accumulator: int | None
    exact: float
    boundary: float | None
    distance: float
    bound: float

    def __str__(self) -> str:
        axes = ("c", "y", "x")[: len(self.at)]
        where = ", ".join(f"{axis}={index}" for axis, index in zip(axes, self.at, strict=True))
        text = (
            f"{self.node} (from {', '.join(self.source)}), image {self.image}, {where}: "
            f"the model has {self.got:.9g}, the source {self.expected:.9g}"
        )
        if self.accumulator is not None:
            text += f"; accumulator {self.accumulator}"
        if self.boundary is not None:
            text += f", exact value {self.exact:.9g}, boundary {self.boundary:.9g}"
        return f"{text}; off by {self.distance:.3g}, float arithmetic explains {self.bound:.3g}"


@dataclass
class NodeReport:
    """Counts of one node: values = exact + float_ties + mismatches.

    `max_distance` is the largest distance of a float tie, `max_bound` the largest bound that allowed one.
    """

    name: str
    op: str
    source: tuple[str, ...]
    values: int = 0
    exact: int = 0
    float_ties: int = 0
    mismatches: int = 0
    max_distance: float = 0.0
    max_bound: float = 0.0
    first: Mismatch | None = None

    def count(self, values: int, float_ties: int = 0, mismatches: int = 0) -> None:
        """Count so many values, of which all that are neither ties nor mismatches are exact."""
        self.values += values
        self.exact += values - float_ties - mismatches
        self.float_ties += float_ties
        self.mismatches += mismatches

    def allow(self, distances: npt.NDArray[np.float64], bounds: npt.NDArray[np.float64]) -> None:
        """Note how far values were off that were allowed to be, and by which bounds."""
        self.max_distance = max(self.max_distance, float(distances.max(initial=0)))
        self.max_bound = max(self.max_bound, float(bounds.max(initial=0)))

    def merge(self, other: NodeReport) -> None:
        """Add what was counted of the same node elsewhere."""
        self.count(other.values, other.float_ties, other.mismatches)
        self.allow(np.array([other.max_distance]), np.array([other.max_bound]))
        self.first = self.first or other.first


@dataclass
class Agreement:
    """The model run from end to end beside the source, float ties and all: nothing is judged by it."""

    images: int = 0
    same_class: int = 0
    max_logit_difference: float = 0.0

    def count(self, images: int, same_class: int, max_logit_difference: float) -> None:
        """Add what was counted of further images."""
        self.images += images
        self.same_class += same_class
        self.max_logit_difference = max(self.max_logit_difference, max_logit_difference)


@dataclass
class CheckReport:
    """The result of a check. The answer is yes when `mismatches` is 0."""

    images: int = 0
    nodes: list[NodeReport] = field(default_factory=list)
    end_to_end: Agreement = field(default_factory=Agreement)

    @property
    def values(self) -> int:
        """How many values were compared."""
        return sum(node.values for node in self.nodes)

    @property
    def exact(self) -> int:
        """How many of them were equal."""
        return sum(node.exact for node in self.nodes)

    @property
    def float_ties(self) -> int:
        """How many differ as float arithmetic explains."""
        return sum(node.float_ties for node in self.nodes)

    @property
    def mismatches(self) -> int:
        """How many differ without an explanation."""
        return sum(node.mismatches for node in self.nodes)

    @property
    def first(self) -> Mismatch | None:
        """The first mismatch of the first node, in graph order, that has one."""
        return next((node.first for node in self.nodes if node.first is not None), None)

    def merge(self, other: CheckReport) -> None:
        """Add another report of the same graph."""
        self.images += other.images
        for mine, theirs in zip(self.nodes, other.nodes, strict=True):
            mine.merge(theirs)
        self.end_to_end.count(**vars(other.end_to_end))

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, strings, lists and dicts."""
        totals = {key: getattr(self, key) for key in ("images", "values", "exact", "float_ties", "mismatches")}
        return {**totals, "end_to_end": asdict(self.end_to_end), "nodes": [asdict(node) for node in self.nodes]}

"""Would an accumulator have held what real images put into it? The sums seen, and the first that leaves the width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..accumulator import Accumulator, Overflow, accumulator_bits
from ..bounds import bounds_of
from ..graph import Graph, Node
from ..kernels.partial_sums import PartialSums
from ..ops.mac import Accumulating
from ..types import IntArray, IntType
from .text import table


@dataclass(frozen=True, slots=True)
class FirstOverflow:
    """The first value outside the width, by image, channel, row and column; counted from 0.

    `products` of `of` had been added; both are the same where only final sums count. `file` is the image's name, if
    it has one.
    """

    image: int
    file: str | None
    channel: int
    y: int
    x: int
    products: int
    of: int
    value: int

    def __str__(self) -> str:
        file = "" if self.file is None else f" ({self.file})"
        after = "" if self.products == self.of else f" after {self.products} of {self.of} products"
        return f"image {self.image}{file}, channel {self.channel}, (y={self.y}, x={self.x}): {self.value}{after}"


@dataclass(frozen=True, slots=True)
class AccumulatorVerdict:
    """What images put into the accumulator of one conv2d or dense node.

    Attributes:
        rule: the accumulator judged.
        proven: range of the exact sums, linear chains composed.
        seen: values that occurred in the accumulator; partial sums as well where the rule's order matters.
        overflow: the first that left the width, or None: it fits.
    """

    name: str
    source: tuple[str, ...]
    rule: Accumulator
    proven: IntType
    seen: IntType
    overflow: FirstOverflow | None

    @property
    def bits_seen(self) -> int:
        """The narrowest width that these images needed."""
        return accumulator_bits(self.seen)

    @property
    def bits_proven(self) -> int:
        """The narrowest width that is proven to be enough for all images."""
        return accumulator_bits(self.proven)

    def to_json(self) -> dict[str, Any]:
        """Give the verdict as a document."""
        return {
            "name": self.name,
            "source": list(self.source),
            "rule": self.rule.to_json(),
            "proven": {"lo": self.proven.lo, "hi": self.proven.hi, "bits": self.bits_proven},
            "seen": {"lo": self.seen.lo, "hi": self.seen.hi, "bits": self.bits_seen},
            "partial_sums": self.rule.sequential,
            "fits": self.overflow is None,
            "first_overflow": None if self.overflow is None else asdict(self.overflow),
        }


class Watch:
    """Looks at the accumulators of a graph, batch by batch.

    Args:
        rule: the accumulator to judge in all nodes; each node's own when None.
        names: of the images.
    """

    def __init__(self, graph: Graph, rule: Accumulator | None, names: Sequence[str]) -> None:
        self._nodes = [
            _Watched(graph, node, node.op, rule or node.op.accumulator, names)
            for node in graph.nodes
            if isinstance(node.op, Accumulating)
        ]
        self._images = 0
        self._graph = graph

    def add(self, traced: Mapping[str, IntArray]) -> None:
        """The next images: every value of them by name, (N, *shape)."""
        for node in self._nodes:
            node.add(traced, self._images)
        self._images += len(next(iter(traced.values())))

    def verdicts(self) -> tuple[AccumulatorVerdict, ...]:
        """Give the verdicts in the order of the graph; none without images."""
        return tuple(node.verdict(self._graph) for node in self._nodes) if self._images else ()


class _Watched:
    """One node: whole batches where its values are the exact sums, product by product where they may not be."""

    def __init__(self, graph: Graph, node: Node, op: Accumulating, rule: Accumulator, names: Sequence[str]) -> None:
        self.node, self.rule, self.names = node, rule, names
        self.products = op.rows.shape[1]
        exact = op.accumulator.overflow in (Overflow.PROVE, Overflow.TRAP) and not rule.sequential
        inputs = [graph.values[name] for name in node.inputs]
        self.partial = None if exact else PartialSums(node, inputs, rule)
        self.lo: list[int] = []
        self.hi: list[int] = []
        self.overflow: FirstOverflow | None = None

    def add(self, traced: Mapping[str, IntArray], images: int) -> None:
        """Look at the next images, which `images` others were before."""
        if self.partial is None:
            self._final_sums(traced[self.node.name], images)
            return
        for image, x in enumerate(traced[self.node.inputs[0]]):
            held = self.partial.look(x)
            self.lo.append(held.lo)
            self.hi.append(held.hi)
            if held.first is not None and self.overflow is None:
                channel, y, x_, value, products = held.first
                self._leaves(images + image, channel, y, x_, products, value)

    def _final_sums(self, sums: IntArray, images: int) -> None:
        self.lo.append(int(sums.min()))
        self.hi.append(int(sums.max()))
        if self.overflow is None and not self.rule.type.lo <= self.lo[-1] <= self.hi[-1] <= self.rule.type.hi:
            outside = (sums < self.rule.type.lo) | (sums > self.rule.type.hi)
            image, channel, *pixel = (int(i) for i in np.argwhere(outside)[0])
            y, x = pixel or (0, 0)
            self._leaves(images + image, channel, y, x, self.products, int(sums[(image, channel, *pixel)]))

    def _leaves(self, image: int, channel: int, y: int, x: int, products: int, value: int) -> None:
        file = self.names[image] if image < len(self.names) else None
        self.overflow = FirstOverflow(image, file, channel, y, x, products, self.products, value)

    def verdict(self, graph: Graph) -> AccumulatorVerdict:
        """Say what the images put into the accumulator; there was one at least."""
        lo, hi = bounds_of(graph).sums(self.node.name)
        return AccumulatorVerdict(
            self.node.name,
            self.node.source,
            self.rule,
            IntType(int(lo.min()), int(hi.max())),
            IntType(min(self.lo), max(self.hi)),
            self.overflow,
        )


def verdict_text(verdicts: Sequence[AccumulatorVerdict]) -> str:
    """A table and the verdict, one line."""
    rows = [
        (
            v.name,
            ", ".join(v.source),
            str(v.rule),
            v.bits_proven,
            v.bits_seen,
            f"{v.seen}" + (" with partial sums" if v.rule.sequential else ""),
            "fits" if v.overflow is None else str(v.overflow),
        )
        for v in verdicts
    ]
    header = ("accumulator", "from", "judged", "bits proven", "bits seen", "sums seen", "first overflow")
    return f"{table(header, rows)}\n\n{_verdict(verdicts)}"


def _verdict(verdicts: Sequence[AccumulatorVerdict]) -> str:
    """Say that all fit, or name the first overflow of the first image that has one."""
    wrong = [v for v in verdicts if v.overflow is not None]
    count = f"{len(verdicts) - len(wrong)} of {len(verdicts)} accumulators fit"
    if not wrong:
        return f"verdict: {count} on these images"
    first = min(wrong, key=lambda v: v.overflow.image if v.overflow else 0)  # stable: the first node of that image
    return f"verdict: {count}; the first overflow is in {first.name} ({first.rule}): {first.overflow}"

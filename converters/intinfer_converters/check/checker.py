"""Node by node: the integer op on the source's own integers, against what the source has there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from intinfer import reference
from intinfer.errors import DataError, RangeError
from intinfer.graph import Graph, Node, Output
from intinfer.ops import Conv2d, Dense, Tgap
from intinfer.types import IntArray

from ..evaluator import FloatArray
from ..floatnet import Quantise
from ..lower import lower
from ..read_torch import read_module
from . import bounds
from .bounds import Floats
from .pairing import integral_nodes, need_same_nodes, pair_nodes
from .reals import Reals
from .report import CheckReport, Mismatch, NodeReport
from .source import Source

MAX_BATCH = 32
MEMORY = 2**28
Index = tuple[npt.NDArray[np.intp], ...]


@dataclass(frozen=True, eq=False)
class Verdict:
    """For each value that differs: how far it is from being explained, and how far float arithmetic may be off."""

    distance: Floats
    bound: Floats
    exact: Floats
    boundary: Floats | None = None


class Checker:
    """Compares a graph with the torch module it was made from; `add` images, then read `report`.

    Raises:
        DataError, LoweringError: the module cannot be read or converted, or the graph is not one of it.
    """

    def __init__(self, graph: Graph, module: nn.Module, threads: int = 1) -> None:
        size = graph.inputs[0].shape
        if len(graph.inputs) != 1 or len(size) != 3:
            shapes = ", ".join(f"{value.name} {value.shape}" for value in graph.inputs)
            raise DataError(f"the model takes {shapes}; only models of one image can be checked")
        self.graph = graph
        self.net = read_module(module, size)
        self.ours = lower(self.net)
        need_same_nodes(graph, self.ours)
        self.source = Source(module, [node.name for node in self.net.nodes], threads)
        self.pairs = pair_nodes(self.ours, self.net)
        self.reals = Reals(self.net, self.source.layers, integral_nodes(self.net))
        self.restart()

    def restart(self, first_image: int = 0) -> None:
        """Begin a new report, whose images are counted from `first_image`.

        `failing` is the first image (C, H, W) of the last batch that has a mismatch, or None.
        """
        self._rows = {
            node.name: NodeReport(node.name, node.op.kind, self.ours.node(node.name).source)
            for node in self.graph.nodes
            if node.name in self.pairs
        }
        for out in self.graph.outputs:
            source = self.ours.node(out.value).source
            self._rows[f"output {out.name}"] = NodeReport(f"output {out.name}", "output", source)
        self.report = CheckReport(nodes=list(self._rows.values()))
        self._first_image = first_image
        self.failing: IntArray | None = None

    @property
    def batch(self) -> int:
        """Images at a time: what a quarter of a GiB holds of all values, at most 32."""
        an_image = 16 * sum(value.size for value in self.graph.values.values())
        return max(1, min(MAX_BATCH, MEMORY // an_image))

    @property
    def _image(self) -> int:
        """The number of the next image."""
        return self._first_image + self.report.images

    def add_each(self, images: npt.NDArray[np.integer]) -> IntArray | None:
        """Check any number of images; returns the image (C, H, W) of the first mismatch of a batch that has one."""
        failing = None
        for start in range(0, len(images), self.batch):
            if self.add(images[start : start + self.batch]) and failing is None:
                failing = self.failing
        return failing

    def add(self, images: npt.NDArray[np.integer]) -> int:
        """Check a batch (N, C, H, W) and return its number of mismatches."""
        before = self.report.mismatches
        self.graph.inputs[0].type.check(images, f"input {self.graph.inputs[0].name!r}")
        pixels = images.astype(np.int64)
        tensors, result = self.source.run(pixels)
        live = {self.graph.inputs[0].name: pixels}
        integers = {self.net.nodes[0].name: pixels}
        self._differing = np.zeros(len(images), dtype=bool)
        self._failing_image: int | None = None
        for node in self.graph.nodes:
            try:
                got = node.op.reference(*(live[name] for name in node.inputs))
            except RangeError as error:
                counted = f" (images counted from {self._image})" if self._image else ""
                raise RangeError(f"node {node.name!r} ({node.op.kind}): {error}{counted}") from None
            pair = self.pairs.get(node.name)
            live[node.name] = got
            if pair is not None:
                live[node.name] = self._compare(node, got, tensors[pair.name], live, integers)
                integers[pair.name] = live[node.name]
        for out in self.graph.outputs:
            self._compare_output(out, live[out.value], tensors[self.net.outputs[out.name]], integers)
        self._end_to_end(pixels, live, result)
        found = self.report.mismatches - before
        self.failing = None if self._failing_image is None else pixels[self._failing_image]
        self.report.images += len(images)
        return found

    def _compare(
        self, node: Node, got: IntArray, expected: FloatArray, live: dict[str, IntArray], integers: dict[str, IntArray]
    ) -> IntArray:
        """Count, and return what the nodes behind this one read: the source's own integers."""
        row = self._rows[node.name]
        row.values += got.size
        differs = got != expected
        if not differs.any():
            row.exact += got.size
            return got
        where = np.nonzero(differs)
        self._differing[where[0]] = True
        verdict = self._judge(node, got, expected, live, integers, where)
        ours = self.ours.node(node.name)
        converted = ours.op.reference(*(live[name] for name in ours.inputs))
        # A model that a new conversion would not make is wrong, however near to a boundary it is.
        tie = (verdict.distance <= verdict.bound) & (converted[where] == got[where])
        row.exact += got.size - tie.size
        row.float_ties += int(tie.sum())
        row.mismatches += int((~tie).sum())
        row.max_distance = max(row.max_distance, float(verdict.distance[tie].max(initial=0)))
        row.max_bound = max(row.max_bound, float(verdict.bound[tie].max(initial=0)))
        if not tie.all():
            index = int(np.argmin(tie))
            self._blame(int(where[0][index]))
            row.first = row.first or self._mismatch(node, got, expected, live, where, verdict, index)
        with np.errstate(invalid="ignore"):
            usable = (np.rint(expected) == expected) & (expected >= node.output.type.lo)
            usable &= expected <= node.output.type.hi
        return np.where(usable, np.where(usable, expected, 0).astype(np.int64), got)

    def _judge(
        self,
        node: Node,
        got: IntArray,
        expected: FloatArray,
        live: dict[str, IntArray],
        integers: dict[str, IntArray],
        where: Index,
    ) -> Verdict:
        op, x = node.op, live[node.inputs[0]]
        model, source = got[where].astype(np.float64), expected[where].astype(np.float64)
        pair = self.pairs[node.name]
        if isinstance(pair.op, Quantise):
            images = np.unique(where[0])
            some = {name: array[images] for name, array in integers.items()}
            real = self.reals.evaluate(pair.inputs[0], some).at(np.searchsorted(images, where[0]), *where[1:])
            return judge_levels(pair.op, real, model, source, where[1])
        if isinstance(op, Tgap):
            margin, bound = bounds.select_margin(op, x)
            return Verdict(margin[where], np.where(np.isin(source, (0, 1)), bound[where], -1.0), margin[where])
        distance = np.abs(model - source)
        error = bounds.sum_error(op, x) if isinstance(op, Conv2d | Dense) else None
        return Verdict(distance, np.zeros_like(distance) if error is None else error[where], model)

    def _mismatch(
        self,
        node: Node,
        got: IntArray,
        expected: FloatArray,
        live: dict[str, IntArray],
        where: Index,
        verdict: Verdict,
        index: int,
    ) -> Mismatch:
        at = tuple(int(axis[index]) for axis in where)
        levels = verdict.boundary is not None
        return Mismatch(
            node=node.name,
            source=self._rows[node.name].source,
            image=self._image + at[0],
            at=at[1:],
            got=float(got[at]),
            expected=float(expected[at]),
            accumulator=int(live[node.inputs[0]][at]) if levels else None,
            exact=float(verdict.exact[index]),
            boundary=None if verdict.boundary is None else float(verdict.boundary[index]),
            distance=float(verdict.distance[index]),
            bound=float(verdict.bound[index]),
        )

    def _compare_output(self, out: Output, z: IntArray, expected: FloatArray, integers: dict[str, IntArray]) -> None:
        """Real values: both the model's and the source's must lie within the bound of the exact one."""
        row = self._rows[f"output {out.name}"]
        real = self.reals.evaluate(self.net.outputs[out.name], integers)
        model, size = real_output(out, z)
        bound = real.error + bounds.gamma(1) * 2.0**-28 * size  # float64: z, scale, their product, the sum
        distance = np.maximum(np.abs(expected - real.value), np.abs(model - real.value))
        wrong = ~(distance <= bound)
        row.values += z.size
        row.exact += int((~wrong).sum())
        row.mismatches += int(wrong.sum())
        row.max_distance = max(row.max_distance, float(distance[~wrong].max(initial=0)))
        row.max_bound = max(row.max_bound, float(bound.max(initial=0)))
        if wrong.any():
            at = tuple(int(axis[0]) for axis in np.nonzero(wrong))
            self._blame(at[0])
            numbers = {"got": model, "expected": expected, "exact": real.value, "distance": distance, "bound": bound}
            row.first = row.first or Mismatch(
                node=row.name,
                source=row.source,
                image=self._image + at[0],
                at=at[1:],
                accumulator=None,
                boundary=None,
                **{key: float(array[at]) for key, array in numbers.items()},
            )

    def _blame(self, image: int) -> None:
        if self._failing_image is None:
            self._failing_image = image

    def _end_to_end(self, images: IntArray, live: dict[str, IntArray], result: FloatArray) -> None:
        """Where no value differs, the model's own run is what was compared; other images are run again."""
        out = self.graph.outputs[0]
        z = live[out.value]
        if self._differing.any():
            z = z.copy()
            z[self._differing] = reference.run(self.graph, images[self._differing])[out.name]
        model, _ = real_output(out, z)
        total = self.report.end_to_end
        total.images += len(images)
        best = np.argmax(z if ordered_as_integers(out) else model, axis=1)
        same = best == np.argmax(result, axis=1)
        total.same_class += int(same.reshape(len(images), -1).all(axis=1).sum())
        total.max_logit_difference = max(total.max_logit_difference, float(np.abs(model - result).max(initial=0)))


def judge_levels(
    op: Quantise, real: bounds.Real, model: Floats, source: Floats, channels: npt.NDArray[np.intp]
) -> Verdict:
    """How far the exact value is from the intervals of both levels; no bound explains what is no level.

    Args:
        op: the quantiser.
        real: (M,) what it reads.
        model, source: (M,) levels.
        channels: (M,).
    """
    last = op.chain[-1]
    before = bounds.chain(real, op.chain[:-1], np.asarray(channels, dtype=np.int64))
    far = np.zeros_like(before.value)
    for level in (model, source):
        low, high = bounds.interval(last.kind, (level - op.base) / op.step, op.count)
        far = np.maximum(far, np.maximum(low - before.value, before.value - high))
    counts = (source - op.base) / op.step
    boundary = np.where(model > source, high, low)
    known = (counts == np.rint(counts)) & (counts >= 0) & (counts <= op.count)
    return Verdict(far, np.where(known, before.error, -1.0), before.value, boundary)


def real_output(out: Output, z: IntArray) -> tuple[Floats, Floats]:
    """scale * z + offset in float64, and |scale * z| + |offset|."""

    def column(numbers: Sequence[Any]) -> Floats:
        return np.array([float(number) for number in numbers]).reshape(1, -1, *[1] * (z.ndim - 2))

    scaled, offset = column(out.scale) * z, column(out.offset)
    return scaled + offset, np.abs(scaled) + np.abs(offset)


def ordered_as_integers(out: Output) -> bool:
    return len(set(out.scale)) == len(set(out.offset)) == 1 and out.scale[0] > 0

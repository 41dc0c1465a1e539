"""Node by node: the integer op on the source's own integers, against what the source has there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer import reference
from intinfer.errors import DataError, RangeError
from intinfer.graph import Graph, Node, Output
from intinfer.ops import ArgMax, Tgap
from intinfer.types import IntArray

from ..floatnet import IntegerOp, Quantise, ThresholdedMean
from ..lower import lower
from ..lowered import Lowered, spread
from . import bounds, verdicts
from .levels import Levels
from .pairing import Pair, need_same_nodes, pair_nodes
from .reals import Batch, Reals
from .report import CheckReport, Mismatch, NodeReport
from .runner import Normalised, Runner, Tensors
from .verdicts import Verdict, real_output

MAX_BATCH = 32
MEMORY = 2**28
BYTES = 40
"""Of a value: the integer, its float, its real value and bound, and a temporary."""
Mask = npt.NDArray[np.bool_]
Flat = npt.NDArray[Any]


class Checker:
    """Compares a graph with the source it was made from; `add` images, then read `report`.

    Args:
        graph: the model.
        source: a `Runner`, or a torch module made of `intinfer_converters.nets.layers`.
        threads: of torch, for a module.
        lowering: options of `lower` that the model was made with.

    Raises:
        DataError, LoweringError: the source cannot be read or converted, or the graph is not one of it.
    """

    def __init__(
        self, graph: Graph, source: Any, threads: int = 1, *, lowering: Mapping[str, Any] | None = None
    ) -> None:
        if len(graph.inputs) != 1:
            shapes = ", ".join(f"{value.name} {value.shape}" for value in graph.inputs)
            raise DataError(f"the model takes {shapes}; only models of one input can be checked")
        self.graph = graph
        self.runner: Runner = source if hasattr(source, "reading") else _torch_runner(source, graph, threads)
        self.net = self.runner.reading.net
        self.meanings: dict[str, Lowered] = {}
        self.ours = lower(self.net, recorded=self.meanings, **(lowering or {}))
        need_same_nodes(graph, self.ours)
        self.pairs = pair_nodes(self.ours, self.runner.reading, self.meanings)
        self.changed = {
            node.name for node in graph.nodes if not verdicts.same_op(node.op, self.ours.node(node.name).op)
        } | {node.name for node in graph.nodes if node.inputs != self.ours.node(node.name).inputs}
        theirs = {out.name: (out.scale, out.offset) for out in self.ours.outputs}
        self._other_outputs = {out.name for out in graph.outputs if theirs[out.name] != (out.scale, out.offset)}
        self.levels = {name: self._levels(name, pair) for name, pair in self.pairs.items()}
        norms = self.runner.norms if isinstance(self.runner, Normalised) else {}
        rounded = self.ours.provenance.get("approximate adds", "").split("; ")
        self.reals = Reals(self.net, self.meanings, norms, {line.partition(":")[0] for line in rounded})
        self.restart()

    def _levels(self, name: str, pair: Pair) -> Levels:
        step = None
        if _jumps(pair):
            step = pair.node.op.step if isinstance(pair.node.op, Quantise) else 1
        return Levels(pair, self.ours.node(name).output.type, step, self.net.dtype)

    def restart(self, first_image: int = 0) -> None:
        """Begin a new report, whose images are counted from `first_image`.

        `failing` is the first image of the last batch that has a mismatch, or None.
        """
        self._rows = {
            node.name: NodeReport(node.name, node.op.kind, self.ours.node(node.name).source)
            for node in self.graph.nodes
            if node.name in self.pairs or node.name in self.changed
        }
        for out in self.graph.outputs:
            source = self.ours.node(out.value).source if out.value in self.ours.node_by_name else (out.value,)
            self._rows[f"output {out.name}"] = NodeReport(f"output {out.name}", "output", source)
        self.report = CheckReport(nodes=list(self._rows.values()))
        self._first_image = first_image
        self.failing: IntArray | None = None

    @property
    def batch(self) -> int:
        """Images at a time: what a quarter of a GiB holds of all values, at most 32."""
        an_image = BYTES * sum(value.size for value in self.graph.values.values())
        return max(1, min(MAX_BATCH, MEMORY // an_image))

    @property
    def _image(self) -> int:
        """The number of the next image."""
        return self._first_image + self.report.images

    def add_each(self, images: npt.NDArray[np.integer]) -> IntArray | None:
        """Check any number of images; returns the image of the first mismatch of a batch that has one."""
        failing = None
        for start in range(0, len(images), self.batch):
            if self.add(images[start : start + self.batch]) and failing is None:
                failing = self.failing
        return failing

    def add(self, images: npt.NDArray[np.integer]) -> int:
        """Check a batch (N, *shape of the input) and return its number of mismatches."""
        before = self.report.mismatches
        self.graph.inputs[0].type.check(images, f"input {self.graph.inputs[0].name!r}")
        pixels = images.astype(np.int64)
        tensors = self.runner.run(pixels)
        live = {self.graph.inputs[0].name: pixels}
        reals = self.reals.batch(live)
        self._differing = np.zeros(len(images), dtype=bool)
        self._failing_image: int | None = None
        for node in self.graph.nodes:
            try:
                live[node.name] = node.op.reference(*(live[name] for name in node.inputs))
            except RangeError as error:
                counted = f" (images counted from {self._image})" if self._image else ""
                raise RangeError(f"node {node.name!r} ({node.op.kind}): {error}{counted}") from None
            if node.name in self.pairs:
                self._compare(node, tensors, live, reals)
            elif node.name in self.changed:
                self._compare_converted(node, live)
        for out in self.graph.outputs:
            self._compare_output(out, live[out.value], self._tensor(tensors, out.name), reals)
        self._end_to_end(pixels, live, self._tensor(tensors, self.graph.outputs[0].name))
        found = self.report.mismatches - before
        self.failing = None if self._failing_image is None else pixels[self._failing_image]
        self.report.images += len(images)
        return found

    def _tensor(self, tensors: Tensors, name: str) -> Flat:
        if name not in tensors:
            raise DataError(f"tensor {name!r} of the source was not computed by its run; report it")
        return tensors[name]

    def _compare(self, node: Node, tensors: Tensors, live: dict[str, IntArray], reals: Batch) -> None:
        """Count, and leave in `live` what the nodes behind this one read: the source's own integers."""
        row, levels, got = self._rows[node.name], self.levels[node.name], live[node.name]
        expected = levels.shown(self._tensor(tensors, self.pairs[node.name].tensor))
        differs = expected != levels.floats(got)
        row.values += expected.size
        if not differs.any():
            row.exact += expected.size
            return
        as_converted = self._as_converted(node, got, live)
        if _jumps(self.pairs[node.name]):
            self._compare_levels(node, got, expected, differs, as_converted, live, reals)
        else:
            self._compare_real(node, got, expected, differs, as_converted, live, reals)

    def _compare_converted(self, node: Node, live: dict[str, IntArray]) -> None:
        """A node that no tensor of the source shows, and that a new conversion would make otherwise."""
        ours, row, got = self.ours.node(node.name), self._rows[node.name], live[node.name]
        wanted = ours.op.reference(*(live[name] for name in ours.inputs))
        wrong = (got != wanted).reshape(len(got), -1)
        row.values += wrong.size
        row.exact += int((~wrong).sum())
        row.mismatches += int(wrong.sum())
        if wrong.any():
            where = np.nonzero(wrong)
            model, source = (array.reshape(len(got), -1)[where].astype(np.float64) for array in (got, wanted))
            apart = np.abs(model - source)
            self._blame(node, Verdict(apart, np.zeros_like(apart), source), 0, model, source, where, live)
            self._put(live, node.name, where, wanted.reshape(len(got), -1)[where], None)

    def _as_converted(self, node: Node, got: IntArray, live: dict[str, IntArray]) -> Mask | None:
        """Where a new conversion of the source gives the model's value, (N, K); None: everywhere.

        A model that a new conversion would not make is wrong, however near to a boundary it is.
        """
        if node.name not in self.changed:
            return None
        ours = self.ours.node(node.name)
        same: Mask = self.levels[node.name].picked(ours.op.reference(*(live[name] for name in ours.inputs)) == got)
        return same

    def _compare_levels(
        self,
        node: Node,
        got: IntArray,
        expected: Flat,
        differs: Mask,
        as_converted: Mask | None,
        live: dict[str, IntArray],
        reals: Batch,
    ) -> None:
        """Levels are equal, or a boundary lies within the bound of what was rounded to them."""
        row, levels = self._rows[node.name], self.levels[node.name]
        images, columns = np.nonzero(differs)
        where = (images, levels.elements[columns])
        source = levels.integers(expected[images, columns], where, self._image)
        model = got.reshape(len(got), -1)[where]
        apart = source != model  # else only their floats differ, by a rounding
        row.exact += differs.size - int(apart.sum())
        if not apart.any():
            return
        where, source, model = (where[0][apart], where[1][apart]), source[apart], model[apart]
        verdict = self._judge(node, model, source, where, live, reals)
        tie = verdict.explained
        if as_converted is not None:
            tie = tie & as_converted[images[apart], columns[apart]]
        row.float_ties += int(tie.sum())
        row.mismatches += int((~tie).sum())
        self._note_bounds(row, verdict, tie)
        if not tie.all():
            self._blame(node, verdict, int(np.argmin(tie)), model, source, where, live)
        self._put(live, node.name, where, source, reals)

    def _judge(
        self,
        node: Node,
        model: IntArray,
        source: IntArray,
        where: tuple[npt.NDArray[np.intp], ...],
        live: dict[str, IntArray],
        reals: Batch,
    ) -> Verdict:
        pair = self.pairs[node.name]
        at = np.unravel_index(where[1], pair.node.shape)
        if isinstance(pair.node.op, Quantise):
            real = reals.of(pair.node.inputs[0]).at(where[0], *at)
            levels = (model.astype(np.float64), source.astype(np.float64))
            return verdicts.judge_levels(pair.node.op, real, *levels, at[0], self.reals.format)
        if isinstance(node.op, Tgap):
            margin, bound = (array[where[0], *at] for array in bounds.select_margin(node.op, live[node.inputs[0]]))
            return Verdict(margin, np.where((source == 0) | (source == 1), bound, -1.0), margin)
        return verdicts.judge_best(reals.of(pair.node.inputs[0]).at(where[0]), model, source)

    def _compare_real(
        self,
        node: Node,
        got: IntArray,
        expected: Flat,
        differs: Mask,
        as_converted: Mask | None,
        live: dict[str, IntArray],
        reals: Batch,
    ) -> None:
        """The source's float lies within the bound of the exact value."""
        row, levels, pair = self._rows[node.name], self.levels[node.name], self.pairs[node.name]
        real = reals.of(pair.node.name)
        channel = np.arange(pair.node.shape[0]).reshape(1, -1, *[1] * (real.value.ndim - 2))
        real = bounds.chain(real, pair.tap.chain, channel, self.reals.format)
        value, bound = levels.picked(real.value), levels.picked(real.error)
        with np.errstate(invalid="ignore"):
            distance = np.abs(expected - value)
        explained = (distance <= bound) | ~differs
        if as_converted is not None:
            explained &= as_converted
        wrong = ~explained
        close = differs & explained
        whole = all(s == 1 for s in pair.meaning.scale) and not levels.chain
        # A real number that is rounded in the last place agrees; an integer that differs is a tie.
        row.float_ties += int(close.sum()) if whole else 0
        row.mismatches += int(wrong.sum())
        row.exact += differs.size - int(wrong.sum()) - (int(close.sum()) if whole else 0)
        row.max_distance = max(row.max_distance, float(distance[close].max(initial=0)))
        row.max_bound = max(row.max_bound, float(bound[close].max(initial=0)))
        if not wrong.any():
            return
        images, columns = np.nonzero(wrong)
        where = (images, levels.elements[columns])
        verdict = Verdict(distance[wrong], bound[wrong], value[wrong])
        self._blame(
            node,
            verdict,
            0,
            value[wrong] if not whole else got.reshape(len(got), -1)[where],
            expected[wrong],
            where,
            live,
        )
        source, usable = self._recovered(node, expected[wrong], where)
        self._put(live, node.name, (where[0][usable], where[1][usable]), source[usable], reals)

    def _recovered(self, node: Node, floats: Flat, where: tuple[npt.NDArray[np.intp], ...]) -> tuple[IntArray, Mask]:
        """The integers nearest to the source's floats, and which of them the node's type holds."""
        levels, type_ = self.levels[node.name], node.output.type
        if levels.chain:
            return np.zeros(len(floats), dtype=np.int64), np.zeros(len(floats), dtype=bool)
        meaning, shape = levels.pair.meaning, levels.pair.node.shape
        scale, offset = (
            np.array([float(n) for n in spread(numbers, shape[0])])[levels.channel[where[1]]]
            for numbers in (meaning.scale, meaning.offset)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            nearest = np.rint((floats - offset) / scale)
            usable = (nearest >= type_.lo) & (nearest <= type_.hi)
        return np.where(usable, nearest, 0).astype(np.int64), usable

    def _put(
        self,
        live: dict[str, IntArray],
        name: str,
        where: tuple[npt.NDArray[np.intp], ...],
        integers: IntArray,
        reals: Batch | None,
    ) -> None:
        """The source's own integers in the place of the model's."""
        replaced = live[name].copy()
        replaced.reshape(len(replaced), -1)[where] = integers
        live[name] = replaced
        self._differing[where[0]] = True
        if reals is not None:
            reals.forget(name)

    def _note_bounds(self, row: NodeReport, verdict: Verdict, tie: Mask) -> None:
        row.max_distance = max(row.max_distance, float(verdict.distance[tie].max(initial=0)))
        row.max_bound = max(row.max_bound, float(verdict.bound[tie].max(initial=0)))

    def _blame(
        self,
        node: Node,
        verdict: Verdict,
        index: int,
        model: Flat,
        source: Flat,
        where: tuple[npt.NDArray[np.intp], ...],
        live: dict[str, IntArray],
    ) -> None:
        """Note the first mismatch."""
        row, image = self._rows[node.name], int(where[0][index])
        at = tuple(int(i) for i in np.unravel_index(int(where[1][index]), node.output.shape))
        if self._failing_image is None:
            self._failing_image = image
        before = live[node.inputs[0]]
        levels = verdict.boundary is not None and before.shape[1:] == node.output.shape
        row.first = row.first or Mismatch(
            node=node.name,
            source=row.source,
            image=self._image + image,
            at=at,
            got=float(model[index]),
            expected=float(source[index]),
            accumulator=int(before[(image, *at)]) if levels else None,
            exact=float(verdict.exact[index]),
            boundary=None if verdict.boundary is None else float(verdict.boundary[index]),
            distance=float(verdict.distance[index]),
            bound=float(verdict.bound[index]),
        )

    def _compare_output(self, out: Output, z: IntArray, tensor: Flat, reals: Batch) -> None:
        """Real values: both the model's and the source's must lie within the bound of the exact one."""
        row = self._rows[f"output {out.name}"]
        real = reals.of(self.net.outputs[out.name])
        expected = tensor.astype(np.float64).reshape(real.value.shape)
        model, size = real_output(out, z)
        bound = real.error + 2.0**-50 * size  # float64: z, scale, their product, the sum
        with np.errstate(invalid="ignore"):
            distance = np.maximum(np.abs(expected - real.value), np.abs(model - real.value))
        wrong = ~(distance <= bound)
        if out.name in self._other_outputs:  # a new conversion would not scale it so, however near it is
            wrong[...] = True
        row.values += z.size
        row.exact += int((~wrong).sum())
        row.mismatches += int(wrong.sum())
        row.max_distance = max(row.max_distance, float(distance[~wrong].max(initial=0)))
        row.max_bound = max(row.max_bound, float(bound.max(initial=0)))
        if wrong.any():
            at = tuple(int(axis[0]) for axis in np.nonzero(wrong))
            if self._failing_image is None:
                self._failing_image = at[0]
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

    def _end_to_end(self, images: IntArray, live: dict[str, IntArray], tensor: Flat) -> None:
        """Where no value differs, the model's own run is what was compared; other images are run again."""
        out = self.graph.outputs[0]
        z = live[out.value]
        if self._differing.any():
            z = z.copy()
            z[self._differing] = reference.run(self.graph, images[self._differing])[out.name]
        model, _ = real_output(out, z)
        result = tensor.astype(np.float64).reshape(model.shape)
        total = self.report.end_to_end
        total.images += len(images)
        if model.shape[1] == 1:  # the class itself, or one number
            same = model == result
        else:
            best = np.argmax(z if verdicts.ordered_as_integers(out) else model, axis=1)
            same = best == np.argmax(result, axis=1)
        total.same_class += int(same.reshape(len(images), -1).all(axis=1).sum())
        total.max_logit_difference = max(total.max_logit_difference, float(np.abs(model - result).max(initial=0)))


def _jumps(pair: Pair) -> bool:
    """Whether the node's integers come from a comparison or a rounding of what the source has as floats."""
    op = pair.node.op
    best = isinstance(op, IntegerOp) and isinstance(op.op, ArgMax)
    return isinstance(op, Quantise | ThresholdedMean) or best


def _torch_runner(module: Any, graph: Graph, threads: int) -> Runner:
    from .source import TorchRunner

    size = graph.inputs[0].shape
    if len(size) != 3:
        raise DataError(f"the model takes {graph.inputs[0].name} {size}; a torch module of ours takes (C, H, W)")
    return TorchRunner(module, size, threads)

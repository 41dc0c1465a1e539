"""How the values of each node and output of a model are held against the source's.

For what differs: how far it is from being explained by float arithmetic, and how far that may be off.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from intinfer.graph import Node, Output
from intinfer.ops import ArgMax, Tgap
from intinfer.types import IntArray

from ..evaluator import chain_before, chain_error, split
from ..float_error import FLOAT32, FloatFormat, Floats, Real, select_margin
from ..floatnet import IntegerOp, Quantise, ThresholdedMean
from ..lowered import spread
from .batch import CheckedBatch, Differing, Judgement, Mask, Places, Values, flat
from .levels import Levels, real_output
from .report import NodeReport
from .runner import Pair, same_op


def judge_levels(
    op: Quantise,
    real: Real,
    model: Floats,
    source: Floats,
    channels: npt.NDArray[np.intp],
    format_: FloatFormat = FLOAT32,
) -> Judgement:
    """How far the exact value is from the intervals of both levels; no bound explains what is no level.

    Args:
        op: the quantiser.
        real: (M,) what it reads.
        model, source: (M,) levels.
        channels: (M,).
        format_: of the source's floats.
    """
    channel = np.asarray(channels, dtype=np.int64)
    head, rest = split(op.chain)
    before = chain_error(real, head, channel, format_)
    known = np.isfinite(source)
    if op.base is not None and op.count is not None:
        counts = (source - op.base) / op.step
        known &= (counts == np.rint(counts)) & (counts >= 0) & (counts <= op.count)
    (low, high), (model_low, model_high) = (
        chain_before(rest, np.where(known, levels, 0.0), channel) for levels in (source, model)
    )
    far = np.maximum(np.maximum(low, model_low) - before.value, before.value - np.minimum(high, model_high))
    boundary = np.where(model_low > low, high, low)
    return Judgement(np.maximum(far, 0.0), np.where(known, before.error, -1.0), before.value, boundary)


def judge_best(scores: Real, model: IntArray, source: IntArray) -> Judgement:
    """Two places of the largest score: (M,) each, scores (M, C)."""
    rows = np.arange(len(model))
    source = np.clip(source, 0, scores.value.shape[1] - 1)
    apart = scores.value[rows, model] - scores.value[rows, source]
    return Judgement(np.abs(apart), scores.error[rows, model] + scores.error[rows, source], scores.value[rows, source])


class ValueComparison(ABC):
    """How one node or output is compared; arguments as `NodeReport` has them."""

    def __init__(self, name: str, op: str, source: tuple[str, ...]) -> None:
        self.name, self.op, self.source = name, op, source

    def row(self) -> NodeReport:
        """A new row of a report, for `compare`."""
        return NodeReport(self.name, self.op, self.source)

    @abstractmethod
    def compare(self, batch: CheckedBatch, row: NodeReport) -> None:
        """Count the values of a batch, and leave in it what the nodes behind read: the source's own integers."""


class NodeComparison(ValueComparison):
    """How a node is compared.

    Args:
        node: the model's.
        ours: the node of that name in a new conversion of the source.

    Attributes:
        changed: whether that one is another.
    """

    def __init__(self, node: Node, ours: Node) -> None:
        super().__init__(node.name, node.op.kind, ours.source)
        self.node, self.ours = node, ours
        self.changed = not same_op(node.op, ours.op) or node.inputs != ours.inputs

    def judged(
        self, batch: CheckedBatch, row: NodeReport, differing: Differing, judgement: Judgement, allowed: Mask
    ) -> Mask:
        """Count values that differ as ties where the judgement explains them and they are allowed to be, else as
        mismatches; (M,) which are ties."""
        tie: Mask = (judgement.distance <= judgement.bound) & allowed
        row.count(tie.size, float_ties=int(tie.sum()), mismatches=int((~tie).sum()))
        row.allow(judgement.distance[tie], judgement.bound[tie])
        if not tie.all():
            batch.blame(row, self.node, differing, judgement, int(np.argmin(tie)))
        return tie


class UnshownComparison(NodeComparison):
    """A node that no tensor of the source shows, and that a new conversion would make otherwise: integers are equal."""

    def compare(self, batch: CheckedBatch, row: NodeReport) -> None:
        """Count the integers that differ from those of a new conversion: all of them are mismatches."""
        got, wanted = flat(batch.live[self.name]), flat(batch.result(self.ours))
        images, elements = np.nonzero(got != wanted)
        differing = Differing((images, elements), got[images, elements], wanted[images, elements])
        source = differing.source.astype(np.float64)
        judgement = Judgement(np.abs(differing.model - source), np.zeros_like(source), source)
        row.count(got.size - source.size)
        self.judged(batch, row, differing, judgement, np.zeros(source.shape, dtype=bool))
        batch.replace(self.name, differing.where, differing.source)


class ShownComparison(NodeComparison):
    """A node that a tensor of the source shows.

    Args:
        pair: the tensor.
        step: as `Levels` has it.
        dtype: of the source's float ops.
    """

    def __init__(self, node: Node, ours: Node, pair: Pair, step: int | None, dtype: npt.DTypeLike) -> None:
        super().__init__(node, ours)
        self.pair = pair
        self.levels = Levels(pair, ours.output.type, step, dtype)
        self.format = FloatFormat.of(dtype)

    def compare(self, batch: CheckedBatch, row: NodeReport) -> None:
        """Count what is equal as floats, and judge the rest one by one."""
        expected = self.levels.shown(batch.tensor(self.pair.tensor))
        differs = expected != self.levels.floats(batch.live[self.name])
        row.count(int((~differs).sum()))
        if differs.any():
            images, columns = np.nonzero(differs)
            self.judge(batch, row, (images, self.levels.elements[columns]), expected[differs])

    @abstractmethod
    def judge(self, batch: CheckedBatch, row: NodeReport, where: Places, expected: Values) -> None:
        """`compare` of single values: the source's, (M,), are not the floats of the model's integers."""

    def allowed(self, batch: CheckedBatch, where: Places) -> Mask:
        """Where a new conversion of the source gives the model's value.

        A model that a new conversion would not make is wrong, however near to a boundary it is.
        """
        if not self.changed:
            return np.ones(len(where[0]), dtype=bool)
        return np.asarray(flat(batch.result(self.ours))[where] == flat(batch.live[self.name])[where])


class LevelComparison(ShownComparison):
    """Levels are equal, or a boundary lies within the bound of what was rounded to them."""

    def judge(self, batch: CheckedBatch, row: NodeReport, where: Places, expected: Values) -> None:
        """Compare levels, and leave the source's where they differ."""
        source = self.levels.integers(expected, where, batch.first_image)
        model = flat(batch.live[self.name])[where]
        apart = source != model  # else only their floats differ, by a rounding
        row.count(int((~apart).sum()))
        differing = Differing(where, model, source).only(apart)
        if apart.any():
            self.judged(batch, row, differing, self._judgement(batch, differing), self.allowed(batch, differing.where))
            batch.replace(self.name, differing.where, differing.source)

    def _judgement(self, batch: CheckedBatch, differing: Differing) -> Judgement:
        pair, images, source = self.pair, differing.where[0], differing.source
        at = np.unravel_index(differing.where[1], pair.node.shape)
        if isinstance(pair.node.op, Quantise):
            real = batch.reals.of(pair.node.inputs[0]).at(images, *at)
            levels = (differing.model.astype(np.float64), source.astype(np.float64))
            return judge_levels(pair.node.op, real, *levels, at[0], self.format)
        if isinstance(self.node.op, Tgap):
            margins = select_margin(self.node.op, batch.live[self.node.inputs[0]])
            margin, bound = (array[images, *at] for array in margins)
            return Judgement(margin, np.where((source == 0) | (source == 1), bound, -1.0), margin)
        return judge_best(batch.reals.of(pair.node.inputs[0]).at(images), differing.model, source)


class RealComparison(ShownComparison):
    """The source's float lies within the bound of the exact value."""

    def judge(self, batch: CheckedBatch, row: NodeReport, where: Places, expected: Values) -> None:
        """Compare real numbers, and leave the source's integers in the place of mismatches."""
        channel = self.levels.channel[where[1]]
        at = np.unravel_index(where[1], self.pair.node.shape)
        real = batch.reals.of(self.pair.node.name).at(where[0], *at)
        real = chain_error(real, self.pair.tap.chain, channel, self.format)
        with np.errstate(invalid="ignore"):
            judgement = Judgement(np.abs(expected - real.value), real.error, real.value)
        # A real number that is rounded in the last place agrees; an integer that differs is a tie.
        whole = all(s == 1 for s in self.pair.meaning.scale) and not self.levels.chain
        differing = Differing(where, flat(batch.live[self.name])[where] if whole else real.value, expected)
        tie = self.judged(batch, row, differing, judgement, self.allowed(batch, where))
        if not whole:
            row.float_ties -= int(tie.sum())
            row.exact += int(tie.sum())
        wrong = differing.only(~tie)
        source, usable = self._recovered(wrong)
        batch.replace(self.name, wrong.only(usable).where, source[usable])

    def _recovered(self, differing: Differing) -> tuple[IntArray, Mask]:
        """The integers nearest to the source's floats, and which of them the node's type holds."""
        type_, floats = self.node.output.type, differing.source
        if self.levels.chain:
            return np.zeros(len(floats), dtype=np.int64), np.zeros(len(floats), dtype=bool)
        meaning, channels = self.pair.meaning, self.pair.node.shape[0]
        scale, offset = (
            np.array([float(n) for n in spread(numbers, channels)])[self.levels.channel[differing.where[1]]]
            for numbers in (meaning.scale, meaning.offset)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            nearest = np.rint((floats - offset) / scale)
            usable = (nearest >= type_.lo) & (nearest <= type_.hi)
        return np.where(usable, nearest, 0).astype(np.int64), usable


class OutputComparison(ValueComparison):
    """Real values: both the model's and the source's must lie within the bound of the exact one.

    Args:
        out: the model's output.
        source: names of what it shows.
        node: the float node of its real values.
        changed: whether a new conversion would scale it otherwise: then it is wrong, however near it is.
    """

    def __init__(self, out: Output, source: tuple[str, ...], node: str, changed: bool) -> None:
        super().__init__(f"output {out.name}", "output", source)
        self.out, self.node, self.changed = out, node, changed

    def compare(self, batch: CheckedBatch, row: NodeReport) -> None:
        """Count what lies within the bound; nothing reads an output, so nothing is left."""
        real = batch.reals.of(self.node)
        expected = batch.tensor(self.out.name).astype(np.float64).reshape(real.value.shape)
        model, size = real_output(self.out, batch.live[self.out.value])
        bound = real.error + 2.0**-50 * size  # float64: z, scale, their product, the sum
        with np.errstate(invalid="ignore"):
            distance = np.maximum(np.abs(expected - real.value), np.abs(model - real.value))
        wrong = ~(distance <= bound) | self.changed
        row.count(wrong.size, mismatches=int(wrong.sum()))
        row.allow(distance[~wrong], bound)
        if wrong.any():
            image, *at = (int(axis[0]) for axis in np.nonzero(wrong))
            numbers = {"got": model, "expected": expected, "exact": real.value, "distance": distance, "bound": bound}
            single = {key: float(array[image, *at]) for key, array in numbers.items()}
            batch.note(row, image, tuple(at), accumulator=None, boundary=None, **single)


def comparison_of(node: Node, ours: Node, pair: Pair | None, dtype: npt.DTypeLike) -> ValueComparison | None:
    """The comparison of a node; None where nothing of the source shows it, and a new conversion makes the same."""
    if pair is None:
        unshown = UnshownComparison(node, ours)
        return unshown if unshown.changed else None
    op = pair.node.op
    best = isinstance(op, IntegerOp) and isinstance(op.op, ArgMax)
    if not isinstance(op, Quantise | ThresholdedMean) and not best:
        return RealComparison(node, ours, pair, None, dtype)
    # The node's integers come from a comparison or a rounding of what the source has as floats.
    return LevelComparison(node, ours, pair, op.step if isinstance(op, Quantise) else 1, dtype)

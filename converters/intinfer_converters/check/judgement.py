"""Whether float arithmetic explains a value that differs: how far it is from being explained, and the bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intinfer.graph import Output
from intinfer.types import IntArray

from ..evaluator import chain_before, chain_error, split
from ..float_error import FLOAT32, Floats, Format, Real, column
from ..floatnet import Quantise


@dataclass(frozen=True, eq=False)
class Judgement:
    """For each value that differs: how far it is from being explained, and how far float arithmetic may be off."""

    distance: Floats
    bound: Floats
    exact: Floats
    boundary: Floats | None = None

    @property
    def explained(self) -> npt.NDArray[np.bool_]:
        return self.distance <= self.bound


def judge_levels(
    op: Quantise,
    real: Real,
    model: Floats,
    source: Floats,
    channels: npt.NDArray[np.intp],
    format_: Format = FLOAT32,
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


def real_output(out: Output, z: IntArray) -> tuple[Floats, Floats]:
    """scale * z + offset in float64, and |scale * z| + |offset|."""
    scaled, offset = column(out.scale, z.ndim) * z, column(out.offset, z.ndim)
    return scaled + offset, np.abs(scaled) + np.abs(offset)

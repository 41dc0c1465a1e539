"""Real weights to integers and a step: ternary, binary and K bits, with the least squared error or BTQ's tertiles.

Steps are rounded to `STEP_BITS` significant bits before the integers are chosen: the exact products of steps that
reach the network's output then stay far inside 64 bits, and the integers make the best of the rounded step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from intinfer.errors import DataError
from intinfer.files.packing import Encoding
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from ..floatnet import QuantisedWeight
from ..floatnet.layers import binary_weights, ternary_weights

STEP_BITS = 12
CLIPS = np.linspace(0.3, 1.0, 36)
"""Shares of the largest magnitude at which the step search of K-bit weights clips."""
REFINEMENTS = 4
WeightStep = Literal["lsq", "tertile"]
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WeightFormat:
    """What weights become: "ternary", "binary" or "int2" .. "int8", and how the step is found.

    Attributes:
        name: the format; intK is symmetric, -(2^(K-1) - 1) .. 2^(K-1) - 1.
        step: "lsq", the least squared error a channel; "tertile", BTQ's step of the layer (ternary only).

    Raises:
        DataError: an unknown format or step.
    """

    name: str
    step: WeightStep = "lsq"

    def __post_init__(self) -> None:
        if not re.fullmatch("ternary|binary|int[2-8]", self.name):
            raise DataError(f"weights {self.name!r} are unknown: allowed are ternary, binary and int2 .. int8")
        if self.step not in ("lsq", "tertile"):
            raise DataError(f"weight step {self.step!r} is unknown: allowed are lsq and tertile")
        if self.step == "tertile" and self.name != "ternary":
            raise DataError(f"weight step tertile is defined for ternary weights, not for {self.name}; use lsq")

    @property
    def encoding(self) -> Encoding:
        """The storage code of such weights."""
        return Encoding(f"s{self.name[3:]}" if self.name.startswith("int") else self.name)

    def quantise(self, values: npt.ArrayLike) -> QuantisedWeight:
        """The integers and one step an output channel.

        Args:
            values: real weights (O, ...), finite.

        Raises:
            DataError: weights that are not finite.
        """
        reals = np.asarray(values, dtype=np.float64)
        if not np.isfinite(reals).all():
            raise DataError(f"{int((~np.isfinite(reals)).sum())} of {reals.size} weights are not finite")
        rows = reals.reshape(len(reals), -1)
        if self.name == "binary":
            q, step = _binary(rows)
        elif self.name == "ternary":
            q, step = _tertile(rows) if self.step == "tertile" else _ternary(rows)
        else:
            q, step = _integers(rows, 2 ** (int(self.name[3:]) - 1) - 1)
        tensor = IntTensor(q.reshape(reals.shape), self.encoding)
        return QuantisedWeight(tensor, scale=tuple(exact_step(s) for s in step))


def exact_step(step: float, bits: int = STEP_BITS) -> Fraction:
    """The number of `bits` significant bits nearest to a step > 0; 1 for the step 0 of weights that are all 0."""
    return Fraction(float(_rounded(np.float64(step), bits)))


def _rounded(step: Reals | np.float64, bits: int = STEP_BITS) -> Reals:
    """`exact_step` of each, as floats."""
    mantissa, exponent = np.frexp(step)
    return np.where(step > 0, np.ldexp(np.rint(mantissa * 2**bits), exponent - bits), 1.0)


def _binary(rows: Reals) -> tuple[IntArray, Reals]:
    """sign(w) * mean |w|: the least squared error (XNOR-Net, section 3.1)."""
    return binary_weights(rows), np.abs(rows).mean(axis=1)


def _ternary(rows: Reals) -> tuple[IntArray, Reals]:
    """The least squared error of all q in {-1, 0, 1} and steps a row, in closed form.

    With the k largest magnitudes kept the best step is their mean, and the error is lowest where
    (their sum)^2 / k is largest.
    """
    order = np.argsort(-np.abs(rows), axis=1, kind="stable")
    ranked = np.take_along_axis(np.abs(rows), order, axis=1)
    sums = np.cumsum(ranked, axis=1)
    counts = np.arange(1, rows.shape[1] + 1)
    best = np.argmax(sums**2 / counts, axis=1)
    kept = np.arange(rows.shape[1]) <= best[:, None]
    q = np.zeros(rows.shape, dtype=np.int64)
    np.put_along_axis(q, order, kept.astype(np.int64), axis=1)
    step = np.take_along_axis(sums / counts, best[:, None], axis=1)[:, 0]
    return q * np.sign(rows).astype(np.int64), step


def _tertile(rows: Reals) -> tuple[IntArray, Reals]:
    """BTQ: q = clip(rnd(w / s), -1, 1) with s = |q1| + |q2|, the tertiles of the layer's weights; then each row's
    step that fits its q best. Raises DataError where the tertiles leave no weight but 0."""
    step = np.abs(np.quantile(rows, [1 / 3, 2 / 3])).sum()
    q = ternary_weights(rows, np.float64(step)) if step > 0 else np.zeros(rows.shape, dtype=np.int64)  # type: ignore[arg-type]
    if rows.any() and not q.any():
        raise DataError(f"BTQ's step {step:.6g} makes every weight of the layer 0; use the weight step lsq")
    return q, _fit(rows, q)


def _integers(rows: Reals, top: int) -> tuple[IntArray, Reals]:
    """A search over the clipping point, each candidate refined by alternating least squares."""
    peak = np.abs(rows).max(axis=1)
    best_step, best_error = _rounded(peak / top), np.full(len(rows), np.inf)
    for clip in CLIPS:
        step = _rounded(peak * clip / top)
        for _ in range(REFINEMENTS):
            q = _round_to(rows, step, top)
            error = ((rows - q * step[:, None]) ** 2).sum(axis=1)
            better = error < best_error
            best_step, best_error = np.where(better, step, best_step), np.where(better, error, best_error)
            step = _rounded(_fit(rows, q))
    return _round_to(rows, best_step, top), best_step


def _round_to(rows: Reals, step: Reals, top: int) -> IntArray:
    return np.clip(np.rint(rows / step[:, None]), -top, top).astype(np.int64)


def _fit(rows: Reals, q: IntArray) -> Reals:
    """The step with the least squared error for given integers: <w, q> / <q, q>, 0 for a row of zeros."""
    return np.asarray((rows * q).sum(axis=1) / np.maximum((q * q).sum(axis=1), 1))

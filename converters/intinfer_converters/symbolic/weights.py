"""Constant weights as integers times one scale an output channel."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from intinfer.packing import Encoding
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from ..evaluator import FloatArray, round_to_float
from ..floatnet import QuantisedWeight, RealWeight

MAX_LEVEL = 255
"""Largest integer that is looked for in weights of which only the float values are known."""
Quantised = tuple[IntArray, npt.NDArray[Any]]


def weight_of(values: FloatArray | IntArray, quantised: Quantised | None = None) -> QuantisedWeight | RealWeight:
    """The weights `values` (O, ...) as integers q and a scale an output channel, where they are such.

    Args:
        values: as the source computes with them, finite; integer arrays are themselves q with scale 1.
        quantised: q and a scale that broadcasts against it, when the source says them: `values` is q * scale, rounded.
            A scale that is not one an output channel is looked for in `values` anew.

    Returns:
        A QuantisedWeight when q * scale, rounded once to the dtype of `values`, gives `values` exactly; the integers
        of weights without a stated quantiser are looked for up to `MAX_LEVEL`. Else a RealWeight.
    """
    if values.dtype.kind in "iu":
        return _quantised(values.astype(np.int64), (Fraction(1),))
    if quantised is not None:
        q, scale = quantised
        rows = np.broadcast_to(scale, values.shape).reshape(len(values), -1)
        if (rows == rows[:, :1]).all():
            return _quantised(np.asarray(q, dtype=np.int64), _squeezed([Fraction(float(s)) for s in rows[:, 0]]))
    flat = cast("FloatArray", values.reshape(len(values), -1))
    candidates = [(rows, _integers(rows)) for rows in (flat.reshape(1, -1), flat)]
    known = [(rows, *found) for rows, found in candidates if found is not None]
    if not known:
        return RealWeight(np.array(values))
    # 0.1 and 0.25 in different channels are multiples of 0.05 only after rounding: one scale a channel says more.
    _, q, scales = min(known, key=lambda entry: (not _is_exact(*entry), int(np.abs(entry[1]).max()).bit_length()))
    return _quantised(q.reshape(values.shape), _squeezed(scales))


def _is_exact(rows: FloatArray, q: IntArray, scales: list[Fraction]) -> bool:
    """Whether q * scale is `rows` without rounding."""
    for row, levels, scale in zip(rows, q, scales, strict=True):
        different, first = np.unique(levels, return_index=True)
        if any(int(n) * scale != Fraction(float(row[i])) for n, i in zip(different, first, strict=True)):
            return False
    return True


def _squeezed(scales: list[Fraction]) -> tuple[Fraction, ...]:
    return (scales[0],) if len(set(scales)) == 1 else tuple(scales)


def _quantised(q: IntArray, scale: tuple[Fraction, ...]) -> QuantisedWeight:
    encoding = Encoding.smallest(min(int(q.min()), -1), int(q.max()))
    if q.min() >= -1 and q.max() <= 1:
        encoding = Encoding("ternary" if (q == 0).any() else "binary")
    return QuantisedWeight(q.shape, encoding, IntTensor(q, encoding), scale=scale)


def _integers(rows: FloatArray) -> tuple[IntArray, list[Fraction]] | None:
    """Integers of each row and its scale, or None when a row has none."""
    found = [_of_row(row) for row in rows]
    if any(entry is None for entry in found):
        return None
    known = [entry for entry in found if entry is not None]
    return np.stack([q for q, _ in known]), [scale for _, scale in known]


def _of_row(row: FloatArray) -> tuple[IntArray, Fraction] | None:
    """q and s with fl(q * s) = row, for the largest such s, |q| <= MAX_LEVEL."""
    magnitudes = np.unique(np.abs(row))
    magnitudes = magnitudes[magnitudes > 0]
    if not magnitudes.size:
        return np.zeros(row.shape, dtype=np.int64), Fraction(1)
    exact = magnitudes.astype(np.float64)
    if magnitudes.size > MAX_LEVEL or exact[-1] / exact[0] > MAX_LEVEL + 1:
        return None
    # Half a unit in the last place around each value: every product in there is rounded to it.
    half = np.spacing(magnitudes).astype(np.float64) / 2
    for k in range(1, MAX_LEVEL + 1):
        q = np.rint(exact / (exact[0] / k))
        if q[-1] > MAX_LEVEL:
            return None
        low, high = float(((exact - half) / q).max()), float(((exact + half) / q).min())
        if low > high:
            continue
        for guess in (exact[0] / k, float(row.dtype.type((low + high) / 2)), (low + high) / 2):
            scale = Fraction(guess)
            if all(round_to_float(int(n) * scale, row.dtype) == m for n, m in zip(q, exact, strict=True)):
                levels = np.rint(np.abs(row).astype(np.float64) / guess) * np.sign(row)
                return levels.astype(np.int64), scale
    return None

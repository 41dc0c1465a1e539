"""Constant weights as integers times one scale an output channel."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import cast

import numpy as np

from intinfer.files.packing import Encoding
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from ..evaluator import FloatArray, round_to_float
from ..floatnet import QuantisedWeight, RealWeight
from ..lowered import squeeze
from .base import Array, Unsupported

MAX_LEVEL = 255
"""Largest integer that is looked for in weights of which only the float values are known."""
NOISE = 2
"""Units in the last place of the largest weight that fake-quant code may leave: (round(w * n) / n) * 2 - 1."""
Quantised = tuple[IntArray, Array]


def weight_of(values: FloatArray | IntArray, quantised: Quantised | None = None) -> QuantisedWeight | RealWeight:
    """The weights `values` (O, ...) as integers q and a scale an output channel, where they are such.

    Args:
        values: as the source computes with them; integer arrays are themselves q with scale 1.
        quantised: q and a scale that broadcasts against it, when the source says them: `values` is q * scale, rounded.
            A scale that is not one an output channel is looked for in `values` anew.

    Returns:
        A QuantisedWeight when q * scale, rounded once to the dtype of `values`, gives `values` exactly; the integers
        of weights without a stated quantiser are looked for up to `MAX_LEVEL`. Weights that several roundings have
        left beside q * scale, by `NOISE` units in the last place of the largest at most, have their `error`. Else a
        RealWeight.

    Raises:
        Unsupported: weights that are not finite.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise Unsupported("its weights have NaN or infinite entries")
    if values.dtype.kind in "iu":
        return _quantised(values.astype(np.int64), (Fraction(1),))
    if quantised is not None:
        q, scale = quantised
        rows = np.broadcast_to(scale, values.shape).reshape(len(values), -1)
        if (rows == rows[:, :1]).all():
            return _quantised(np.asarray(q, dtype=np.int64), squeeze([Fraction(float(s)) for s in rows[:, 0]]))
    flat = cast("FloatArray", values.reshape(len(values), -1))
    for noise in (0, NOISE):
        candidates = [(rows, _integers(rows, noise)) for rows in (flat.reshape(1, -1), flat)]
        known = [(rows, *found) for rows, found in candidates if found is not None]
        if known:
            # 0.1 and 0.25 in two channels are multiples of 0.05 only after rounding: one scale a channel says more.
            _, q, scales = min(known, key=lambda it: (not _is_exact(*it), int(np.abs(it[1]).max()).bit_length()))
            weight = _quantised(q.reshape(values.shape), squeeze(scales))
            return replace(weight, error=_error(weight, flat)) if noise else weight
    return RealWeight(np.array(values))


def _is_exact(rows: FloatArray, q: IntArray, scales: list[Fraction]) -> bool:
    """Whether q * scale is `rows` without rounding."""
    return all(
        int(n) * scale == Fraction(float(row[i]))
        for row, levels, scale in zip(rows, q, scales, strict=True)
        for n, i in zip(*np.unique(levels, return_index=True), strict=True)
    )


def _error(weight: QuantisedWeight, rows: FloatArray) -> float:
    """The largest |row - scale * q|, rounded up."""
    assert isinstance(weight.tensor, IntTensor)
    scale = np.array([float(s) for s in weight.scale]).reshape(-1, 1)
    products = weight.tensor.values.reshape(rows.shape) * scale
    return float(np.abs(rows - products).max() + np.spacing(np.abs(products).max()))


def _quantised(q: IntArray, scale: tuple[Fraction, ...]) -> QuantisedWeight:
    encoding = Encoding.smallest(min(int(q.min()), -1), int(q.max()))
    if q.min() >= -1 and q.max() <= 1:
        encoding = Encoding("ternary" if (q == 0).any() else "binary")
    return QuantisedWeight(IntTensor(q, encoding), scale)


def _integers(rows: FloatArray, noise: int) -> tuple[IntArray, list[Fraction]] | None:
    """Integers of each row and its scale, or None when a row has none."""
    integers, scales = [], []
    for row in rows:
        found = _of_row(row, noise)
        if found is None:
            return None
        integers.append(found[0])
        scales.append(found[1])
    return np.stack(integers), scales


def _of_row(row: FloatArray, noise: int) -> tuple[IntArray, Fraction] | None:
    """q and s with fl(q * s) = row, or within `noise` of it, for the largest such s, |q| <= MAX_LEVEL."""
    magnitudes = np.unique(np.abs(row))
    slack = noise * float(np.spacing(magnitudes[-1])) if noise else 0.0
    magnitudes = magnitudes[magnitudes > slack]
    if not magnitudes.size:
        return np.zeros(row.shape, dtype=np.int64), Fraction(1)
    exact = magnitudes.astype(np.float64)
    if magnitudes.size > MAX_LEVEL or exact[-1] / exact[0] > MAX_LEVEL + 1:
        return None
    # Half a unit in the last place around each value: every product in there is rounded to it.
    half = np.full(exact.size, slack) if noise else np.spacing(magnitudes).astype(np.float64) / 2
    for k in range(1, MAX_LEVEL + 1):
        q = np.rint(exact / (exact[0] / k))
        if q[-1] > MAX_LEVEL:
            return None
        low, high = float(((exact - half) / q).max()), float(((exact + half) / q).min())
        if low > high:
            continue
        for guess in (exact[0] / k, float(row.dtype.type((low + high) / 2)), (low + high) / 2):
            scale = Fraction(guess)
            near = bool((np.abs(q * float(scale) - exact) <= slack).all()) if noise else _rounds(q, scale, exact, row)
            if near:
                levels = np.rint(np.abs(row).astype(np.float64) / guess) * np.sign(row)
                return levels.astype(np.int64), scale
    return None


def _rounds(q: FloatArray, scale: Fraction, exact: FloatArray, row: FloatArray) -> bool:
    """Whether q * scale, rounded once, is `exact`."""
    return all(round_to_float(int(n) * scale, row.dtype) == m for n, m in zip(q, exact, strict=True))

"""Constants of a channel that are another channel's, or read in another code: thresholds, multipliers, tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np

from intinfer.ops import Affine, Op, Requant, Table, Threshold
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from .mistake import Mistake
from .orders import channel_orders, exchanged, pairs
from .suspect import Suspect
from .weights import MAX_PAIRS

_PLURALS = {"multiplier": "multipliers", "offset": "offsets", "shift": "shifts", "descending": "flags descending"}


def mistakes(suspect: Suspect, op: Affine | Requant | Table | Threshold) -> Iterator[Mistake]:
    tensors = stored(op)
    for name, values in tensors.items():
        for text, changed, choices in _read_otherwise(name, values):
            yield _with(op, {name: changed}, text, choices)
        for text, changed, choices in _of_others(_PLURALS.get(name, name), values):
            yield _with(op, {name: changed}, text, choices)
    wide = {name: values for name, values in tensors.items() if len(values) > 1}
    if len(wide) > 1:
        for text, source, choices in channel_orders(suspect.channels):
            changes = {name: values[source] for name, values in wide.items()}
            yield _with(
                op, changes, f"{' and '.join(wide)} of the channels are {text}: 0 has those of {source[0]}", choices
            )


def stored(op: Op) -> dict[str, IntArray]:
    """The constants of an op by the names of its attributes."""
    found = {entry.name: getattr(op, entry.name) for entry in fields(op)}
    return {name: value.values for name, value in found.items() if isinstance(value, IntTensor)}


def _with(op: Op, changes: dict[str, IntArray], text: str, choices: int) -> Mistake:
    def run(x: IntArray) -> IntArray:
        return replace(op, **{name: IntTensor(values) for name, values in changes.items()}).reference(x)

    return Mistake(text, run, choices)


Changed = Iterator[tuple[str, IntArray, int]]


def _of_others(names: str, values: IntArray) -> Changed:
    """Those of other channels."""
    count = len(values)
    if (values == values[:1]).all():
        return
    for text, source, choices in channel_orders(count):
        yield f"{names} of the channels are {text}: 0 has those of {source[0]}", values[source], choices
    number = count * (count - 1) // 2
    for a, b in pairs(count) if number <= MAX_PAIRS else ():
        text = f"{names} of channels {a} and {b} are exchanged"
        yield text, values[exchanged(count, a, b)], max(2, number)
    for c in range(count):
        yield (
            f"all channels have the {names} of channel {c}",
            np.repeat(values[c : c + 1], count, axis=0),
            1 if not c else count,
        )


def _read_otherwise(name: str, values: IntArray) -> Changed:
    """The same words as other numbers, or read in another order."""
    if name == "descending":
        return
    names = _PLURALS.get(name, name)
    if values.min() < 0:
        yield f"{names} are read without their sign", np.abs(values), 1
        bits = max(int(values.max()), ~int(values.min())).bit_length() + 1
        yield f"{names} are read as unsigned {bits} bits", values % (1 << bits) if bits < 62 else values, 1
    else:
        bits = max(1, int(values.max()).bit_length())
    if name != "shift":
        yield f"{names} are negated", -values, 1
    if bits < 62:
        for kept in range(2, bits):
            low = values % (1 << kept)
            half = 1 << (kept - 1)
            yield f"{names} are read in their low {kept} bits, unsigned", low, bits
            if name != "shift":
                signed = np.where(low >= half, low - 2 * half, low)
                yield f"{names} are read in their low {kept} bits, two's complement", signed, bits
    if name in ("multiplier", "offset"):
        yield f"{names} are not applied", np.full_like(values, 1 if name == "multiplier" else 0), 1
    if values.ndim == 2 and min(values.shape) > 1:
        yield f"{names} lie channel innermost and are read channel outermost", values.T.reshape(values.shape).copy(), 1
        read = values.reshape(values.shape[::-1]).T.copy()
        yield f"{names} lie channel outermost and are read channel innermost", read, 1
    if values.size > 2:
        for by, late in ((1, "before"), (-1, "after")):
            moved = np.roll(values.reshape(-1), by).reshape(values.shape)
            yield f"each of the {names} is the one {late} it in the memory", moved, 1

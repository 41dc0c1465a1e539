"""Constants of a channel that are another channel's, or read in another code: thresholds, multipliers, tables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from intinfer.ops import Op
from intinfer.types import IntArray

from .mistake import Mistake, altered, of_channels, stored, wrapped
from .orders import channel_orders, exchanges

_PLURALS = {"multiplier": "multipliers", "offset": "offsets", "shift": "shifts", "descending": "flags descending"}


def mistakes(op: Op, channels: int) -> Iterator[Mistake]:
    """Constants that are another channel's or read otherwise, of an op of one input whose constants have a row for all
    channels, or one for each."""
    constants = {name: tensor.values for name, tensor in stored(op).items()}
    for name, values in constants.items():
        plural = _PLURALS.get(name, name)
        for text, changed, choices in chain(_read_otherwise(name, plural, values), _of_others(plural, values)):
            yield Mistake(text, altered(op, **{name: changed}).reference, choices)
    wide = [name for name, values in constants.items() if len(values) > 1]
    if len(wide) > 1:
        orders = [(f"{text}: 0 has those of {source[0]}", source, n) for text, source, n in channel_orders(channels)]
        orders += [(f"all those of channel {c}", np.full(channels, c), channels if c else 1) for c in range(channels)]
        for text, source, choices in orders:
            what = f"{' and '.join(wide)} of the channels are {text}"
            yield Mistake(what, of_channels(op, source).reference, choices)


Changed = Iterator[tuple[str, IntArray, int]]


def _of_others(names: str, values: IntArray) -> Changed:
    """Those of other channels."""
    count = len(values)
    if (values == values[:1]).all():
        return
    for text, source, choices in channel_orders(count):
        yield f"{names} of the channels are {text}: 0 has those of {source[0]}", values[source], choices
    for a, b, source, choices in exchanges(count):
        yield f"{names} of channels {a} and {b} are exchanged", values[source], choices
    for c in range(count):
        yield f"all channels have the {names} of channel {c}", values[[c] * count], count if c else 1


def _read_otherwise(name: str, names: str, values: IntArray) -> Changed:
    """The same words as other numbers, or read in another order."""
    if name == "descending":
        return
    bits = max(1, int(values.max()).bit_length())
    if values.min() < 0:
        yield f"{names} are read without their sign", np.abs(values), 1
        bits = max(int(values.max()), ~int(values.min())).bit_length() + 1
        yield f"{names} are read as unsigned {bits} bits", values % (1 << bits) if bits < 62 else values, 1
    if name != "shift":
        yield f"{names} are negated", -values, 1
    for kept in range(2, bits) if bits < 62 else ():
        yield f"{names} are read in their low {kept} bits, unsigned", wrapped(values, kept, False), bits
        if name != "shift":
            yield f"{names} are read in their low {kept} bits, two's complement", wrapped(values, kept, True), bits
    if name in ("multiplier", "offset"):
        yield f"{names} are not applied", np.full_like(values, 1 if name == "multiplier" else 0), 1
    if values.ndim == 2 and min(values.shape) > 1:
        yield f"{names} lie channel innermost and are read channel outermost", values.T.reshape(values.shape), 1
        yield f"{names} lie channel outermost and are read channel innermost", values.reshape(values.shape[::-1]).T, 1
    for by, late in ((1, "before"), (-1, "after")) if values.size > 2 else ():
        moved = np.roll(values.reshape(-1), by).reshape(values.shape)
        yield f"each of the {names} is the one {late} it in the memory", moved, 1

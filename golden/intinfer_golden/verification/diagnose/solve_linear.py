"""Input channels that are read from anywhere: the weights that the dump's own sums were made with are solved for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray

from .macs import EXACT, Mac
from .mistake import Mistake
from .orders import described, matched, moved, usual
from .suspect import Suspect

MAX_UNKNOWN = 1024
"""Weights of an output, of all input channels, that are solved for."""
ROWS = 3
"""Sums an unknown."""


def mistakes(suspect: Suspect, op: Conv2d | Dense) -> Iterator[Mistake]:
    mac = Mac.of(op)
    if not suspect.dumped or mac.rule is not EXACT or mac.inputs < 2:
        return
    used = _used(suspect, mac)
    source = None if used is None else _source(mac, used)
    if source is None or (told := _told(mac, source)) is None:
        return
    yield Mistake(told, lambda x: mac.run(x[:, source]), mac.inputs ** len(moved(source)), kind="order")


def _used(suspect: Suspect, mac: Mac) -> IntArray | None:
    """(O, C, KH * KW), of all input channels: the only weights that make the dump's sums; None where there are none, or
    many."""
    scene = suspect.scene
    taps = int(np.prod(mac.weight.shape[2:]))
    unknown = mac.inputs * taps
    pixels = suspect.node.output.size // suspect.channels
    whole = scene.asked.reshape(len(scene.asked), -1).all(axis=1)
    frames = sorted(np.flatnonzero(whole).tolist(), key=lambda n: n not in scene.wrong_frames)
    frames = sorted(frames[: -(-ROWS * unknown // pixels)])
    if unknown > MAX_UNKNOWN or len(frames) * pixels < unknown or not scene.budget.take(8 * ROWS * unknown**2):
        return None
    (x,) = suspect.operands(frames)
    rows = mac.taps(x).transpose(0, 2, 3, 1, 4, 5).reshape(-1, unknown)
    sums = np.moveaxis(scene.actual[frames], 1, -1).reshape(len(rows), -1)
    step = max(1, len(rows) // (ROWS * unknown))
    found, _, rank, _ = np.linalg.lstsq(rows[::step].astype(float), sums[::step].astype(float), rcond=None)
    whole_numbers = np.rint(found)
    if rank < unknown or (np.abs(found - whole_numbers) > 1e-3).any() or (np.abs(whole_numbers) > 2**40).any():
        return None
    used: IntArray = whole_numbers.astype(np.int64).T.reshape(-1, mac.inputs, taps)
    return used


def _source(mac: Mac, used: IntArray) -> list[int] | None:
    """From which channel of the input each one that the weights are of is read."""
    size = mac.weight.shape[1]
    each = len(mac.weight) // mac.groups
    own = mac.weight.reshape(len(mac.weight), size, -1)
    candidates = {}
    for c in range(mac.inputs):
        outputs = slice(c // size * each, (c // size + 1) * each)
        fits = (used[outputs] == own[outputs, c % size][:, None]).all(axis=(0, 2))
        if not fits[c]:
            candidates[c] = np.flatnonzero(fits).tolist()
    return matched(mac.inputs, candidates)


def _told(mac: Mac, source: list[int]) -> str | None:
    """In words; None for an order that is tried elsewhere."""
    count, size = mac.inputs, mac.weight.shape[1]
    places, rows = moved(source), np.array(source).reshape(-1, size)
    each = " of each group" if mac.groups > 1 else ""
    if len(places) == 1:
        return f"input channel {places[0]} is read from channel {source[places[0]]}"
    if len(set(source)) < count:
        return f"the input's channels are taken from others: {described(source)}"
    if len(places) == 2 and mac.groups > 1:
        return f"the input's channels {places[0]} and {places[1]} are exchanged"
    if not (rows == rows[0] + np.arange(0, count, size)[:, None]).all():
        return f"the input's channels are permuted: {described(source)}"
    if usual(rows[0].tolist()):
        return None
    if len(places) == 2 * mac.groups:
        return f"input channels {places[0]} and {places[1]}{each} of the weights are exchanged"
    return f"input channels{each} of the weights are permuted: {described(np.argsort(rows[0]).tolist())}"

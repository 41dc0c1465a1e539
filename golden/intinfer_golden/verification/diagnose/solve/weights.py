"""One weight that is wrong: solved for on the channel that differs, then confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray

from ....designs import Mistake, wrapped
from ....designs.mac import EXACT, Mac
from ..evidence import interval
from ..suspect import Suspect

MAX_VALUES = 256
"""Other values of a weight that are all tried; of wider codes those that a flipped bit, a lost or turned sign make."""
MAX_TRIES = 4096
"""Weights and values that are tried one by one where nothing can be solved for."""
FEW = 8
"""Solutions beyond which the dump does not say which one it is."""


def mistakes(suspect: Suspect, op: Conv2d | Dense) -> Iterator[Mistake]:
    """One weight with another value, on the channel that differs, or where nodes behind mix the channels on any."""
    mac = Mac.of(suspect.scene.graph, suspect.node)
    if not suspect.channelwise:
        yield from _any_weight(mac)
    elif suspect.wrong_channel is not None:
        yield from _one_weight(suspect, mac, suspect.wrong_channel)


def _one_weight(suspect: Suspect, mac: Mac, o: int) -> Iterator[Mistake]:
    """A single weight of output channel o; of several values that all explain the dump, their range."""
    scene = suspect.scene
    frames = [n for n in scene.sample if n in scene.wrong_frames] or scene.sample
    size = mac.weight[0].size
    candidates = [(tap, value) for tap in range(size) for value in _others(mac, o, tap)]
    by_tap: dict[int, list[int]] = {}
    step = max(1, 2**22 // max(1, len(frames) * suspect.node.output.size // suspect.channels))
    for start in range(0, len(candidates), step):
        part = candidates[start : start + step]
        fits = suspect.channel_fits(o, _with_weights(suspect, mac, o, part, frames), frames)
        for k in np.flatnonzero(fits):
            by_tap.setdefault(part[k][0], []).append(part[k][1])
    for tap, values in by_tap.items() if len(by_tap) <= FEW else ():
        tried = [_changed(mac, o, tap, value, len(candidates) * suspect.channels) for value in values]
        scopes = [suspect.explains(mistake) for mistake in tried]
        kept = [k for k, scope in enumerate(scopes) if scope is not None and not scope.text]
        if kept:  # values that hold in all frames, as one mistake
            text = f"{mac.place(o, tap)} is {_either([values[k] for k in kept])}, not {mac.weight[o].flat[tap]}"
            yield replace(tried[kept[0]], text=text)


def _changed(mac: Mac, o: int, tap: int, value: int, choices: int) -> Mistake:
    """Another weight, tap `tap` of output channel o."""

    def run(x: IntArray) -> IntArray:
        weight = mac.weight.copy()
        weight[o].flat[tap] = value
        return mac.run(x, weight)

    return Mistake(f"{mac.place(o, tap)} is {value}, not {mac.weight[o].flat[tap]}", run, choices)


def _either(values: list[int]) -> str:
    if values == list(range(values[0], values[-1] + 1)):
        return interval(values[0], values[-1])
    return " or ".join(map(str, values[:FEW]))


def _others(mac: Mac, o: int, tap: int) -> list[int]:
    """Values that a weight may have instead of its own."""
    lo, hi = mac.bounds
    own = int(mac.weight[o].reshape(-1)[tap])
    if hi - lo < MAX_VALUES:
        return [value for value in {*range(lo, hi + 1), 0} if value != own]
    bits = max(hi, -lo - 1).bit_length() + (lo < 0)
    flipped = wrapped(own ^ (1 << np.arange(bits)), bits, lo < 0).tolist()
    return [value for value in {*flipped, 0, -own, own + 1, own - 1} if value != own]


def _with_weights(suspect: Suspect, mac: Mac, o: int, candidates: list[tuple[int, int]], frames: list[int]) -> IntArray:
    """(K, N, *map): what channel o gives with each of the weights."""
    (x,) = suspect.operands(frames)
    one = mac.one_output(o)
    taps = one.taps(x[:, mac.group_of(o)])
    if mac.rule.sequential:
        made = []
        for tap, value in candidates:
            weight = one.weight.copy()
            weight.reshape(-1)[tap] = value
            made.append(one.sums(taps, weight)[:, 0])
        return np.stack(made)
    each = taps.transpose(1, 4, 5, 0, 2, 3).reshape(-1, len(x), *taps.shape[2:4])
    sums = one.sums(taps, rule=EXACT)[:, 0].reshape(len(x), *taps.shape[2:4])
    places = np.array([tap for tap, _ in candidates])
    change = np.array([value for _, value in candidates]) - one.weight.reshape(-1)[places]
    total = sums + change[:, None, None, None] * each[places]
    return mac.finish(total)[..., 0, 0] if mac.dense else mac.finish(total)


def _any_weight(mac: Mac) -> Iterator[Mistake]:
    """Where the nodes behind mix the channels, each weight is tried, if there are not too many."""
    outputs, size = len(mac.weight), mac.weight[0].size
    count = sum(len(_others(mac, o, 0)) for o in range(outputs)) * size
    for o, tap in product(range(outputs), range(size)) if count <= MAX_TRIES else ():
        for value in _others(mac, o, tap):
            yield _changed(mac, o, tap, value, count)

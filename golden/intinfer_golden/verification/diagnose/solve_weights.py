"""One weight that is wrong: solved for on the channel that differs, then confirmed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray

from .macs import EXACT, Mac
from .mistake import Mistake
from .suspect import Suspect

MAX_VALUES = 256
"""Other values of a weight that are all tried; of wider codes those that a flipped bit, a lost or turned sign make."""
MAX_TRIES = 4096
"""Weights and values that are tried one by one where nothing can be solved for."""
FEW = 8
"""Solutions beyond which the dump does not say which one it is."""


def mistakes(suspect: Suspect, op: Conv2d | Dense) -> Iterator[Mistake]:
    mac = Mac.of(op)
    if not suspect.channelwise:
        yield from _any_weight(suspect, mac)
        return
    if len(suspect.wrong_channels) == 1:
        yield from _one_weight(suspect, mac, suspect.wrong_channels[0])


def _one_weight(suspect: Suspect, mac: Mac, o: int) -> Iterator[Mistake]:
    """A single weight of output channel o; of several values that all explain the dump, their range."""
    scene = suspect.scene
    frames = [n for n in scene.sample if n in scene.wrong_frames] or scene.sample
    size = mac.weight[0].size
    candidates = [(tap, value) for tap in range(size) for value in _others(mac, o, tap)]
    found: list[tuple[int, int]] = []
    step = max(1, 2**22 // max(1, len(frames) * suspect.node.output.size // suspect.channels))
    for start in range(0, len(candidates), step):
        part = candidates[start : start + step]
        fits = suspect.channel_fits(o, _with_weights(suspect, mac, o, part, frames), frames)
        found += [part[k] for k in np.flatnonzero(fits)]
    by_tap: dict[int, list[int]] = {}
    for tap, value in found:
        by_tap.setdefault(tap, []).append(value)
    if len(by_tap) > FEW:
        return
    for tap, values in by_tap.items():
        yield from _told(suspect, mac, o, tap, values, len(candidates) * suspect.channels)


def _told(suspect: Suspect, mac: Mac, o: int, tap: int, values: list[int], choices: int) -> Iterator[Mistake]:
    """Values that hold in all frames, as one mistake."""
    i, ky, kx = (int(k) for k in np.unravel_index(tap, mac.weight.shape[1:]))
    own = int(mac.weight[o, i, ky, kx])

    def run(value: int) -> Mistake:
        changed = mac.weight.copy()
        changed[o, i, ky, kx] = value
        return Mistake("", lambda x: mac.run(x, changed), choices)

    kept = [value for value in values if (scope := suspect.explains(run(value))) is not None and not scope.text]
    if kept:
        text = f"{mac.place(o, i, ky, kx)} is {_either(kept)}, not {own}"
        yield Mistake(text, run(kept[0]).values, choices)


def _either(values: list[int]) -> str:
    if len(values) == 1:
        return str(values[0])
    if values == list(range(values[0], values[-1] + 1)):
        return f"between {values[0]} and {values[-1]}"
    return " or ".join(map(str, values[:FEW]))


def _others(mac: Mac, o: int, tap: int) -> list[int]:
    """Values that a weight may have instead of its own."""
    lo, hi = mac.bounds
    own = int(mac.weight[o].reshape(-1)[tap])
    if hi - lo < MAX_VALUES:
        return [value for value in {*range(lo, hi + 1), 0} if value != own]
    bits = max(hi, -lo - 1).bit_length() + (lo < 0)
    top = 1 << bits
    flipped = [(own ^ (1 << k)) % top for k in range(bits)]
    signed = [value - top if lo < 0 and value >= top // 2 else value for value in flipped]
    return [value for value in {*signed, 0, -own, own + 1, own - 1} if value != own]


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
    total = total if mac.rule is EXACT else mac.rule.wrap_sum(total)
    return total[..., 0, 0] if mac.dense else total


def _any_weight(suspect: Suspect, mac: Mac) -> Iterator[Mistake]:
    """Where the nodes behind mix the channels, each weight is tried, if there are not too many."""
    others = [_others(mac, o, 0) for o in range(len(mac.weight))]
    count = sum(map(len, others)) * mac.weight[0].size
    if count > MAX_TRIES:
        return
    for o, i, ky, kx in np.ndindex(*mac.weight.shape):
        own = int(mac.weight[o, i, ky, kx])
        tap = int(np.ravel_multi_index((i, ky, kx), mac.weight.shape[1:]))
        for value in _others(mac, o, tap):
            changed = mac.weight.copy()
            changed[o, i, ky, kx] = value
            text = f"{mac.place(o, i, ky, kx)} is {value}, not {own}"
            yield Mistake(text, lambda x, changed=changed: mac.run(x, changed), count)

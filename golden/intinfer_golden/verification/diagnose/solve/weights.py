"""One weight that is wrong: solved for on the channel that differs, then confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray

from ....designs import Mistake, with_entry, wrapped
from ....designs.mac import EXACT, Mac
from ..evidence import interval
from ..suspect import Suspect

MAX_VALUES = 256
"""Other values of a weight that are all tried; of wider codes those that a flipped bit, a lost or turned sign make."""
MAX_TRIES = 4096
"""Weights and values that are tried one by one where nothing can be solved for."""
OTHERS = 2**12
"""Values of a weight that its code does not hold, of which the dump picks one."""
FEW = 8
"""Solutions beyond which the dump does not say which one it is."""


def mistakes(suspect: Suspect, op: Conv2d | Dense) -> Iterator[Mistake]:
    """One weight with another value, on the channel that differs, or where nodes behind mix the channels on any; one of
    its own code, or else any."""
    mac = Mac.of(suspect.scene.graph, suspect.node)
    if not suspect.channelwise:
        yield from _any_weight(mac)
    elif (o := suspect.wrong_channel) is not None:
        size, channels = mac.weight[0].size, suspect.channels
        own = [(tap, value) for tap in range(size) for value in _others(mac, o, tap)]
        found = list(_one_weight(suspect, mac, o, own, len(own) * channels))
        if not found:
            solved = suspect.dumped and mac.rule is EXACT
            others = _solved(suspect, mac, o) if solved else _beyond(mac, size)
            found = list(_one_weight(suspect, mac, o, others, size * channels * OTHERS))
        yield from found


Candidate = tuple[int, int]
"""A tap of an output channel, and the value of its weight."""


def _one_weight(suspect: Suspect, mac: Mac, o: int, candidates: list[Candidate], choices: int) -> Iterator[Mistake]:
    """A single weight of output channel o, of some candidates; of several values that all explain the dump, their
    range."""
    frames = _frames(suspect)
    by_tap: dict[int, list[int]] = {}
    step = max(1, 2**22 // max(1, len(frames) * suspect.node.output.size // suspect.channels))
    for start in range(0, len(candidates), step):
        part = candidates[start : start + step]
        fits = suspect.channel_fits(o, _with_weights(suspect, mac, o, part, frames), frames)
        for k in np.flatnonzero(fits):
            by_tap.setdefault(part[k][0], []).append(part[k][1])
    for tap, values in by_tap.items() if len(by_tap) <= FEW else ():
        scopes = [suspect.explains(_changed(mac, o, tap, [value], choices)) for value in values]
        kept = [value for value, scope in zip(values, scopes, strict=True) if scope is not None and not scope.text]
        if kept:  # values that hold in all frames, as one mistake
            yield _changed(mac, o, tap, kept, choices)


def _frames(suspect: Suspect) -> list[int]:
    """Frames on which weights are tried."""
    scene = suspect.scene
    return [n for n in scene.sample if n in scene.wrong_frames] or scene.sample


def _changed(mac: Mac, o: int, tap: int, values: list[int], choices: int) -> Mistake:
    """Another weight, tap `tap` of output channel o: any of `values`, which all make the same of the dump."""
    at, (lo, hi) = (o, *map(int, np.unravel_index(tap, mac.weight.shape[1:]))), mac.bounds
    beyond = all(value < lo or value > hi for value in values)
    why = f", which {mac.op.weight.encoding} cannot hold" if beyond else ""
    text = f"{mac.place(o, tap)} is {_either(values)}, not {mac.weight[at]}{why}"
    return Mistake(text, lambda x: mac.run(x, with_entry(mac.weight, at, values[0])), choices)


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


def _beyond(mac: Mac, size: int) -> list[Candidate]:
    """Values that a narrow code does not hold, half as many on each side of it as it has, for each tap."""
    lo, hi = mac.bounds
    if hi - lo >= MAX_VALUES:
        return []
    by = (hi - lo) // 2 + 1
    return [(tap, value) for tap in range(size) for value in (*range(lo - by, lo), *range(hi + 1, hi + by + 1))]


def _solved(suspect: Suspect, mac: Mac, o: int) -> list[Candidate]:
    """For each tap the only value that makes the largest difference of the dump's sums, where there is one."""
    frames = _frames(suspect)
    scene, at = suspect.scene, np.s_[frames, o]
    difference = np.where(scene.wrong[at], scene.actual[at] - scene.expected[at], 0).reshape(-1)
    place = int(np.argmax(np.abs(difference)))
    activations = _activations(suspect, mac, o, frames).reshape(mac.weight[0].size, -1)[:, place]
    own = mac.weight[o].reshape(-1)
    met = [(tap, x) for tap, x in enumerate(activations.tolist()) if x and difference[place] % x == 0]
    return [(tap, int(own[tap] + difference[place] // x)) for tap, x in met]


def _activations(suspect: Suspect, mac: Mac, o: int, frames: list[int]) -> IntArray:
    """(taps, N, OH, OW): what each weight of output channel o is multiplied with."""
    (x,) = suspect.operands(frames)
    taps = mac.one_output(o).taps(x[:, mac.group_of(o)])
    return taps.transpose(1, 4, 5, 0, 2, 3).reshape(-1, len(x), *taps.shape[2:4])


def _with_weights(suspect: Suspect, mac: Mac, o: int, candidates: list[Candidate], frames: list[int]) -> IntArray:
    """(K, N, *map): what channel o gives with each of the weights."""
    (x,) = suspect.operands(frames)
    one = mac.one_output(o)
    taps = one.taps(x[:, mac.group_of(o)])
    if mac.rule.sequential:
        flat, shape = one.weight.reshape(-1), one.weight.shape
        tried = (with_entry(flat, tap, value).reshape(shape) for tap, value in candidates)
        return np.stack([one.sums(taps, weight)[:, 0] for weight in tried])
    each = _activations(suspect, mac, o, frames)
    sums = one.sums(taps, rule=EXACT)[:, 0].reshape(each.shape[1:])
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
            yield _changed(mac, o, tap, [value], count)

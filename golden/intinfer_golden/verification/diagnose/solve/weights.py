"""One weight that is wrong: solved for on the channel that differs, then confirmed.

Input channels of the weights in any order: found by exchanging two at a time as long as that comes nearer to the dump.
Input channels that are read from anywhere: the weights that the dump's own sums were made with are solved for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import factorial

import numpy as np

from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray

from ....designs import Mistake, with_entry, wrapped
from ....designs.mac import EXACT, Mac
from ....designs.orders import described, matched, moved, usual
from ..evidence import interval
from ..suspect import Suspect

MAX_VALUES = 256
"""Other values of a weight that are all tried; of wider codes those that a flipped bit, a lost or turned sign make."""
MAX_TRIES = 4096
"""Weights and values that are tried one by one where nothing can be solved for."""
FEW = 8
"""Solutions beyond which the dump does not say which one it is."""
MAX_CHANNELS = 256
"""Input channels of a group whose order is looked for."""
OUTPUTS, PIXELS = 8, 128
"""Output channels that the search looks at, and the pixels of each that it needs; whole frames of them."""
CHEAP = 2**22
"""Work of one step of the search up to which it looks at more output channels."""

MAX_UNKNOWN = 1024
"""Weights of an output, of all input channels, that are solved for."""
ROWS = 3
"""Sums an unknown."""


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
    text = f"{mac.place(o, tap)} is {value}, not {mac.weight[o].flat[tap]}"
    at = (o, *map(int, np.unravel_index(tap, mac.weight.shape[1:])))
    return Mistake(text, lambda x: mac.run(x, with_entry(mac.weight, at, value)), choices)


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
        flat, shape = one.weight.reshape(-1), one.weight.shape
        tried = (with_entry(flat, tap, value).reshape(shape) for tap, value in candidates)
        return np.stack([one.sums(taps, weight)[:, 0] for weight in tried])
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


# ---------------------------------------------------------------------------------------------------- input channels


def permuted(suspect: Suspect, op: Conv2d | Dense) -> Iterator[Mistake]:
    """Input channels of the weights, of each group alike, in an order that a search finds."""
    mac = Mac.of(suspect.scene.graph, suspect.node)
    count = mac.weight.shape[1]
    if not suspect.channelwise or mac.rule.sequential or not 2 < count <= MAX_CHANNELS:
        return
    order = _order(suspect, mac)
    if order is None or usual(order):
        return
    source = np.argsort(order)
    yield Mistake(_order_text(mac, order), lambda x: mac.run(x, mac.weight[:, source]), factorial(count), kind="order")


def _order_text(mac: Mac, order: list[int]) -> str:
    """That the weights have an order of input channels, in each group."""
    each, places = " of each group" if mac.groups > 1 else "", moved(order)
    if len(places) == 2:
        return f"input channels {places[0]} and {places[1]}{each} of the weights are exchanged"
    return f"input channels{each} of the weights are permuted: {described(np.argsort(order).tolist())}"


def _order(suspect: Suspect, mac: Mac) -> list[int] | None:
    """The order of the input channels, the same in each group, in which the outputs are the dump's; None where the
    search ends elsewhere."""
    count = mac.weight.shape[1]
    each_frame = suspect.node.output.size // suspect.channels
    frames = suspect.scene.wrong_frames[: -(-PIXELS // each_frame)]
    (x,) = suspect.operands(frames)
    shape = (len(frames), *suspect.node.output.shape[1:])
    pixels = int(np.prod(shape))
    most = max(OUTPUTS, CHEAP // (count * count * pixels))
    outputs = sorted(suspect.wrong_channels, key=lambda c: -int(suspect.scene.wrong[:, c].sum()))[:most]
    work = count * count * pixels * len(outputs)
    if work > 2**26 or not suspect.scene.budget.take(4 * work):
        return None
    made = {o: _parts(mac, o, x) for o in outputs}
    order, (a, b) = np.arange(count), np.triu_indices(count, 1)
    nearest = np.iinfo(np.int64).max
    for _ in range(2 * count):
        distances = np.zeros(len(a) + 1, dtype=np.int64)  # the last try leaves all as it is
        for o, part in made.items():
            now = part[np.arange(count), order]
            total = now.sum(axis=0)
            tries = total - now[a] - now[b] + part[a, order[b]] + part[b, order[a]]
            sums = mac.finish(np.concatenate([tries, total[None]]))
            distances += suspect.channel_distances(o, sums.reshape(-1, *shape), frames)
        best = int(np.argmin(distances))
        if best == len(a) or distances[best] >= nearest:
            return None
        nearest = distances[best]
        order[[a[best], b[best]]] = order[[b[best], a[best]]]
        if nearest == 0:
            return order.tolist()
    return None


def _parts(mac: Mac, o: int, x: IntArray) -> IntArray:
    """(I, I, pixels): the sum that the weights of input i make of input channel j."""
    one = mac.one_output(o)
    taps = one.taps(x[:, mac.group_of(o)])
    count = taps.shape[1]
    flat = taps.transpose(1, 0, 2, 3, 4, 5).reshape(count, -1, taps.shape[4] * taps.shape[5])
    parts: IntArray = np.einsum("ik,jpk->ijp", one.weight.reshape(count, -1), flat)
    return parts


def read_anywhere(suspect: Suspect, op: Conv2d | Dense) -> Iterator[Mistake]:
    """Input channels read from others, where the dump's sums tell the weights that made them."""
    mac = Mac.of(suspect.scene.graph, suspect.node)
    if not suspect.dumped or mac.rule is not EXACT or mac.shape[0] < 2:
        return
    used = _used(suspect, mac)
    source = None if used is None else _source(mac, used)
    if source is None or (told := _told(mac, source)) is None:
        return
    yield Mistake(told, lambda x: mac.run(x[:, source]), mac.shape[0] ** len(moved(source)), kind="order")


def _used(suspect: Suspect, mac: Mac) -> IntArray | None:
    """(O, C, KH * KW), of all input channels: the only weights that make the dump's sums; None where there are none, or
    many."""
    scene = suspect.scene
    taps = int(np.prod(mac.weight.shape[2:]))
    unknown = mac.shape[0] * taps
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
    used: IntArray = whole_numbers.astype(np.int64).T.reshape(-1, mac.shape[0], taps)
    return used


def _source(mac: Mac, used: IntArray) -> list[int] | None:
    """From which channel of the input each one that the weights are of is read."""
    size = mac.weight.shape[1]
    each = len(mac.weight) // mac.groups
    own = mac.weight.reshape(len(mac.weight), size, -1)
    candidates = {}
    for c in range(mac.shape[0]):
        outputs = slice(c // size * each, (c // size + 1) * each)
        fits = (used[outputs] == own[outputs, c % size][:, None]).all(axis=(0, 2))
        if not fits[c]:
            candidates[c] = np.flatnonzero(fits).tolist()
    return matched(mac.shape[0], candidates)


def _told(mac: Mac, source: list[int]) -> str | None:
    """In words; None for an order that is tried elsewhere."""
    count, size = mac.shape[0], mac.weight.shape[1]
    places, rows = moved(source), np.array(source).reshape(-1, size)
    if len(places) == 1:
        return f"input channel {places[0]} is read from channel {source[places[0]]}"
    if len(set(source)) < count:
        return f"the input's channels are taken from others: {described(source)}"
    if len(places) == 2 and mac.groups > 1:
        return f"the input's channels {places[0]} and {places[1]} are exchanged"
    if not (rows == rows[0] + np.arange(0, count, size)[:, None]).all():
        return f"the input's channels are permuted: {described(source)}"
    return None if usual(rows[0].tolist()) else _order_text(mac, rows[0].tolist())

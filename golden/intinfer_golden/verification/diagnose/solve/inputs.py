"""Input channels that are taken for others, whatever the weights are.

In any order: found by exchanging two at a time as long as that comes nearer to the dump. Read from anywhere: the
weights that the dump's own sums were made with are solved for.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial

import numpy as np

from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray

from ....designs import Mistake
from ....designs.mac import EXACT, Mac
from ....designs.orders import described, matched, moved, usual
from ..suspect import Suspect

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

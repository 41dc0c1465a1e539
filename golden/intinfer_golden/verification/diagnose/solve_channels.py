"""One channel or element that is taken from another place, as the dump itself tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from intinfer.ops import Add, ChannelSelect, Concat, Gather, Mux, Op
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from .mistake import Mistake
from .orders import channel_orders, described, matched
from .suspect import Suspect

MAX_MATCHED = 512
"""Channels among which the one is looked for that another holds."""


def mistakes(suspect: Suspect, op: Op) -> Iterator[Mistake]:
    whole = suspect.dumped
    if isinstance(op, Mux) and whole:
        yield from _selects(suspect, op)
    if isinstance(op, ChannelSelect | Concat) and whole:
        yield from _sources(suspect)
    if isinstance(op, Gather) and whole:
        yield from _index(suspect, op)
    if suspect.channelwise:
        if isinstance(op, Add | Mux):
            yield from _operands(suspect)
        yield from _channels(suspect)


def _selects(suspect: Suspect, op: Mux) -> Iterator[Mistake]:
    """The select of one channel: stuck, inverted, or another channel's."""
    if len(suspect.wrong_channels) != 1:
        return
    (c,) = suspect.wrong_channels
    name = suspect.node.inputs[0]

    def run(change: Callable[..., IntArray]) -> Callable[..., IntArray]:
        def made(s: IntArray, a: IntArray, b: IntArray) -> IntArray:
            changed = s.copy()
            changed[:, c] = change(s)
            return op.reference(changed, a, b)

        return made

    count = 3 + suspect.channels
    yield Mistake(f"channel {c} of {name} is stuck at 0", run(lambda s: s[:, c] * 0), count)
    yield Mistake(f"channel {c} of {name} is stuck at 1", run(lambda s: s[:, c] * 0 + 1), count)
    yield Mistake(f"channel {c} of {name} is inverted", run(lambda s: 1 - s[:, c]), count)
    for k in range(suspect.channels):
        if k != c:
            yield Mistake(f"channel {c} is selected by channel {k} of {name}", run(lambda s, k=k: s[:, k]), count)


def _sources(suspect: Suspect) -> Iterator[Mistake]:
    """A channel of the result that is another channel of an operand."""
    scene = suspect.scene
    names = [(name, i) for name in suspect.node.inputs for i in range(scene.graph.values[name].shape[0])]
    if len(suspect.wrong_channels) > 1 or len(names) > MAX_MATCHED:
        return
    (c,) = suspect.wrong_channels
    given = np.concatenate(suspect.operands(scene.frames), axis=1)
    asked = scene.asked[:, c]
    reference = suspect.reference
    for k, (name, i) in enumerate(names):
        if (scene.same(given[:, k], scene.actual[:, c]) | ~asked).all():

            def run(*xs: IntArray, k: int = k) -> IntArray:
                made = reference(*xs).copy()
                made[:, c] = np.concatenate(xs, axis=1)[:, k]
                return made

            yield Mistake(f"output channel {c} is channel {i} of {name}", run, len(names) * suspect.channels)


def _index(suspect: Suspect, op: Gather) -> Iterator[Mistake]:
    """One index."""
    scene = suspect.scene
    places = np.flatnonzero(scene.wrong.any(axis=0).reshape(-1))
    if len(places) != 1:
        return
    place = int(places[0])
    (x,) = suspect.operands(scene.frames)
    flat, actual = x.reshape(len(x), -1), scene.actual.reshape(len(x), -1)[:, place]
    asked = scene.asked.reshape(len(x), -1)[:, place]
    same = (scene.same(flat, actual[:, None]) | ~asked[:, None]).all(axis=0)
    at = ",".join(str(int(i)) for i in np.unravel_index(place, op.index.shape))
    own = int(op.index.values.reshape(-1)[place])
    for source in np.flatnonzero(same)[:9].tolist():
        changed = op.index.values.copy()
        changed.reshape(-1)[place] = source
        text = f"index[{at}] is {source}, not {own}"
        yield Mistake(text, replace(op, index=IntTensor(changed)).reference, op.index.values.size * flat.shape[1])


def _operands(suspect: Suspect) -> Iterator[Mistake]:
    """Each channel that differs takes another channel of one operand; usual orders are tried elsewhere."""
    count, frames, reference = suspect.channels, suspect.scene.sample, suspect.reference
    if not 1 < count <= MAX_MATCHED:
        return
    xs = suspect.operands(frames)
    for i, name in enumerate(suspect.node.inputs):
        candidates = {}
        for c in suspect.wrong_channels:
            made = reference(*(x if k == i else np.repeat(x[:, c : c + 1], count, axis=1) for k, x in enumerate(xs)))
            fits = suspect.channel_fits(c, made.swapaxes(0, 1), frames)
            candidates[c] = np.flatnonzero(fits).tolist()
            if not candidates[c]:
                break
        source = matched(count, candidates)
        if source is None or len(set(source)) == 1 or any(source == o.tolist() for _, o, _ in channel_orders(count)):
            continue  # told as one that selects for all, or as a usual order
        moved = [c for c in range(count) if source[c] != c]
        text = f"operand {name}'s channels are permuted: {described(source)}"
        if len(moved) == 1:
            text = f"channel {moved[0]} takes channel {source[moved[0]]} of operand {name}"
        elif len(set(source)) < count:
            text = f"operand {name}'s channels are taken from others: {described(source)}"

        def run(*xs: IntArray, i: int = i, source: list[int] = source) -> IntArray:
            return reference(*(x[:, source] if k == i else x for k, x in enumerate(xs)))

        yield Mistake(text, run, count ** len(moved))


def _channels(suspect: Suspect) -> Iterator[Mistake]:
    """Each channel that differs is found among all; usual orders, and two exchanged, are tried elsewhere."""
    count, scene = suspect.channels, suspect.scene
    if count > MAX_MATCHED or count < 2 or len(suspect.wrong_channels) < 1:
        return
    frames = scene.sample
    right = suspect.right(frames).swapaxes(0, 1)
    candidates = {}
    for c in suspect.wrong_channels:
        candidates[c] = np.flatnonzero(suspect.channel_fits(c, right, frames)).tolist()
    source = matched(count, candidates)
    if source is None or any(source == order.tolist() for _, order, _ in channel_orders(count)):
        return
    moved = [c for c in range(count) if source[c] != c]
    if len(moved) == 2 and source[moved[0]] == moved[1] and source[moved[1]] == moved[0]:
        return
    text = (
        f"output channel {moved[0]} gives channel {source[moved[0]]}"
        if len(moved) == 1
        else f"output channels are permuted: {described(source)}"
    )
    if len(moved) > 1 and len(set(source)) < count:
        text = f"output channels give others: {described(source)}"
    picked = np.array(source)
    reference = suspect.reference
    yield Mistake(text, lambda *xs: reference(*xs)[:, picked], count ** len(moved))

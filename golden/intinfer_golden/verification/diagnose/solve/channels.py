"""Channels, groups and elements that are taken from another place, as the dump itself tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from intinfer.ops import Add, ChannelSelect, Concat, Conv2d, Dense, Gather, Mux, Op
from intinfer.types import IntArray

from ....designs import Change, Mistake, altered, with_entry
from ....designs.mac import Mac
from ....designs.orders import described, matched, moved, usual
from ..suspect import Suspect

MAX_MATCHED = 512
"""Channels among which the one is looked for that another holds."""


def mistakes(suspect: Suspect, op: Op) -> Iterator[Mistake]:
    """Channels, selects and elements that come from another place, where a channel of the dump tells which."""
    c = suspect.wrong_channel
    if suspect.dumped and c is not None:
        if isinstance(op, Mux):
            yield from _selects(suspect, c)
        if isinstance(op, ChannelSelect | Concat):
            yield from _sources(suspect, c)
    if isinstance(op, Gather) and suspect.dumped:
        yield from _index(suspect, op)
    if suspect.channelwise and 1 < suspect.channels <= MAX_MATCHED:
        if isinstance(op, Add | Mux):
            yield from _operands(suspect)
        yield from _channels(suspect)


def _selects(suspect: Suspect, c: int) -> Iterator[Mistake]:
    """The select of one channel: stuck, inverted, or another channel's."""
    name, count = suspect.node.inputs[0], suspect.channels
    table: dict[str, Change] = {
        f"channel {c} of {name} is stuck at 0": lambda s: s[:, c] * 0,
        f"channel {c} of {name} is stuck at 1": lambda s: s[:, c] * 0 + 1,
        f"channel {c} of {name} is inverted": lambda s: 1 - s[:, c],
    }
    for k in (k for k in range(count) if k != c):
        table[f"channel {c} is selected by channel {k} of {name}"] = lambda s, k=k: s[:, k]
    for text, change in table.items():
        selects = lambda s, change=change: with_entry(s, np.s_[:, c], change(s))  # noqa: E731
        yield Mistake(text, suspect.before(0, selects), 3 + count)


def _sources(suspect: Suspect, c: int) -> Iterator[Mistake]:
    """A channel of the result that is another channel of an operand."""
    scene, reference = suspect.scene, suspect.reference
    names = [(name, i) for name in suspect.node.inputs for i in range(scene.graph.values[name].shape[0])]
    if len(names) > MAX_MATCHED:
        return
    given = np.concatenate(suspect.operands(scene.frames), axis=1)
    for k, (name, i) in enumerate(names):
        if scene.fits(given[:, k], np.s_[:, c]):

            def run(*xs: IntArray, k: int = k) -> IntArray:
                return with_entry(reference(*xs), np.s_[:, c], np.concatenate(xs, axis=1)[:, k])

            yield Mistake(f"output channel {c} is channel {i} of {name}", run, len(names) * suspect.channels)


def _index(suspect: Suspect, op: Gather) -> Iterator[Mistake]:
    """One index."""
    scene, index = suspect.scene, op.index.values
    places = np.argwhere(scene.wrong.any(axis=0))
    if len(places) != 1:
        return
    place = tuple(places[0].tolist())
    (x,) = suspect.operands(scene.frames)
    flat, at = x.reshape(len(x), -1), np.s_[:, *place]
    same = scene.same(flat, scene.actual[at][:, None]) | ~scene.asked[at][:, None]
    for source in np.flatnonzero(same.all(axis=0))[:9].tolist():
        text = f"index[{','.join(map(str, place))}] is {source}, not {index[place]}"
        other = altered(op, index=with_entry(index, place, source))
        yield Mistake(text, other.reference, index.size * flat.shape[1])


def _operands(suspect: Suspect) -> Iterator[Mistake]:
    """Each channel that differs takes another channel of one operand; usual orders are tried elsewhere."""
    count, frames = suspect.channels, suspect.scene.sample
    xs = suspect.operands(frames)
    for i, name in enumerate(suspect.node.inputs):

        def made(c: int, i: int = i) -> IntArray:
            alike = [x if k == i else x[:, [c] * count] for k, x in enumerate(xs)]
            return suspect.reference(*alike).swapaxes(0, 1)

        source = suspect.sources(made, frames)
        if source is None or len(set(source)) == 1:
            continue  # told as one that selects for all
        places = moved(source)
        one = f"channel {places[0]} takes channel {source[places[0]]} of operand {name}"
        text = _told(
            source, one, f"operand {name}'s channels are taken from others", f"operand {name}'s channels are permuted"
        )
        yield Mistake(text, suspect.before(i, lambda x, s=source: x[:, s]), count ** len(places))


def _told(source: list[int], one: str, some: str, all_: str) -> str:
    """`one` channel that is taken from another place, `some` that leave a channel out, or `all_` in another order."""
    if len(moved(source)) == 1:
        return one
    return f"{some if len(set(source)) < len(source) else all_}: {described(source)}"


def _channels(suspect: Suspect) -> Iterator[Mistake]:
    """Each channel that differs is found among all; usual orders, and two exchanged, are tried elsewhere."""
    count, frames = suspect.channels, suspect.scene.sample
    right = suspect.right(frames).swapaxes(0, 1)
    source = suspect.sources(lambda _: right, frames) if suspect.wrong_channels else None
    if source is None or (len(moved(source)) == 2 and len(set(source)) == count):
        return
    places = moved(source)
    one = f"output channel {places[0]} gives channel {source[places[0]]}"
    text = _told(source, one, "output channels give others", "output channels are permuted")
    yield Mistake(text, suspect.after(lambda y: y[:, source]), count ** len(places))


def groups(suspect: Suspect, op: Conv2d | Dense) -> Iterator[Mistake]:
    """Groups that have the weights or the inputs of others, in any order."""
    mac = Mac.of(suspect.scene.graph, suspect.node)
    if mac.groups == 1 or not suspect.channelwise or len(mac.weight) > MAX_MATCHED:
        return
    (x,) = suspect.operands(suspect.scene.sample)
    outputs, own = len(mac.weight), suspect.node.output.size // suspect.channels
    tries = len(suspect.wrong_channels) * outputs * own * mac.weight[0].size * len(x)
    if suspect.scene.budget.take(tries):
        yield from _group_inputs(suspect, mac, x)
        yield from _group_weights(suspect, mac, x)


def _group_inputs(suspect: Suspect, mac: Mac, x: IntArray) -> Iterator[Mistake]:
    """Each group with a difference reads the input channels of another one."""
    count, size = mac.groups, len(mac.weight) // mac.groups
    grouped = mac.weight.reshape(count, size, *mac.weight.shape[1:])
    candidates = {}
    for g in sorted({o // size for o in suspect.wrong_channels}):
        every = mac.run(x, np.tile(grouped[g], (count, 1, 1, 1)))
        fits = np.ones(count, dtype=bool)
        for row in range(size):
            values = every[:, row::size].swapaxes(0, 1)
            fits &= suspect.channel_fits(g * size + row, values, suspect.scene.sample)
        candidates[g] = np.flatnonzero(fits).tolist()
    source = matched(count, candidates)
    if source is None:
        return
    channels = np.arange(mac.shape[0]).reshape(count, -1)[source].reshape(-1)
    text = _group_text(source, depthwise=channels.tolist() == source)
    yield Mistake(text, lambda x: mac.run(x[:, channels]), count ** len(moved(source)))


def _group_text(source: list[int], *, depthwise: bool) -> str:
    if len(moved(source)) == 1:
        (g,) = moved(source)
        if depthwise:
            return f"output channel {g} reads input channel {source[g]}, not {g}"
        return f"group {g} reads the input channels of group {source[g]}, not its own"
    what = "the input's channels are permuted" if depthwise else "groups read the input channels of others"
    return f"{what}: {described(source)}"


def _group_weights(suspect: Suspect, mac: Mac, x: IntArray) -> Iterator[Mistake]:
    """Each output channel that differs has the weights of another one, of any group."""
    outputs, size = len(mac.weight), len(mac.weight) // mac.groups

    def made(o: int) -> IntArray:
        return replace(mac.one_output(o), weight=mac.weight).run(x[:, mac.group_of(o)]).swapaxes(0, 1)

    source = suspect.sources(made, suspect.scene.sample)
    if source is None or all(k // size == o // size for o, k in enumerate(source)):
        return  # inside the groups the outputs themselves are permuted
    places = moved(source)
    groups = [k // size for k in source[::size]]
    text = f"output channels of the weights are permuted: {described(source)}"
    if size > 1 and source == [g * size + row for g in groups for row in range(size)]:
        if usual(groups):
            return
        text = f"groups of the weights are permuted: {described(groups)}"
    elif len(places) == 1:
        text = f"output channel {places[0]} has the weights of channel {source[places[0]]}"
    yield Mistake(text, lambda x: mac.run(x, mac.weight[source]), outputs ** len(places))

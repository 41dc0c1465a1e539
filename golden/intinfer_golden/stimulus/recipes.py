"""What goals cannot say: frames of an op whose inputs are the region's own. Kind -> function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from intinfer.accumulator import Overflow
from intinfer.graph import Graph, Node, Value
from intinfer.ops import MaxPool, Tgap
from intinfer.types import IntArray, IntType

from ..coverage.elementwise import Combinations
from ..coverage.forms import overflows
from ..coverage.group import Covergroup
from ..coverage.mac import Mac, border_patterns
from ..coverage.reach import Sums
from ..coverage.rivals import winners
from ..coverage.saturation import Way
from ..coverage.select import tgap_sums
from . import textures
from .pack import Goal, pack
from .textures import Frame

Recipe = Callable[[Graph, Node, np.random.Generator], Iterator[Frame]]


def combinations(graph: Graph, group: Combinations, rng: np.random.Generator) -> Iterator[Frame]:
    """Frames in which the inputs hold every combination: in every channel, or somewhere."""
    channels = graph.values[group.names[0]].shape[0]
    size = graph.values[group.names[0]].size
    pixels = size // channels
    count = len(group.numbers)
    step = pixels if group.by_channel else size
    for start in range(0, count, step):
        frame = textures.noise(graph, rng)
        turn = (
            start + np.arange(pixels)[None, :] + (0 if group.by_channel else pixels * np.arange(channels)[:, None])
        ) % count
        turn = np.broadcast_to(turn, (channels, pixels))
        for position, name in enumerate(group.names):
            frame[name] = group.numbers[turn, position].reshape(frame[name].shape)
        yield frame


def mux(graph: Graph, node: Node, rng: np.random.Generator) -> Iterator[Frame]:
    """None, all, every second channel selected, and the others."""
    select = node.inputs[0]
    one, zero = (graph.values[name] for name in node.inputs[1:])
    channels = np.arange(graph.values[select].shape[0])
    for chosen in (channels * 0, channels * 0 + 1, channels % 2, 1 - channels % 2):
        frame = textures.noise(graph, rng)
        if one.name != zero.name:  # types of few numbers: make sure that the branches differ
            frame[one.name][:, 0, 0], frame[zero.name][:, 0, 0] = one.type.hi, zero.type.lo
            frame[one.name][:, -1, -1], frame[zero.name][:, -1, -1] = one.type.lo, zero.type.hi
        type_ = graph.values[select].type
        frame[select] = chosen.clip(type_.lo, type_.hi)
        yield frame


def tgap(graph: Graph, node: Node, rng: np.random.Generator) -> Iterator[Frame]:
    """Each channel has each of the sums in turn, spread over the map at random."""
    x = graph.values[node.inputs[0]]
    assert isinstance(node.op, Tgap)
    pixels = x.size // x.shape[0]
    ones, lo, hi = (np.full(pixels, n, dtype=np.int64) for n in (1, x.type.lo, x.type.hi))
    sums = Sums(ones, lo, hi)
    points = [
        z for z in tgap_sums(node.op, pixels, x.type.lo, x.type.hi).tolist() if sums.find(z, z).number is not None
    ]
    for turn in range(len(points)):
        maps = [sums.solve(points[(turn + c) % len(points)], rng) for c in range(x.shape[0])]
        yield {x.name: np.array([rng.permutation(m) for m in maps if m is not None]).reshape(x.shape)}


def max_pool(graph: Graph, node: Node, rng: np.random.Generator) -> Iterator[Frame]:
    """Each place of a window wins: it alone is high, in every channel."""
    x = graph.values[node.inputs[0]]
    assert isinstance(node.op, MaxPool)
    window = node.op.window
    address = np.arange(x.shape[1] * x.shape[2], dtype=np.int64).reshape(1, 1, *x.shape[1:])
    view = window.view(window.pad(address, -1))[0, 0]
    reads = view.reshape(view.shape[0] * view.shape[1], -1)
    goals = []
    for tap in range(reads.shape[1]):
        full = sorted((int((row >= 0).sum()), place) for place, row in enumerate(reads) if row[tap] >= 0)
        for _, place in full[:1]:  # the window with the fewest real places
            row = reads[place]
            real = row[row >= 0]
            numbers = np.where(real == row[tap], x.type.hi, x.type.lo)
            indices = np.stack([np.zeros_like(real), real // x.shape[2], real % x.shape[2]], axis=1)
            goals.append(_every_channel(x, indices, numbers))
    row = max(reads, key=lambda row: int((row >= 0).sum()))
    real = row[row >= 0]
    indices = np.stack([np.zeros_like(real), real // x.shape[2], real % x.shape[2]], axis=1)
    goals += [_every_channel(x, indices, numbers) for numbers in _close_calls(x.type, len(real), rng)]
    yield from pack(goals, lambda: textures.constant(graph, "lo"))


def _close_calls(type_: IntType, count: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """`count` numbers of which the largest is one above the next, for each bit, before it and behind it in turn."""
    for turn, winner in enumerate(winners(type_).values() if count > 1 else ()):
        for behind in (True, False):
            numbers = rng.integers(type_.lo, winner, count)
            first = turn % (count - 1)
            numbers[first], numbers[first + 1] = (winner - 1, winner) if behind else (winner, winner - 1)
            numbers[first + 2 :] -= numbers[first + 2 :] == winner - 1  # one rival
            yield numbers.clip(type_.lo)


def _every_channel(x: Value, indices: IntArray, numbers: IntArray) -> Goal:
    """The same in all channels of a map; indices have channel 0."""
    channels = np.repeat(np.arange(x.shape[0]), len(indices))
    everywhere = np.tile(indices, (x.shape[0], 1))
    everywhere[:, 0] = channels
    return Goal(x.name, everywhere, np.tile(numbers, x.shape[0]), np.zeros((1, indices.shape[1]), dtype=np.int64))


def argmax(graph: Graph, node: Node, rng: np.random.Generator) -> Iterator[Frame]:
    """Each class wins alone, and shares the top with the next one and with the last."""
    x = graph.values[node.inputs[0]]
    classes = x.shape[0]
    winners: list[tuple[int, ...]] = [(c,) for c in range(classes)]
    winners += [(c, c + 1) for c in range(classes - 1)] + [(0, classes - 1)]
    pixels = [(*place,) for place in np.ndindex(*x.shape[1:])]
    shifts = np.array([(0, *place) for place in pixels], dtype=np.int64)
    goals = []
    for top in winners:
        numbers = rng.integers(x.type.lo, max(x.type.hi - 1, x.type.lo), classes, endpoint=True)
        numbers[list(top)] = x.type.hi
        indices = np.zeros((classes, len(x.shape)), dtype=np.int64)
        indices[:, 0] = np.arange(classes)
        goals.append(Goal(x.name, indices, numbers, shifts))
    goals += [Goal(x.name, indices, numbers, shifts) for numbers in _close_calls(x.type, classes, rng)]
    yield from pack(goals, lambda: textures.noise(graph, rng))


def mac(graph: Graph, node: Node, rng: np.random.Generator) -> Iterator[Frame]:
    """One-hot pixels and channels; for a saturating accumulator the greediest way to each end and back."""
    yield from textures.one_hots(graph)
    rule = overflows(graph, node.name)
    if rule is None:
        return
    view = Mac.of(graph, node)
    for reach in (1, 2 ** max(0, view.accumulator.bits // 2), 2 ** (view.accumulator.bits - 1)):
        yield textures.sparse(graph, rng, reach)
    if rule is Overflow.SATURATE:
        yield from pack(list(_saturating(view)), lambda: textures.noise(graph, rng))


def _saturating(view: Mac) -> Iterator[Goal]:
    """For each channel, end and border pattern: up until the clip and down again, and past the end inside a fold."""
    address = np.arange(view.shape[1] * view.shape[2], dtype=np.int64).reshape(1, 1, *view.shape[1:])
    windows = view.window.view(view.window.pad(address, -1))[0, 0]
    reads = windows.reshape(windows.shape[0] * windows.shape[1], -1)
    for borders in border_patterns(view):
        free = np.flatnonzero(~borders)
        places = [row for row in reads if np.array_equal(np.tile(row < 0, view.weight.shape[1]), borders)]
        if not len(free):
            continue
        for channel in range(len(view.weight)):
            for sign in (1, -1):
                way = Way(view, channel, sign, borders)
                for inputs in filter(None, (way.inputs, way.inside)):
                    numbers = np.array([inputs[t] for t in free.tolist()], dtype=np.int64)
                    indices, shifts = _moved(view, channel, free, places)
                    yield Goal(view.x, indices, numbers, shifts)


def _moved(view: Mac, channel: int, taps: IntArray, places: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """What the taps of a channel read at the first place, and how far the other places are away."""
    area = view.weight[0, 0].size
    first = channel // (len(view.weight) // view.groups) * view.weight.shape[1]
    pixels = np.stack([place[taps % area] for place in places])
    rows, columns = pixels // view.shape[2], pixels % view.shape[2]
    indices = np.stack([first + taps // area, rows[0], columns[0]], axis=1)
    shifts = np.stack(
        [np.zeros(len(places), dtype=np.int64), rows[:, 0] - rows[0, 0], columns[:, 0] - columns[0, 0]], axis=1
    )
    ndim = len(view.node.output.shape)
    return indices[:, :ndim], shifts[:, :ndim]


RECIPES: dict[str, Recipe] = {
    "conv2d": mac,
    "dense": mac,
    "mux": mux,
    "tgap": tgap,
    "max_pool": max_pool,
    "argmax": argmax,
}
"""Ops that are not listed are served by the textures, by `Intervals` and by `Combinations`."""


def frames(graph: Graph, groups: Sequence[Covergroup], rng: np.random.Generator) -> Iterator[tuple[str, Frame]]:
    """(label, frame) for every node that reads nothing but inputs. Inputs it does not read hold noise."""
    inputs = {x.name for x in graph.inputs}
    for node in graph.nodes:
        if not set(node.inputs) <= inputs:
            continue
        recipe = RECIPES.get(node.op.kind)
        made = list(recipe(graph, node, rng)) if recipe else []
        for group in groups:
            if isinstance(group, Combinations) and group.node == node.name:
                made += combinations(graph, group, rng)
        for frame in made:
            yield f"{node.name} {node.op.kind}", textures.noise(graph, rng) | frame

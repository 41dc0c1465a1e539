"""What shows at the result of a region: an accumulator or a padded cell that is wrong by one, behind which others come.

An accumulator that only a threshold reads can be wrong wherever no threshold lies between the right number and the
wrong one. So these bins count a frame only when the region's result differs: the change goes on through the linear
nodes that follow, where it is the same in every frame, and from there through elementwise ones, number by number.
Where the accumulator is a result of the region itself nothing can be hidden, and there are no such bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from intinfer.accumulator import Overflow
from intinfer.graph import Graph, Node
from intinfer.ops import Affine
from intinfer.ops.base import Elementwise
from intinfer.ops.mac import Accumulating
from intinfer.types import IntArray

from ...designs.mac import Mac
from .changes import Changes, spread
from .forms import overflows
from .group import Axis, Bools, Covergroup, Values, grid
from .mac_groups import SIDES, zones

SMALL = 1024
"""Elements of which each has bins of its own; of more only each pixel, in some of its channels."""

OWN = 2048
"""The same where every channel reads inputs of its own, and of padded numbers: of more one channel of each padded
pixel, in turn."""

SIDE = 64
"""Rows and columns, at most, of a map that is not small whose pixels have bins."""

LOOKED_AT = 2**14
"""Elements that are looked at of a map that is not small, about."""

WORDS = ("one too low", "one too high")
WAYS = np.array([-1, 1], dtype=np.int64)


@dataclass(frozen=True)
class Rest:
    """What follows a linear node: elementwise nodes, each read by the next alone, up to a result of the region."""

    value: Node
    nodes: tuple[Node, ...]

    @property
    def channels(self) -> int:
        """Channels of the value that it begins with."""
        return self.value.output.shape[0]

    @property
    def result(self) -> str:
        """The name of the region's result at its end."""
        return self.nodes[-1].name

    def __call__(self, channel: IntArray, numbers: IntArray) -> IntArray:
        """The result for numbers (K,) of the value, each of its own channel; what its type has no room for is cut."""
        order = channel.argsort(kind="stable")
        counts = np.bincount(channel, minlength=self.channels)
        slot = np.arange(len(channel)) - (counts.cumsum() - counts)[channel[order]]
        type_ = self.value.output.type
        rows = np.full((1, self.channels, 1, int(counts.max(initial=0))), type_.lo, dtype=np.int64)
        rows[0, channel[order], 0, slot] = numbers[order].clip(type_.lo, type_.hi)
        for node in self.nodes:
            rows = node.op.reference(rows)
        results = np.empty_like(numbers)
        results[order] = rows[0, channel[order], 0, slot]
        return results


class Shown(Covergroup):
    """Bins: a change of a sum that shows at the region's result in a frame.

    Args:
        changes: of the elements of the value that `rest` begins with; the way of a change is its bin.
        rest: what decides whether a change shows.

    Bins that change nothing are left out.
    """

    def __init__(
        self,
        node: str,
        kind: str,
        sentence: str,
        axes: tuple[Axis, ...],
        *,
        coordinates: IntArray,
        changes: Changes,
        rest: Rest,
    ) -> None:
        changes = changes.chosen(changes.way.argsort(kind="stable"))
        kept = np.unique(changes.way)
        super().__init__(node, kind, sentence, axes, self._seen, coordinates=coordinates[kept])
        self.rest, self.changes = rest, replace(changes, way=np.searchsorted(kept, changes.way))
        _, height, width = (*rest.value.output.shape, 1, 1)[:3]
        self._elements = (changes.channel * height + changes.row) * width + changes.column

    def _seen(self, values: Values) -> Bools:
        changes, seen = self.changes, self.hit.copy()  # what is hit stays hit: only the others are looked at
        for right, result in zip(values[self.rest.value.name], values[self.rest.result], strict=True):
            some = ~seen[changes.way]
            places = self._elements[some]
            wrong = self.rest(changes.channel[some], right.reshape(-1)[places] + changes.delta[some])
            seen[changes.way[some][wrong != result.reshape(-1)[places]]] = True
        return seen


def covergroups(graph: Graph, node: Node) -> list[Covergroup]:
    """What shows of the accumulators of a convolution or dense layer and of its border; nothing where all is shown."""
    found = path_of(graph, node)
    if found is None:
        return []
    path, rest = found
    mac = Mac.of(graph, node)
    groups = [_accumulators(graph, mac, path, rest)]
    if mac.window.padded:
        groups.append(_border(graph, mac, path, rest))
    return [group for group in groups if len(group.hit)]


def path_of(graph: Graph, node: Node) -> tuple[list[Node], Rest] | None:
    """The linear nodes behind a node that pass its changes on, and what follows the last of them."""
    results = {out.value for out in graph.outputs}
    behind = [node]
    while behind[-1].name not in results:
        readers = graph.readers[behind[-1].name]
        if len(readers) != 1 or len(readers[0].inputs) != 1:
            return None
        behind.append(readers[0])
    count = next((i for i, one in enumerate(behind) if not _linear(graph, one)), len(behind))
    elementwise = all(isinstance(one.op, Elementwise) for one in behind[count:])
    if not 0 < count < len(behind) or not elementwise:
        return None
    return behind[1:count], Rest(behind[count - 1], tuple(behind[count:]))


def _linear(graph: Graph, node: Node) -> bool:
    if isinstance(node.op, Accumulating):
        return overflows(graph, node.name) in (None, Overflow.TRAP)
    return isinstance(node.op, Affine)


def _shown(graph: Graph, path: Sequence[Node], changes: Changes) -> Changes:
    """What becomes of changes of a node behind the linear nodes of `path`."""
    for node in path:
        if isinstance(node.op, Affine):
            changes = changes.times(node.op.multiplier.values)
        else:
            mac = Mac.of(graph, node)
            changes = spread(mac, changes.moved(*mac.window.pads[:2]))
    return changes


def _accumulators(graph: Graph, mac: Mac, path: Sequence[Node], rest: Rest) -> Shown:
    """Bins (element, way), or of a map that is not small (pixel, way), any of whose channels shows it, and of the
    first pixel the first and the last channel: the sums with which a design begins that adds up one after the other."""
    channels, height, width = mac.outputs
    size = channels * height * width
    if size <= SMALL or (mac.groups == channels and size <= OWN):
        coordinates = element = grid(channels, height, width)
        bins = np.arange(size)
    else:
        some = (np.unique(np.linspace(0, extent - 1, SIDE).astype(np.int64)) for extent in (height, width))
        row, column = (axis.reshape(-1) for axis in np.meshgrid(*some, indexing="ij"))
        pixels = np.stack([np.full(len(row), channels), row, column], axis=1)
        first = np.array([[c, 0, 0] for c in sorted({0, channels - 1})])
        reached = prod(_reached(graph, one) for one in path)
        tried = min(channels, max(1, LOOKED_AT // (len(row) * reached)))
        channel = np.arange(len(row) * tried) % channels  # neighbours look at others
        element = np.concatenate([first, np.column_stack([channel, pixels[:, 1:].repeat(tried, axis=0)])])
        coordinates = np.concatenate([first, pixels])
        bins = np.concatenate([np.arange(len(first)), len(first) + np.arange(len(row)).repeat(tried)])
    alone = np.arange(len(element))
    changes = _shown(
        graph, path, _both(Changes(alone, element[:, 0], element[:, 1], element[:, 2], np.ones_like(alone)))
    )
    changes = replace(changes, way=bins[changes.way // 2] * 2 + changes.way % 2)
    sentence = "the accumulator of an element alone, wrong by one, gives another result of the region"
    words = (*(f"channel {c}" for c in range(channels)), "any channel")
    axes = (Axis("channel", words), Axis("row", height), Axis("column", width), Axis("way", WORDS))
    coordinates = _both_ways(coordinates)
    return Shown(
        mac.node.name, "accumulators shown", sentence, axes, coordinates=coordinates, changes=changes, rest=rest
    )


def _reached(graph: Graph, node: Node) -> int:
    """Elements of the result, at most, that depend on one of the input."""
    if isinstance(node.op, Affine):
        return 1
    mac = Mac.of(graph, node)
    (height, width), (sy, sx) = mac.window.kernel, mac.window.stride
    return -(-height // sy) * -(-width // sx) * (len(mac.weight) // mac.groups)


def _border(graph: Graph, mac: Mac, path: Sequence[Node], rest: Rest) -> Shown:
    """Bins (channels, place, way): padded numbers, padded pixels in all channels, sides in all channels."""
    channels, sides = mac.shape[0], zones(mac)
    rows, columns = np.nonzero(sides.any(axis=0))
    if len(rows) * channels <= OWN:
        cell, channel = grid(len(rows), channels).T
    else:
        cell, channel = (np.arange(max(len(rows), channels)) % count for count in (len(rows), channels))
    inside = [side[rows, columns].nonzero()[0] for side in sides]
    places = [*np.arange(len(rows))[:, None], *inside, np.arange(len(rows))]  # in all channels
    what = np.concatenate([np.full(len(place), k) for k, place in enumerate(places)])
    pixel = np.concatenate(places)
    single = np.stack([channel, cell], axis=1)
    joint = np.stack([np.full(len(places), channels), np.arange(len(places))], axis=1)
    coordinates = _both_ways(np.concatenate([single, joint]))
    bins = np.concatenate([np.arange(len(cell)), len(cell) + what.repeat(channels)])
    which = np.concatenate([channel, np.tile(np.arange(channels), len(what))])
    pixel = np.concatenate([cell, pixel.repeat(channels)])
    changes = _both(Changes(bins, which, rows[pixel], columns[pixel], np.ones_like(bins)))
    wrong = mac.pad_value[changes.channel] + changes.delta
    changes = changes.chosen((wrong >= mac.type.lo) & (wrong <= mac.type.hi))
    words = tuple(f"padded row {y} column {x}" for y, x in zip(rows.tolist(), columns.tolist(), strict=True))
    axes = (
        Axis("channel", (*(f"channel {c}" for c in range(channels)), "all channels")),
        Axis("place", (*words, *SIDES, "whole border")),
        Axis("way", WORDS),
    )
    shown = _shown(graph, path, spread(mac, changes))
    sentence = "a pad value wrong by one at this place gives another result of the region"
    return Shown(mac.node.name, "border shown", sentence, axes, coordinates=coordinates, changes=shown, rest=rest)


def _both_ways(coordinates: IntArray) -> IntArray:
    """Each row twice, with 0 and 1 behind it."""
    way = np.tile([[0], [1]], (len(coordinates), 1))
    return np.concatenate([coordinates.repeat(2, axis=0), way], axis=1)


def _both(changes: Changes) -> Changes:
    """Each way twice, down and up."""
    twice = changes.chosen(np.arange(len(changes.way)).repeat(2))
    side = np.arange(len(twice.way)) % 2
    return replace(twice, way=twice.way * 2 + side, delta=twice.delta * WAYS[side])

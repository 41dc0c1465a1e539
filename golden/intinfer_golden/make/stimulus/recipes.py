"""What goals cannot say: frames of ops whose inputs are the region's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from intinfer.graph import Graph

from ...ops import facts_of
from ..coverage.combinations import Combinations
from ..coverage.group import Covergroup
from . import textures
from .textures import Frame


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


def frames(graph: Graph, groups: Sequence[Covergroup], rng: np.random.Generator) -> Iterator[tuple[str, Frame]]:
    """(label, frame) for every node that reads nothing but inputs. Inputs it does not read hold noise."""
    inputs = {x.name for x in graph.inputs}
    for node in graph.nodes:
        if not set(node.inputs) <= inputs:
            continue
        made = list(facts_of(graph, node).frames(rng))
        for group in groups:
            if isinstance(group, Combinations) and group.node == node.name:
                made += combinations(graph, group, rng)
        for frame in made:
            yield f"{node.name} {node.op.kind}", textures.noise(graph, rng) | frame

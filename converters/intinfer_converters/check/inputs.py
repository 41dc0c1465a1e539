"""Images made to check with: extremes, noise, and images that put integers exactly where float arithmetic is in doubt.

What is guaranteed: `images_at_thresholds` reaches every threshold T of a quantiser behind a first convolution, and
T - 1 beside it, that any image can reach when the weights are -1, 0 and +1. `images_at_select_boundaries` guarantees,
for each pair it returns, that the two images differ in one pixel and a chosen select bit differs; that one of
them has 2 * sum = N * h * w exactly is tried, not promised.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from intinfer.graph import Graph, Node
from intinfer.ops import Conv2d, Requant, Tgap, Threshold
from intinfer.types import IntArray

GENERATED = 64
"""Images when none are given."""
MAX_IMAGES = 16
SELECT_NODES = 2
SELECT_CHANNELS = 2


def generated_images(graph: Graph, count: int = GENERATED, seed: int = 0) -> IntArray:
    """(count, *shape of the input) images that depend on the graph and the seed alone: `special_images`, then noise.

    The noise is independent over the whole range in one image, around a random level in the next.
    """
    value = graph.inputs[0]
    images = list(special_images(graph, seed))[:count]
    rng = np.random.default_rng(seed)
    lo, hi = value.type.lo, value.type.hi
    while len(images) < count:
        noise = rng.integers(lo, hi + 1, value.shape)
        if len(images) % 2:
            noise = np.clip(rng.integers(lo, hi + 1) + (noise - (lo + hi) // 2) // 4, lo, hi)
        images.append(noise)
    return np.stack(images)


def special_images(graph: Graph, seed: int = 0) -> IntArray:
    """Extremes, images at the first layer's thresholds, and images at TGAP boundaries."""
    extremes = extreme_images(graph)
    return np.concatenate([extremes, images_at_thresholds(graph), images_at_select_boundaries(graph, extremes, seed)])


def extreme_images(graph: Graph) -> IntArray:
    """All lowest, all highest, stripes along each axis and a checker, each with its negative; one element that stands
    out in each corner, high on low and low on high. The channels of a map are alike."""
    value = graph.inputs[0]
    plane = value.shape[1:] if len(value.shape) > 1 else value.shape
    axes = np.indices(plane)
    masks = [np.zeros(plane, dtype=np.int64), *(axis % 2 for axis in axes), axes.sum(axis=0) % 2]
    for corner in product(*((0, extent - 1) for extent in plane)):
        mask = np.zeros(plane, dtype=np.int64)
        mask[corner] = 1
        masks.append(mask)
    both = np.stack([m for mask in masks for m in (mask, 1 - mask)])
    levels = np.where(both == 1, value.type.hi, value.type.lo)
    return np.asarray(np.repeat(levels[:, None], value.shape[0], axis=1) if len(value.shape) > 1 else levels)


def images_at_thresholds(graph: Graph) -> IntArray:
    """At most 16 images (n, C, H, W) whose windows hold first-layer sums of exactly T and T - 1.

    One window a target; targets are taken threshold by threshold, channel by channel.
    """
    value = graph.inputs[0]
    images: list[IntArray] = []
    for conv, limits in _first_layers(graph):
        op = conv.op
        assert isinstance(op, Conv2d)
        places = _disjoint_windows(op, value.shape)
        used = len(places)
        for channel, total in _targets(limits):
            if len(images) == MAX_IMAGES and used == len(places):
                break
            patch = _patch(op, channel, total, value.type.lo, value.type.hi)
            if patch is None or not places:
                continue
            if used == len(places):
                images.append(np.full(value.shape, min(max(0, value.type.lo), value.type.hi), dtype=np.int64))
                used = 0
            y, x = places[used]
            first = channel * op.groups // len(op.weight.values) * patch.shape[0]
            rows, columns = (slice(a, a + r, d) for a, r, d in zip((y, x), op.window.reach, op.dilation, strict=True))
            images[-1][first : first + patch.shape[0], rows, columns] = patch
            used += 1
    return np.array(images, dtype=np.int64).reshape(-1, *value.shape)


def _first_layers(graph: Graph) -> Iterator[tuple[Node, IntArray]]:
    """Convolutions on the input, with the thresholds (C, N) behind them."""
    names = {value.name for value in graph.inputs}
    for node in graph.nodes:
        if isinstance(node.op, Conv2d) and node.inputs[0] in names:
            for reader in graph.readers[node.name]:
                if isinstance(reader.op, Threshold | Requant):
                    yield node, _limits(reader, node)


def _limits(quantiser: Node, conv: Node) -> IntArray:
    """The smallest z of each level, per channel; of a requant, found on its own reference."""
    op, channels = quantiser.op, conv.output.shape[0]
    if isinstance(op, Threshold):
        return np.asarray(np.broadcast_to(op.thresholds.values, (channels, op.thresholds.shape[1])))
    every = np.arange(conv.output.type.lo, conv.output.type.hi + 1, dtype=np.int64)
    levels = op.reference(np.broadcast_to(every, (1, channels, every.size)).reshape(1, channels, 1, -1))[0, :, 0]
    steps = [every[1:][np.diff(row) != 0] for row in levels]
    width = max(1, *(len(row) for row in steps))
    filled = [row if len(row) else np.zeros(1, dtype=np.int64) for row in steps]  # a constant channel has no step
    return np.stack([np.pad(row, (0, width - len(row)), mode="edge") for row in filled])


def _targets(limits: IntArray) -> Iterator[tuple[int, int]]:
    """(channel, sum): T and T - 1, the first threshold of every channel before the second of any."""
    columns = limits.T.tolist()
    return ((channel, limit - below) for column in columns for channel, limit in enumerate(column) for below in (0, 1))


def _disjoint_windows(op: Conv2d, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Top left corners, in the image, of windows that do not overlap and touch no padding."""
    rows, columns = (
        range(-pad % stride, extent - reach + 1, -(-reach // stride) * stride)
        for pad, stride, extent, reach in zip(op.pads[:2], op.stride, shape[1:], op.window.reach, strict=True)
    )
    return list(product(rows, columns))


def _patch(op: Conv2d, channel: int, total: int, lo: int, hi: int) -> IntArray | None:
    """Input values (I/groups, KH, KW) in lo..hi whose weighted sum is `total`, or None when this finds none.

    Greedy from the value nearest to 0: each tap goes as far as it helps, large weights first. With weights of -1, 0
    and +1 it reaches whatever can be reached.
    """
    weights = op.weight.values[channel].reshape(-1)
    start = min(max(0, lo), hi)
    values = np.full(weights.size, start, dtype=np.int64)
    missing = total - int(weights.sum()) * start
    for tap in np.argsort(-np.abs(weights), kind="stable"):
        weight = int(weights[tap])
        if weight and missing:
            steps = abs(missing) // abs(weight)
            up = (missing > 0) == (weight > 0)
            steps = min(steps, hi - start if up else start - lo)
            values[tap] += steps if up else -steps
            missing -= weight * (steps if up else -steps)
    return None if missing else values.reshape(op.weight.shape[1:])


def images_at_select_boundaries(graph: Graph, images: IntArray, seed: int = 0) -> IntArray:
    """Pairs of images around TGAP boundaries, for two channels of each of the first two `tgap` nodes.

    Two of `images` (noise is added to them) with different select bits are mixed pixel by pixel, in raster order;
    bisection finds the pixel that flips the bit. Then its value is varied for a sum nearer to the boundary.
    """
    rng = np.random.default_rng(seed)
    value = graph.inputs[0]
    noise = rng.integers(value.type.lo, value.type.hi + 1, (8, *value.shape))
    pool = np.concatenate([images, noise])
    found: list[IntArray] = []
    for node in [node for node in graph.nodes if isinstance(node.op, Tgap)][:SELECT_NODES]:
        margins = _margins(graph, node, pool)
        both = np.flatnonzero((margins > 0).any(axis=0) & (margins <= 0).any(axis=0))
        for channel in both[:SELECT_CHANNELS]:
            on, off = pool[np.argmax(margins[:, channel] > 0)], pool[np.argmax(margins[:, channel] <= 0)]
            found += _around_boundary(graph, node, int(channel), on, off)
    return np.array(found, dtype=np.int64).reshape(-1, *value.shape)


def _margins(graph: Graph, node: Node, images: IntArray) -> IntArray:
    """2 * sum - N*h*w for every image and channel of a tgap node."""
    op = node.op
    assert isinstance(op, Tgap)
    live = {graph.inputs[0].name: images}
    needed = graph.before(node.inputs)
    for before in graph.nodes:
        if before.name in needed:
            live[before.name] = before.op.reference(*(live[name] for name in before.inputs))
    levels = live[node.inputs[0]]
    return np.asarray(2 * levels.sum(axis=(2, 3)) - op.top * levels.shape[2] * levels.shape[3])


def _around_boundary(graph: Graph, node: Node, channel: int, on: IntArray, off: IntArray) -> list[IntArray]:
    """The image before and after the flip, and the one nearest to the boundary among values of the pixel between."""
    pixels = on.shape[1] * on.shape[2]

    def mixed(count: int) -> IntArray:
        mask = (np.arange(pixels) < count).reshape(on.shape[1:])
        return np.where(mask, on, off)

    low, high = 0, pixels  # the bit is 0 at low and 1 at high
    while high - low > 1:
        middle = (low + high) // 2
        if _margins(graph, node, mixed(middle)[None])[0, channel] > 0:
            high = middle
        else:
            low = middle
    before, after = mixed(low), mixed(high)
    shares = np.linspace(0, 1, 34)[1:-1, None, None, None]
    between = np.rint(before + shares * (after - before)).astype(np.int64)
    nearest = between[np.argmin(np.abs(_margins(graph, node, between)[:, channel]))]
    return [before, after, nearest]

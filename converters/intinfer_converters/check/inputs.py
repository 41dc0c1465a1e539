"""Images made to check with: extremes, images at boundaries, and noise."""

from __future__ import annotations

from itertools import product

import numpy as np

from intinfer.graph import Graph
from intinfer.types import IntArray

from .targeted import images_at_select_boundaries, images_at_thresholds

GENERATED = 64
"""Images when none are given."""


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
    """Extremes, images at the first layer's thresholds, and images at TGAP boundaries (see `targeted`)."""
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
    images: IntArray = np.repeat(levels[:, None], value.shape[0], axis=1) if len(value.shape) > 1 else levels
    return images

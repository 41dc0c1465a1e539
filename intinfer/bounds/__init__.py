"""Proven ranges, channel by channel: linear chains composed, so that PW and GC1 are bounded as one kernel.

A type rule bounds a node by the range of its input, as if that input's elements were independent. Where the input
is itself a linear function of earlier values (a pointwise convolution before a grouped one, say), they are not: the
composed kernel is what decides, and its bound is often several bits narrower. Everything here is exact.
"""

from __future__ import annotations

from functools import lru_cache

from ..graph import Graph, GraphLike, graph_of
from ..types import Range
from .analysis import Bounds, LinearForm

__all__ = [
    "Bounds",
    "LinearForm",
    "Range",
    "bounds_of",
    "channel_forms",
    "channel_ranges",
    "linear_form",
    "pixel_ranges",
    "positions",
]


@lru_cache(maxsize=4)
def bounds_of(graph: Graph) -> Bounds:
    """The `Bounds` of a graph; those of the last few graphs are kept."""
    return Bounds(graph)


def linear_form(graph: GraphLike, value: str, at: tuple[int, ...]) -> LinearForm:
    """Say what one element of a value is in terms of the nearest value before it that is not linear.

    Which ops are linear these say themselves (`ops.linear.Linear`); conv2d and dense are where their accumulator is
    proven not to overflow. A value that joins several values which are not linear (an add of two activations)
    ends the form, as does one that is itself an input or made by another op: its form is the element itself.

    Args:
        at: (c, y, x), or (c,) of a vector.

    Raises:
        GraphError: no such value or element.
    """
    graph = graph_of(graph)
    return bounds_of(graph).form(value, at)


def positions(graph: GraphLike, value: str, channel: int) -> list[tuple[int, ...]]:
    """A few elements (c, y, x) of a channel whose forms stand for all of the channel, up to a shift: one for each
    pattern of taps inside the map and in the padding, the largest form first. Of a vector: (c,) alone.

    Raises:
        GraphError: no such value or channel.
    """
    graph = graph_of(graph)
    return bounds_of(graph).positions(value, channel)


def channel_forms(graph: Graph, value: str) -> list[list[tuple[tuple[int, ...], LinearForm]]]:
    """List for each channel of a value (element, its `linear_form`) for each of its `positions`, in their order.

    Raises GraphError when there is no such value.
    """
    return bounds_of(graph).forms(value)


def pixel_ranges(graph: Graph, value: str, pixel: tuple[int, ...]) -> Range:
    """Give for each channel of a value the range of the `linear_form` of its element at a pixel (y, x), () of a vector.

    Raises GraphError when there is no such value.
    """
    return bounds_of(graph).ranges_at(value, pixel)


def channel_ranges(graph: GraphLike) -> dict[str, Range]:
    """The proven lowest and highest value of each channel of every value by name, int64 (C,) each.

    Never wider than the value's type. Exact along linear chains, over all border patterns, when what the chain
    begins with may be anything in the range of its channel.
    """
    graph = graph_of(graph)
    return bounds_of(graph).channels

"""Proven ranges, channel by channel: linear chains composed, so that PW and GC1 are bounded as one kernel.

A type rule bounds a node by the range of its input, as if that input's elements were independent. Where the input
is itself a linear function of earlier values (a pointwise convolution before a grouped one, say), they are not: the
composed kernel is what decides, and its bound is often several bits narrower. Everything here is exact.
"""

from __future__ import annotations

from functools import lru_cache

from ..graph import GraphLike, graph_of
from .analysis import Bounds, LinearForm

__all__ = ["Bounds", "LinearForm", "bounds_of"]

_kept = lru_cache(maxsize=4)(Bounds)


def bounds_of(graph: GraphLike) -> Bounds:
    """The `Bounds` of a graph; those of the last few graphs are kept."""
    return _kept(graph_of(graph))

"""Functional coverage of a graph: covergroups a node, what frames hit, and what is proven unreachable."""

from .collect import Coverage
from .group import Axis, Covergroup, Intervals, Reason

__all__ = ["Axis", "Coverage", "Covergroup", "Intervals", "Reason"]

"""Functional coverage of a graph: covergroups a node, what frames hit, and what is proven unreachable.

Here stands what the ops speak of: bins (`group`), proofs (`forms`), faults of one frame (`fault`). A cover
group is a `Covergroup` with axes and a function that says which bins some frames hit; `Intervals` are bins that numbers
reach, which `forms` proves unreachable and stimuli are solved for, `Combinations` numbers of several inputs together.
"""

from .fault import ENDS, EQUAL, HIGHEST, LOWEST, RESET, Faults, Order, Site, fault
from .forms import Prover
from .group import Axis, Bools, Covergroup, Intervals, Values

__all__ = [
    "ENDS",
    "EQUAL",
    "HIGHEST",
    "LOWEST",
    "RESET",
    "Axis",
    "Bools",
    "Covergroup",
    "Faults",
    "Intervals",
    "Order",
    "Prover",
    "Site",
    "Values",
    "fault",
]

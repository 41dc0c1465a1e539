"""What all readers share: tensors of the source as views of float nodes, and ops recognised by what they compute.

A reader walks its source and calls one function of `vocabulary` an op; what depends on constants alone it has computed
before. `net` is the network under construction, `tensor` what is known of a tensor and its values. Layout ops only
rearrange axes (`layout`); pointwise ops wait in a chain until a rounding makes them a quantiser (`chains`,
`pointwise`); integer types are exact.
"""

from .base import Array, Unsupported
from .layout import Layout
from .net import Reading, SymbolicNet
from .tensor import Operand, Symbolic, Tap
from .weights import weight_of

__all__ = ["Array", "Layout", "Operand", "Reading", "Symbolic", "SymbolicNet", "Tap", "Unsupported", "weight_of"]

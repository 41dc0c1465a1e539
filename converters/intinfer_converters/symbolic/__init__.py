"""What all readers share: tensors of the source as views of float nodes, and ops recognised by what they compute.

A reader walks its source and calls one method of `SymbolicNet` an op; what depends on constants alone it has computed
before. Layout ops only rearrange indices (`layout`); pointwise ops wait in a chain until a rounding makes them a
quantiser (`chains`); integer types are exact (`integers`).
"""

from .emitter import Reading
from .layers import Layers
from .merges import Merging
from .tensor import Symbolic, Tap, Unsupported
from .weights import weight_of


class SymbolicNet(Merging, Layers):
    """The float net under construction, by the ops of its source."""


__all__ = ["Reading", "Symbolic", "SymbolicNet", "Tap", "Unsupported", "weight_of"]

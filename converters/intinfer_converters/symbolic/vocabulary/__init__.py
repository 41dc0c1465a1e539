"""The one vocabulary of source ops: what an op means, whatever format it comes from.

Each function takes the network under construction, tensors and plain arguments; constants are NumPy arrays. A function
whose arguments both sources order alike has its names beside it (`words`), where the readers find them; for the others
they map the names and arguments of their formats to these functions.
"""

from . import arithmetic, arrangement, comparisons, elementwise, layers, quantisers, reductions, refusals
from .words import ATEN, ONNX, Form

__all__ = [
    "ATEN",
    "ONNX",
    "Form",
    "arithmetic",
    "arrangement",
    "comparisons",
    "elementwise",
    "layers",
    "quantisers",
    "reductions",
    "refusals",
]

"""`FloatNet`: the source's network with its parameters, op order and dtype; what every reader produces.

It says what the real-valued network *is*. Each op class says what it means: its shape, its value in floats, how far
these may be off (`check`), and what it becomes on exact integers (`lower`).
"""

from .arranging import FlattenMap, Gather, SelectChannels
from .base import FloatNode, FloatOp
from .integer import IntegerOp
from .layers import Conv, Dense
from .merges import BitshiftMean, Concatenate, Multiplex, Sum, ThresholdedMean
from .net import FloatNet, FloatNetBuilder
from .pointwise import Pixels, Pointwise, Quantise
from .pools import AveragePool, GlobalAverage, GlobalSum, MaximumPool
from .weights import QuantisedWeight, RealWeight

__all__ = [
    "AveragePool",
    "BitshiftMean",
    "Concatenate",
    "Conv",
    "Dense",
    "FlattenMap",
    "FloatNet",
    "FloatNetBuilder",
    "FloatNode",
    "FloatOp",
    "Gather",
    "GlobalAverage",
    "GlobalSum",
    "IntegerOp",
    "MaximumPool",
    "Multiplex",
    "Pixels",
    "Pointwise",
    "Quantise",
    "QuantisedWeight",
    "RealWeight",
    "SelectChannels",
    "Sum",
    "ThresholdedMean",
]

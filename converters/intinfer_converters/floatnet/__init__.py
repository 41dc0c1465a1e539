"""`FloatNet`: the source's network with its parameters, op order and dtype; what every reader produces.

It says what the real-valued network *is*. Each op class says what it means: its shape, its value in floats, how far
these may be off (`check`), and what it becomes on exact integers (`lower`).
"""

from .arranging import FlattenMap, Gather, SelectChannels
from .base import FloatNet, FloatNetBuilder, FloatNode, FloatOp
from .layers import Conv, Dense, QuantisedWeight, RealWeight
from .merges import BitshiftMean, Concatenate, Multiplex, Sum, ThresholdedMean
from .pointwise import IntegerOp, Pixels, Pointwise
from .pools import AveragePool, GlobalAverage, GlobalSum, MaximumPool
from .quantise import Quantise

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

"""Integer-only, bit-accurate inference for ternary and binary CNNs."""

from .builder import GraphBuilder
from .model import Model, load
from .model_file import save

__version__ = "0.1.0"

__all__ = ["GraphBuilder", "Model", "__version__", "load", "save"]

"""Integer-only, bit-accurate inference for ternary and binary CNNs."""

__version__ = "0.1.0"

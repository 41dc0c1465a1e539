"""Plain float nets to integers: post-training quantisation of a `FloatNet`, and a float executor to measure with."""

from __future__ import annotations

from .calibrator import quantise
from .execute import run_float
from .report import CalibrationReport, NetComparison, compare

__all__ = ["CalibrationReport", "NetComparison", "compare", "quantise", "run_float"]

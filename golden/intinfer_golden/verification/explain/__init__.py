"""One element of a node followed by hand: every product, sum and threshold that made it."""

from .explain import Explanation, FrameExplanation, explain, explain_frame, only
from .report import describe, document

__all__ = ["Explanation", "FrameExplanation", "describe", "document", "explain", "explain_frame", "only"]

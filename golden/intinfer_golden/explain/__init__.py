"""One element of a node followed by hand: every product, sum and threshold that made it."""

from .element import Explanation
from .explain import explain
from .report import describe, document

__all__ = ["Explanation", "describe", "document", "explain"]

"""Ops that slide a window over a padded map."""

from __future__ import annotations

from abc import abstractmethod

from .base import Op
from .geometry import Window


class Windowed(Op):
    """An op whose only input is a map that a window slides over, with an explicit border."""

    @property
    @abstractmethod
    def window(self) -> Window:
        """Kernel, stride, pads and dilation. Raises GraphError when they are no window."""

    @abstractmethod
    def rule_steps(self, height: int, width: int) -> int:
        """Say how many steps the type rule takes on a map that large, 0 when they do not grow with it. A model file may
        ask for so many in all (spec/model_file.md, section Limits)."""

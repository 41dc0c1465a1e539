"""Argmax over channels; the lowest index wins ties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..graph import Shape, Value
from ..types import IntArray, IntType
from .base import Op


@dataclass(frozen=True, eq=False)
class ArgMax(Op):
    """(C,) -> (1,) and (C, H, W) -> (1, H, W), values 0..C - 1."""

    kind: ClassVar[str] = "argmax"

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        (x,) = inputs
        return (1, *x.shape[1:]), IntType(0, x.shape[0] - 1)

    def reference(self, *inputs: IntArray) -> IntArray:
        (x,) = inputs
        winner: IntArray = np.argmax(x, axis=1, keepdims=True).astype(np.int64)
        return winner

"""Flatten (C, H, W) to (C*H*W,), channel outermost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..graph import Shape, Value
from ..types import IntArray, IntType
from .base import Op


@dataclass(frozen=True, eq=False)
class Flatten(Op):
    """C order: out[(c*H + y)*W + x] = in[c, y, x]."""

    kind: ClassVar[str] = "flatten"

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        (x,) = inputs
        return (x.size,), x.type

    def reference(self, *inputs: IntArray) -> IntArray:
        (x,) = inputs
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))

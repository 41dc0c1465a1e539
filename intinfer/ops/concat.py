"""Concatenation along channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..types import IntArray, IntType
from .base import Op


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """Channels of the first input, then of the second, and so on; equal H and W."""

    kind: ClassVar[str] = "concat"
    arity: ClassVar[int | None] = None

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        if len({x.shape[1:] for x in inputs}) != 1:
            raise GraphError("inputs differ beyond channels: " + ", ".join(f"{x.name!r} {x.shape}" for x in inputs))
        type_ = inputs[0].type
        for x in inputs[1:]:
            type_ = type_.union(x.type)
        return (sum(x.shape[0] for x in inputs), *inputs[0].shape[1:]), type_

    def reference(self, *inputs: IntArray) -> IntArray:
        return np.concatenate(inputs, axis=1)

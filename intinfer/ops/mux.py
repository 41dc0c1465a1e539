"""Channel multiplexer: out_c = S_c ? I1_c : I0_c."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from ..graph import Shape, Value
from ..types import IntArray, IntType
from .base import Op, need_map, need_same_shape


@dataclass(frozen=True, eq=False)
class Mux(Op):
    """Inputs: select bits S (C,), then I1 and I0 (C, H, W)."""

    kind: ClassVar[str] = "mux"
    arity: ClassVar[int | None] = 3

    def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
        select, if_one, if_zero = inputs
        channels, _, _ = need_map(if_one)
        shape = need_same_shape(if_one, if_zero)
        if select.shape != (channels,) or not IntType(0, 1).contains(select.type):
            raise GraphError(
                f"select {select.name!r} must be ({channels},) of 0 and 1, it is {select.shape} of {select.type}"
            )
        return shape, if_one.type.union(if_zero.type)

    def reference(self, *inputs: IntArray) -> IntArray:
        select, if_one, if_zero = inputs
        return np.where(select[:, :, None, None] == 1, if_one, if_zero)

"""Padding is real 0: the integer that means it, as the border of an op or as a frame of its own."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from intinfer.ops import Gather
from intinfer.ops.geometry import Pads
from intinfer.tensor import IntTensor
from intinfer.types import IntArray

from .lowered import Lowered, Lowering, RefusalError, squeeze

if TYPE_CHECKING:
    from .floatnet import FloatNode

NO_PADS: Pads = (0, 0, 0, 0)


def zeros(x: Lowered) -> tuple[int, ...]:
    """The integers whose real value is 0, one or one a channel: -offset / scale. RefusalError where there is none."""
    if any(o and not s for s, o in zip(x.scales(), x.offsets(), strict=True)):
        raise RefusalError("its padding is real 0, and a channel is another constant; quantise so that 0 is a level")
    values = squeeze([-o / s if s else Fraction(0) for s, o in zip(x.scales(), x.offsets(), strict=True)])
    for channel, value in enumerate(values):
        if value.denominator != 1:
            raise RefusalError(
                f"its padding is real 0, which is {float(value):g} in the integers of channel {channel} "
                f"({x.z.type}), not one of them; quantise so that 0 is a level, or pad nothing"
            )
    return tuple(int(value) for value in values)


def framed(state: Lowering, node: FloatNode, x: Lowered, pads: Pads) -> Lowered:
    """`x` with a border of real 0 around its maps, for ops that have no border of that integer."""
    values = zeros(x)
    if len(set(values)) > 1:
        raise RefusalError(
            f"its padding is real 0, which is other integers in other channels ({min(values)}..{max(values)}); put one "
            "quantiser before it"
        )
    top, left, bottom, right = pads
    index: IntArray = np.arange(x.z.size, dtype=np.int64).reshape(x.z.shape)
    index = np.pad(index, ((0, 0), (top, bottom), (left, right)), constant_values=-1)
    op = Gather(IntTensor(index), values[0])
    return replace(x, z=state.add(op, x.z, name=f"{node.name}.pad", source=node.source))

"""The compiled loop over rows: one call runs all kernels on planes that follow each other, without the GIL."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .blend import blending
from .compiled import compiled
from .cpu import products
from .dot import SHAPES, convolution
from .narrowing import narrow
from .plane_pooling import average, maximum
from .rows import ROW_BYTES, Column, Kind
from .vectors import number


@lru_cache(maxsize=1)
def driver() -> Any:
    """The compiled function of (address of rows, first, last, memory, lists of chosen items): rows first..last - 1."""
    usual, wide, small = (convolution(*shape) for shape in SHAPES)
    blend, above, largest = blending(), average(), maximum()
    row_bytes, chosen_at = ROW_BYTES, 8 * Column.CHOSEN
    is_usual, is_wide, is_small, is_blend, is_average, is_maximum = (
        int(kind)
        for kind in (Kind.CONVOLVE, Kind.CONVOLVE_WIDE, Kind.CONVOLVE_SMALL, Kind.BLEND, Kind.AVERAGE, Kind.MAXIMUM)
    )

    @compiled(variant=products().name)
    def drive(rows, first, last, memory, lists):
        for i in range(first, last):
            row = rows + row_bytes * i
            kind, chosen = number(row), lists + number(row + chosen_at)
            if kind == is_usual:
                usual(row, chosen, memory)
            elif kind == is_wide:
                wide(row, chosen, memory)
            elif kind == is_small:
                small(row, chosen, memory)
            elif kind == is_blend:
                blend(row, chosen, memory)
            elif kind == is_average:
                above(row, chosen, memory)
            elif kind == is_maximum:
                largest(row, chosen, memory)
            else:
                narrow(row, lists, memory)

    return drive

"""Ranges of a value by channel and class of pixel, and what follows from them without composing anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..types import IntArray, Range
from .forms import Sums


@dataclass(frozen=True, eq=False)
class Table:
    """Ranges of a value by channel and class of pixel: lo and hi (C, classes of rows, classes of columns)."""

    lo: IntArray
    hi: IntArray
    rows: IntArray
    columns: IntArray

    def channels(self) -> Range:
        return self.lo.min(axis=(1, 2)), self.hi.max(axis=(1, 2))

    def elements(self) -> Range:
        """Give the range of every element, in the order of `flatten`."""
        lo, hi = (ends[:, self.rows][:, :, self.columns].reshape(-1) for ends in (self.lo, self.hi))
        return lo, hi


def of_single_elements(sums: Sums, tables: Mapping[str, Table]) -> Range | None:
    """The range of sums that are each of one element of one value, from that element's; None for any others.

    Nothing has to be composed there: however long a chain of such nodes is, each takes the time of one.
    """
    if len(sums.boxes) != 1:
        return None
    ((name, box),) = sums.boxes.items()
    table = tables.get(name)
    flat = box.coefficients.reshape(len(box.coefficients), -1)
    if table is None or (np.count_nonzero(flat, axis=1) > 1).any():
        return None
    place = (flat != 0).argmax(axis=1)
    channel, y, x = np.unravel_index(place, box.coefficients.shape[1:])
    at = channel, table.rows[box.top + y], table.columns[box.left + x]
    factor = flat[np.arange(len(flat)), place]
    ends = sums.constant + factor * table.lo[at], sums.constant + factor * table.hi[at]
    return np.minimum(*ends), np.maximum(*ends)

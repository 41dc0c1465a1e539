"""Changes of a map and what becomes of them behind linear nodes: the same in every frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from intinfer.types import IntArray

from ...designs.mac import Mac
from .group import Bools


@dataclass(frozen=True, eq=False)
class Changes:
    """Numbers added to elements of a map, many ways to change it in one.

    Attributes:
        way: (K,) the way that an element's change is part of.
        channel, row, column: (K,) of the element; row and column are 0 in a vector.
        delta: (K,) what is added, not 0.
    """

    way: IntArray
    channel: IntArray
    row: IntArray
    column: IntArray
    delta: IntArray

    def moved(self, rows: int, columns: int) -> Changes:
        """The same changes so many rows and columns further."""
        return replace(self, row=self.row + rows, column=self.column + columns)

    def times(self, multiplier: IntArray) -> Changes:
        """Multiplied by a number for each channel."""
        return replace(self, delta=self.delta * multiplier[self.channel]).summed()

    def chosen(self, which: IntArray | Bools) -> Changes:
        """Some of the changes, by number or as a mask (K,)."""
        return Changes(*(part[which] for part in (self.way, self.channel, self.row, self.column, self.delta)))

    def of_way(self, way: int) -> Changes:
        """The changes of one way; they stand together once they are summed."""
        return self.chosen(np.arange(*np.searchsorted(self.way, [way, way + 1])))

    def summed(self) -> Changes:
        """One change an element and way, none of 0, in the order of the ways."""
        if not len(self.way):
            return self
        keys = (self.way, self.channel, self.row, self.column)
        shape = tuple(int(key.max()) + 1 for key in keys)
        flat = np.ravel_multi_index(keys, shape)
        order = flat.argsort(kind="stable")
        starts = np.flatnonzero(np.diff(flat[order], prepend=-1))
        delta = np.add.reduceat(self.delta[order], starts)
        changed = delta != 0
        way, channel, row, column = np.unravel_index(flat[order[starts[changed]]], shape)
        return Changes(way, channel, row, column, delta[changed])


def spread(mac: Mac, changes: Changes) -> Changes:
    """What changes of the padded map, its rows and columns counted from the border's, change in the sums."""
    (sy, sx), (dy, dx), (height, width) = mac.window.stride, mac.window.dilation, mac.window.kernel
    _, rows, columns = mac.outputs
    y = changes.row[:, None] - dy * np.arange(height)  # (K, KH): where a window begins whose tap reads the element
    x = changes.column[:, None] - dx * np.arange(width)
    whole_y = (y >= 0) & (y % sy == 0) & (y // sy < rows)
    whole_x = (x >= 0) & (x % sx == 0) & (x // sx < columns)
    which, i, j = (whole_y[:, :, None] & whole_x[:, None, :]).nonzero()
    channels, sums = mac.weight.shape[1], len(mac.weight) // mac.groups  # of a group
    group, own = changes.channel[which] // channels, changes.channel[which] % channels
    out = group[:, None] * sums + np.arange(sums)
    delta = mac.weight[out, own[:, None], i[:, None], j[:, None]] * changes.delta[which, None]
    some, _ = found = delta.nonzero()
    parts = (changes.way[which][some], out[found], (y[which, i] // sy)[some], (x[which, j] // sx)[some], delta[found])
    return Changes(*parts).summed()

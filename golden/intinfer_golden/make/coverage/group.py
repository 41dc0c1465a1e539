"""Covergroups: bins of one node that frames hit, or that are proven unreachable; everything else stays open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from intinfer.errors import IntinferError
from intinfer.types import IntArray

Bools = npt.NDArray[np.bool_]
Values = Mapping[str, IntArray]
"""Every value of some frames by name, (N, *shape), as `reference.trace` gives them."""

CELLS = 2**22
"""Comparisons held at once."""

See = Callable[[Values], Bools]
"""What these frames hit: (bins,)."""


@dataclass(frozen=True)
class Axis:
    """One coordinate of a bin: its name, and a word for each index where a number would say nothing."""

    name: str
    words: tuple[str, ...] = ()

    def text(self, index: int) -> str:
        return self.words[index] if self.words else f"{self.name} {index}"


@dataclass(frozen=True)
class Reason:
    """Why bins cannot be hit: the first of them, how many, and the proof in words."""

    bin: int
    count: int
    text: str


@dataclass(eq=False)
class Covergroup:
    """The bins of one kind at one node.

    Attributes:
        node: name of the node, or of the region for its frames.
        kind: short name, such as "threshold sides".
        sentence: what a hit means.
        axes: the coordinates of a bin.
        coordinates: (bins, axes), the bins in order.
        see: which bins some frames hit.
        history: whether hits depend on all frames together, so that one frame alone says nothing.
        hit, unreachable: (bins,) bool; a bin that is hit is never unreachable.
        reasons: why bins are unreachable.
    """

    node: str
    kind: str
    sentence: str
    axes: tuple[Axis, ...]
    coordinates: IntArray
    see: See
    history: bool = False
    hit: Bools = field(init=False)
    unreachable: Bools = field(init=False)
    reasons: list[Reason] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.hit = np.zeros(len(self.coordinates), dtype=bool)
        self.unreachable = np.zeros(len(self.coordinates), dtype=bool)

    @property
    def open(self) -> Bools:
        """Bins neither hit nor proven unreachable."""
        return ~(self.hit | self.unreachable)

    def observe(self, values: Values) -> None:
        """Count the bins that these frames hit. Raises IntinferError when one was proven unreachable."""
        seen = self.see(values)
        wrong = seen & self.unreachable
        if wrong.any():  # a hit refutes a proof
            name = self.name(int(np.flatnonzero(wrong)[0]))
            raise IntinferError(
                f"node {self.node!r}, {self.kind}: {name} is hit and was proven unreachable; please report this bug of "
                "intinfer with the model"
            )
        self.hit |= seen

    def exclude(self, bins: Bools | Sequence[int], text: str) -> None:
        """Mark bins as unreachable, with the proof in words."""
        if isinstance(bins, np.ndarray):
            chosen = (bins & ~self.unreachable).nonzero()[0].tolist()
        else:
            chosen = sorted(index for index in set(bins) if not self.unreachable[index])
        if chosen:
            self.unreachable[chosen] = True
            self.reasons.append(Reason(chosen[0], len(chosen), text))

    def name(self, index: int) -> str:
        """The bin in words: "channel 3, threshold 2, at T - 1"."""
        parts = zip(self.axes, self.coordinates[index].tolist(), strict=True)
        return ", ".join(axis.text(place) for axis, place in parts)


def grid(*extents: int) -> IntArray:
    """Coordinates of all places of a grid in C order, (places, axes)."""
    return np.indices(extents, dtype=np.int64).reshape(len(extents), -1).T


@dataclass(eq=False)
class Intervals(Covergroup):
    """Bins of the form: some element of a channel of a value lies in lo..hi.

    Attributes:
        value: its name.
        channel, lo, hi: (bins,); both ends are meant.
        exact: whether the sum before the accumulator's overflow rule is meant.
    """

    value: str = ""
    channel: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    lo: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    hi: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    exact: bool = False


def intervals(
    node: str,
    kind: str,
    sentence: str,
    axes: tuple[Axis, ...],
    coordinates: IntArray,
    value: str,
    bounds: tuple[IntArray, IntArray],
    exact: Callable[[Values], IntArray] | None = None,
) -> Intervals:
    """An `Intervals` group; the first axis is the channel.

    Args:
        exact: gives the exact sums when these are meant instead of the value.
    """
    channel = coordinates[:, 0]
    lo, hi = bounds

    def see(values: Values) -> Bools:
        array = values[value] if exact is None else exact(values)
        rows = np.moveaxis(array, 1, 0).reshape(array.shape[1], -1)
        seen = group.hit.copy()  # what is hit stays hit: only the others are looked at
        wanted = (~seen).nonzero()[0]
        step = max(1, CELLS // rows.shape[1])
        for part in (wanted[start : start + step] for start in range(0, len(wanted), step)):
            numbers = rows[channel[part]]
            seen[part] = ((numbers >= lo[part, None]) & (numbers <= hi[part, None])).any(axis=1)
        return seen

    group = Intervals(
        node,
        kind,
        sentence,
        axes,
        coordinates,
        see,
        value=value,
        channel=channel,
        lo=lo,
        hi=hi,
        exact=exact is not None,
    )
    return group

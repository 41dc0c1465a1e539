"""Covergroups: bins of one node that frames hit, or that are proven unreachable; everything else stays open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
    """One coordinate of a bin: its name, and how many places it has, or a word for each where a number says nothing."""

    name: str
    places: int | tuple[str, ...]

    @property
    def extent(self) -> int:
        """How many places it has."""
        return self.places if isinstance(self.places, int) else len(self.places)

    def text(self, index: int) -> str:
        """A place in words."""
        return f"{self.name} {index}" if isinstance(self.places, int) else self.places[index]


@dataclass(frozen=True)
class Reason:
    """Why bins cannot be hit: the first of them, how many, and the proof in words."""

    bin: int
    count: int
    text: str


class Covergroup:
    """The bins of one kind at one node: a bin for each combination of places of the axes, the last running fastest.

    Args:
        node: name of the node, or of the region for its frames.
        kind: short name, such as "threshold sides".
        sentence: what a hit means.
        axes: the coordinates of a bin.
        see: which bins some frames hit.
        coordinates: (bins, axes), where not every combination is a bin.
        history: whether hits depend on all frames together, so that one frame alone says nothing.

    Attributes:
        hit, unreachable: (bins,) bool; a bin that is hit is never unreachable.
        reasons: why bins are unreachable.
    """

    def __init__(
        self,
        node: str,
        kind: str,
        sentence: str,
        axes: tuple[Axis, ...],
        see: See,
        *,
        coordinates: IntArray | None = None,
        history: bool = False,
    ) -> None:
        self.node, self.kind, self.sentence, self.axes = node, kind, sentence, axes
        self.see, self.history = see, history
        self.coordinates = grid(*(axis.extent for axis in axes)) if coordinates is None else coordinates
        self.hit, self.unreachable = (np.zeros(len(self.coordinates), dtype=bool) for _ in range(2))
        self.reasons: list[Reason] = []

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

    def exclude(self, bins: Bools | bool | Sequence[int], text: str) -> None:
        """Mark bins as unreachable, with the proof in words: those of a mask, all or none, or by number."""
        chosen = np.zeros(len(self.hit), dtype=bool)
        chosen[bins] = True
        chosen &= ~self.unreachable
        if chosen.any():
            self.unreachable |= chosen
            self.reasons.append(Reason(int(chosen.argmax()), int(chosen.sum()), text))

    def name(self, index: int) -> str:
        """The bin in words: "channel 3, threshold 2, at T - 1"."""
        parts = zip(self.axes, self.coordinates[index].tolist(), strict=True)
        return ", ".join(axis.text(place) for axis, place in parts)


def grid(*extents: int) -> IntArray:
    """Coordinates of all places of a grid in C order, (places, axes)."""
    return np.indices(extents, dtype=np.int64).reshape(len(extents), -1).T


class Intervals(Covergroup):
    """Bins of the form: some element of a channel of a value lies in lo..hi, both ends meant. The first axis is the
    channel.

    Args:
        value: its name.
        lo, hi: of each bin, of any shape; one number where there is no `hi`.
        exact: gives the sums before the accumulator's overflow rule, when these are meant instead of the value.
    """

    def __init__(
        self,
        node: str,
        kind: str,
        sentence: str,
        axes: tuple[Axis, ...],
        *,
        value: str,
        lo: IntArray,
        hi: IntArray | None = None,
        exact: Callable[[Values], IntArray] | None = None,
    ) -> None:
        super().__init__(node, kind, sentence, axes, self._seen)
        self.value, self.channel, self.exact = value, self.coordinates[:, 0], exact is not None
        self.lo, self.hi = lo.reshape(-1), (lo if hi is None else hi).reshape(-1)
        self._numbers = exact or (lambda values: values[value])

    def _seen(self, values: Values) -> Bools:
        array = self._numbers(values)
        rows = np.moveaxis(array, 1, 0).reshape(array.shape[1], -1)
        seen = self.hit.copy()  # what is hit stays hit: only the others are looked at
        wanted = (~seen).nonzero()[0]
        step = max(1, CELLS // rows.shape[1])
        for part in (wanted[start : start + step] for start in range(0, len(wanted), step)):
            numbers = rows[self.channel[part]]
            seen[part] = ((numbers >= self.lo[part, None]) & (numbers <= self.hi[part, None])).any(axis=1)
        return seen

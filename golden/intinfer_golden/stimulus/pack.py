"""Several goals in one frame: each wants some elements of one input, goals that want none in common share a frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from intinfer.types import IntArray

from ..coverage.group import Bools
from .textures import Frame


@dataclass(frozen=True, eq=False)
class Goal:
    """Elements of an input and the numbers they should hold.

    Attributes:
        input: its name.
        indices: (M, 1 or 3).
        numbers: (M,).
        shifts: (S, 1 or 3) the goal is reached as well with all indices moved by one of these; tried in order.
    """

    input: str
    indices: IntArray
    numbers: IntArray
    shifts: IntArray

    def places(self, shape: Sequence[int]) -> tuple[IntArray, list[int], Bools]:
        """In an input of this shape, counted in C order: the elements, how far each shift moves them, and which
        shifts leave them all inside."""
        weights = np.cumprod([1, *shape[:0:-1]])[::-1]
        offsets: list[int] = (self.shifts @ weights).tolist()
        if not len(self.indices):
            return np.zeros(0, dtype=np.int64), offsets, np.ones(len(offsets), dtype=bool)
        least, most = self.indices.min(axis=0) + self.shifts, self.indices.max(axis=0) + self.shifts
        return self.indices @ weights, offsets, ((least >= 0) & (most < np.array(shape))).all(axis=1)


@dataclass(eq=False)
class _Open:
    """A frame that still takes goals."""

    frame: Frame
    taken: dict[str, Bools]
    next: dict[tuple[str, int], int] = field(default_factory=dict)
    """Where in a list of shifts the search goes on: what came before is taken."""


DEPTH = 16
"""Frames that are looked at before a new one is begun."""


def pack(goals: Sequence[Goal], background: Callable[[], Frame]) -> list[Frame]:
    """Frames in which every goal has its place; elements that no goal wants keep the background."""
    opened: list[_Open] = []
    for goal in goals:
        places = None
        for candidate in opened[-DEPTH:]:
            places = places or goal.places(candidate.frame[goal.input].shape)
            if _place(goal, candidate, *places):
                break
        else:
            frame = background()
            opened.append(_Open(frame, {name: np.zeros(a.size, dtype=bool) for name, a in frame.items()}))
            _place(goal, opened[-1], *goal.places(frame[goal.input].shape))
    return [candidate.frame for candidate in opened]


def _place(goal: Goal, candidate: _Open, elements: IntArray, offsets: list[int], inside: Bools) -> bool:
    taken = candidate.taken[goal.input]
    key = (goal.input, id(goal.shifts))
    start = candidate.next.get(key, 0)
    for turn in chain(range(start, len(offsets)), range(start)):
        if inside[turn]:
            where = elements + offsets[turn]
            if not taken[where].any():
                candidate.frame[goal.input].flat[where] = goal.numbers
                taken[where] = True
                candidate.next[key] = turn
                return True
    return False

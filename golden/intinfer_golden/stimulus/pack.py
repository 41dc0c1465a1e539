"""Several goals in one frame: each wants some elements of one input, goals that want none in common share a frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from intinfer.types import IntArray

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

    def moved(self, shift: IntArray, shape: Sequence[int]) -> tuple[IntArray, ...] | None:
        """Indices of the moved elements, None when they leave the input."""
        indices = self.indices + shift
        if len(indices) and ((indices < 0).any() or (indices >= np.array(shape)).any()):
            return None
        return tuple(indices.T)


@dataclass(eq=False)
class _Open:
    """A frame that still takes goals."""

    frame: Frame
    taken: dict[str, IntArray]
    next: dict[tuple[str, int], int] = field(default_factory=dict)
    """Where in a list of shifts the search goes on: what came before is taken."""


DEPTH = 16
"""Frames that are looked at before a new one is begun."""


def pack(goals: Sequence[Goal], background: Callable[[], Frame]) -> list[Frame]:
    """Frames in which every goal has its place; elements that no goal wants keep the background."""
    opened: list[_Open] = []
    for goal in goals:
        if not any(_place(goal, candidate) for candidate in opened[-DEPTH:]):
            frame = background()
            opened.append(_Open(frame, {name: np.zeros(a.shape, dtype=np.int64) for name, a in frame.items()}))
            _place(goal, opened[-1])
    return [candidate.frame for candidate in opened]


def _place(goal: Goal, candidate: _Open) -> bool:
    taken, array = candidate.taken[goal.input], candidate.frame[goal.input]
    key = (goal.input, id(goal.shifts))
    start = candidate.next.get(key, 0)
    for k in range(len(goal.shifts)):
        turn = (start + k) % len(goal.shifts)
        where = goal.moved(goal.shifts[turn], array.shape)
        if where is not None and not taken[where].any():
            array[where] = goal.numbers
            taken[where] = 1
            candidate.next[key] = turn
            return True
    return False

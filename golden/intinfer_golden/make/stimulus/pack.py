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


_Places = tuple[IntArray, list[int], list[bool]]
"""Where a goal may stand in an input, elements counted in C order: its elements unmoved, how far each shift moves them,
and which shifts leave them all inside."""


class _Placer:
    """Finds the places of goals; most goals have the window and the shifts of another."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[list[int], list[bool]]] = {}
        self._shifts: list[IntArray] = []

    def places(self, goal: Goal, shape: tuple[int, ...]) -> _Places:
        weights = np.cumprod([1, *shape[:0:-1]])[::-1]
        window = (goal.indices.min(axis=0), goal.indices.max(axis=0)) if len(goal.indices) else None
        key = (id(goal.shifts), shape, window and (*window[0].tolist(), *window[1].tolist()))
        if key not in self._known:
            inside = np.ones(len(goal.shifts), dtype=bool)
            if window is not None:
                least, most = window[0] + goal.shifts, window[1] + goal.shifts
                inside = ((least >= 0) & (most < np.array(shape))).all(axis=1)
            self._known[key] = (goal.shifts @ weights).tolist(), inside.tolist()
            self._shifts.append(goal.shifts)  # its id is not given to another
        return goal.indices @ weights, *self._known[key]


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
    placer = _Placer()
    for goal in goals:
        places = placer.places(goal, opened[-1].frame[goal.input].shape) if opened else None
        if places is None or not any(_place(goal, candidate, places) for candidate in opened[-DEPTH:]):
            frame = background()
            opened.append(_Open(frame, {name: np.zeros(a.size, dtype=bool) for name, a in frame.items()}))
            _place(goal, opened[-1], placer.places(goal, frame[goal.input].shape))
    return [candidate.frame for candidate in opened]


def _place(goal: Goal, candidate: _Open, places: _Places) -> bool:
    taken = candidate.taken[goal.input]
    key = (goal.input, id(goal.shifts))
    start = candidate.next.get(key, 0)
    elements, offsets, inside = places
    for turn in chain(range(start, len(offsets)), range(start)):
        if not inside[turn]:
            continue
        where = elements + offsets[turn]
        if not taken[where].any():
            candidate.frame[goal.input].flat[where] = goal.numbers
            taken[where] = True
            candidate.next[key] = turn
            return True
    return False

"""Some frames of a set, as `--frames` names them: ranges of numbers, first and last included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from intinfer.errors import DataError

Spans = Sequence[tuple[int, int]]
"""First and last number of each range of frames, counted from 0."""

MAX_FRAMES = 10**6
"""Frames that may be asked for; repetitions count."""


def numbers(spans: Spans, count: int, directory: Path) -> list[int]:
    """The frames of a set of `count`, in the order in which they are named.

    Raises DataError for a range that the set has not or that is empty, and for more than MAX_FRAMES.
    """
    last = count - 1
    for begin, end in spans:
        if not 0 <= begin <= end:
            raise DataError(f"frames {begin}-{end} are none: a range is its first and its last frame, counted from 0")
        if end > last:
            raise DataError(f"{directory}: has frames 0..{last}; there is no frame {end}")
    asked = sum(end - begin + 1 for begin, end in spans)
    if not 0 < asked <= MAX_FRAMES:
        raise DataError(f"{asked:,} frames are asked for; give 1 to {MAX_FRAMES:,}")
    return [number for begin, end in spans for number in range(begin, end + 1)]


def split(frames: Sequence[int]) -> list[tuple[int, int]]:
    """The ranges in which frames follow one another.

    >>> split([2, 3, 0, 0])
    [(2, 3), (0, 0), (0, 0)]
    """
    spans: list[tuple[int, int]] = []
    for number in frames:
        if spans and number == spans[-1][1] + 1:
            spans[-1] = spans[-1][0], number
        else:
            spans.append((number, number))
    return spans


def ranges(frames: Sequence[int], to: str = "-", between: str = ",") -> str:
    """Frames as text, with `to` inside a range and `between` two.

    >>> ranges([0, 2, 3, 4, 9]), ranges([1, 2, 3, 5, 8, 9], "..", ", ")
    ('0,2-4,9', '1..3, 5, 8..9')
    """
    return between.join(str(first) if first == last else f"{first}{to}{last}" for first, last in split(frames))

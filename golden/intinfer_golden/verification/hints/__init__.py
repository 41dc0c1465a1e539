"""Guesses at why a whole dump differs: each is told only when it explains every demanded value; of a column of indices
that it is there."""

from . import codes, moved
from .case import Case
from .columns import columns

__all__ = ["Case", "hints"]

_OF_VALUES = (codes.sign, moved.channels, moved.directions, moved.frames, codes.codes, codes.scale)
_OF_WORDS = (columns, moved.orders, codes.bits, moved.fold, moved.shift, moved.missing, moved.node)


def hints(case: Case) -> list[str]:
    """What would make a dump that differs equal, in words; nothing where one value stands all over, which many
    changes would explain."""
    if not case.varied:
        return []
    looks = (*(_OF_VALUES if case.complete else ()), *_OF_WORDS)
    return [hint for look in looks for hint in look(case)]

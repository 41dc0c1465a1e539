"""One thing that a design may have got wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .changes import Change

Families = tuple[Iterator["Mistake"], ...]
"""Mistakes of several kinds, those of a kind in the order in which they are told."""


@dataclass(frozen=True)
class Mistake:
    """What a design may have done, and what a node then gives.

    Attributes:
        text: what the design did, with numbers and coordinates.
        values: what the node then gives, from its operands for some frames, each int64 (N, *shape).
        choices: among how many of its kind this one was picked to fit; 1 where there was nothing to pick.
        history: a frame depends on those before it; `values` gets all frames from the first on.
        kind: of several that explain a dump and are of one kind, the first alone is told.
    """

    text: str
    values: Change
    choices: int = 1
    history: bool = False
    kind: str = ""


def listed(
    table: Mapping[str, Change], choices: int = 1, *, history: bool = False, kind: str = ""
) -> Iterator[Mistake]:
    """A mistake an entry: what the design did, and what the node then gives."""
    return (Mistake(text, values, choices, history, kind) for text, values in table.items())

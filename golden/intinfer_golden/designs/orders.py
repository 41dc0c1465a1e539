"""Orders that people mix up: of channels, groups and axes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np

from intinfer.types import IntArray

AXES = {"".join("CHW"[axis] for axis in order): order for order in permutations(range(3)) if order != (0, 1, 2)}
"""Orders of the axes of a map other than its own."""
MAX_PAIRS = 2_000
"""Exchanges of two channels that are tried one by one."""


def channel_orders(count: int) -> Iterator[tuple[str, IntArray, int]]:
    """(what, source, choices): place c is filled with entry source[c]; each order once, the identity never."""
    seen = {tuple(range(count))}
    for text, source, choices in _candidates(count):
        key = tuple(source.tolist())
        if key not in seen:
            seen.add(key)
            yield text, source, choices


def _candidates(count: int) -> Iterator[tuple[str, IntArray, int]]:
    all_ = np.arange(count)
    yield "in reverse", all_[::-1], 1
    blocks = {size: all_.reshape(-1, size) for size in range(2, count) if count % size == 0}
    for size in blocks:
        yield f"shuffled in {size} groups", all_.reshape(size, -1).T.reshape(-1), 1
    for size, block in blocks.items():
        yield f"in reverse inside each {size}", block[:, ::-1].reshape(-1), 1
        yield f"in reverse by blocks of {size}", block[::-1].reshape(-1), 1
    for by in range(1, count):
        text = f"rotated by {by if 2 * by <= count else by - count}"
        yield text, np.roll(all_, -by), 1 if by in (1, count - 1) else count
    for size, block in blocks.items():
        for by in range(1, size):
            yield f"rotated by {by} inside each {size}", np.roll(block, -by, axis=1).reshape(-1), count


def exchanges(count: int) -> Iterator[tuple[int, int, IntArray, int]]:
    """(a, b, source, choices): every two entries exchanged, where these are not too many."""
    pairs = list(combinations(range(count), 2)) if count * (count - 1) // 2 <= MAX_PAIRS else []
    for a, b in pairs:
        source = np.arange(count)
        source[[a, b]] = b, a
        yield a, b, source, max(2, len(pairs))


def usual(source: list[int]) -> bool:
    """Whether an order is one of `channel_orders`, or that in which all stays as it is."""
    return not moved(source) or any(source == order.tolist() for _, order, _ in channel_orders(len(source)))


def moved(source: list[int]) -> list[int]:
    """The places that hold another entry than their own."""
    return [place for place, entry in enumerate(source) if place != entry]


def described(source: list[int]) -> str:
    """Any order or choice of channels in words: "0 holds 5, 1 holds 3, ..."."""
    for text, order, _ in channel_orders(len(source)):
        if source == order.tolist():
            return text
    places = moved(source)
    if len(places) == 2 and [source[place] for place in places] == places[::-1]:
        return f"{places[0]} and {places[1]} exchanged"
    shown = ", ".join(f"{place} is {source[place]}" for place in places[:8])
    return shown + (f", and {len(places) - 8} more are moved" if len(places) > 8 else "")


def matched(count: int, candidates: dict[int, list[int]]) -> list[int] | None:
    """An order in which the places of `candidates` hold one of theirs and all others their own.

    Each entry is used once where that can be (augmenting paths), else the first of each place is taken; None where a
    place has none, and for an order that is `usual`, which is tried without looking at the dump.
    """
    if not all(candidates.values()):
        return None
    taken = {c: c for c in range(count) if c not in candidates}
    fixed = set(taken)

    def place(c: int, seen: set[int]) -> bool:
        for source in candidates[c]:
            if source in seen:
                continue
            seen.add(source)
            if source not in taken or place(taken[source], seen):
                taken[source] = c
                return True
        return False

    once = all(place(c, set(fixed)) for c in candidates)
    chosen = {c: source for source, c in taken.items()} if once else {c: few[0] for c, few in candidates.items()}
    found = [chosen.get(c, c) for c in range(count)]
    return None if usual(found) else found

"""Orders that people mix up: of channels, groups and axes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.types import IntArray


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
    divisors = [size for size in range(2, count) if count % size == 0]
    for groups in divisors:
        yield f"shuffled in {groups} groups", all_.reshape(groups, -1).T.reshape(-1), 1
    for size in divisors:
        blocks = all_.reshape(-1, size)
        yield f"in reverse inside each {size}", blocks[:, ::-1].reshape(-1), 1
        yield f"in reverse by blocks of {size}", blocks[::-1].reshape(-1), 1
    for by in range(1, count):
        back = count - by
        yield f"rotated by {by if by <= back else -back}", np.roll(all_, -by), 1 if by in (1, count - 1) else count
    for size in divisors:
        for by in range(1, size if size < count else 1):
            yield f"rotated by {by} inside each {size}", np.roll(all_.reshape(-1, size), -by, axis=1).reshape(-1), count


def pairs(count: int) -> Iterator[tuple[int, int]]:
    return ((a, b) for a in range(count) for b in range(a + 1, count))


def exchanged(count: int, a: int, b: int) -> IntArray:
    order = np.arange(count)
    order[[a, b]] = b, a
    return order


def described(source: list[int]) -> str:
    """Any order or choice of channels in words: "0 holds 5, 1 holds 3, ..."."""
    for text, order, _ in channel_orders(len(source)):
        if source == order.tolist():
            return text
    moved = [(c, s) for c, s in enumerate(source) if c != s]
    if len(moved) == 2 and moved[0] == moved[1][::-1]:
        return f"{moved[0][0]} and {moved[0][1]} exchanged"
    shown = ", ".join(f"{c} is {s}" for c, s in moved[:8])
    return shown + (f", and {len(moved) - 8} more are moved" if len(moved) > 8 else "")


def matched(count: int, candidates: dict[int, list[int]]) -> list[int] | None:
    """An order in which the places of `candidates` hold one of theirs and all others their own.

    Each entry is used once where that can be (augmenting paths), else the first of each place is taken; None where a
    place has none.
    """
    if not all(candidates.values()):
        return None
    owner: dict[int, int] = {c: c for c in range(count) if c not in candidates}
    taken = dict(owner)

    def place(c: int, seen: set[int]) -> bool:
        for source in candidates[c]:
            if source in seen or (owner.get(source) == source and source not in candidates):
                continue
            seen.add(source)
            if source not in taken or place(taken[source], seen):
                taken[source] = c
                return True
        return False

    if all(place(c, set()) for c in candidates):
        inverse = {c: source for source, c in taken.items()}
        return [inverse[c] for c in range(count)]
    return [candidates[c][0] if c in candidates else c for c in range(count)]

"""Clamps to other limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from intinfer.ops import Clamp

from .mistake import Mistake, clipped


def limited(op: Clamp, limits: Iterable[tuple[int, int]]) -> Iterator[Mistake]:
    """A clamp to each of some limits (lowest, highest) in place of its own, of those that hold a number."""
    for lo, hi in (pair for pair in dict.fromkeys(limits) if pair[0] <= pair[1]):
        text = f"the clamp is to {lo}..{hi}, not {op.lo}..{op.hi}"
        yield Mistake(text, clipped(lambda z: z, lo, hi), 4)

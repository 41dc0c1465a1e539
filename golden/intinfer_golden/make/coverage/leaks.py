"""Faults of state: results, sums and maxima that another frame left, or that a reset did not set."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from intinfer.accumulator import Overflow
from intinfer.types import IntArray

from .fault import ENDS, EQUAL, HIGHEST, LOWEST, RESET, Faults, Site, fault
from .group import Bools, Values


def results(site: Site) -> Iterator[Faults]:
    """The result, or its first pixel, is that of the frame before; after reset, its first pixel is 0."""
    first, last = site.first_place, site.last_place
    fixed = site.fixed(first)
    where = f"{site.name}: the first pixel of the result is" if first else f"{site.name}: the result is"
    always = fixed is not None and not fixed.any()
    yield fault(RESET, f"{where} 0", lambda now, _: bool(site.at(now, first).any()), "it always is" if always else "")
    for after, end in ENDS.items():
        known = site.before[after]
        reason = site.why_constant if site.constant else ""
        words = f"{site.name}: the result of the frame before again"
        yield fault(after, words, lambda now, before: not np.array_equal(now[site.name], before[site.name]), reason)
        if first == last or known is None:
            continue
        always = fixed is not None and np.array_equal(fixed, site.at(known, last))
        reason = f"it always is that of all {end}" if always else ""
        yield fault(
            after,
            f"{where} the last of the frame before",
            lambda now, before: not np.array_equal(site.at(now, first), site.at(before, last)),
            reason,
        )


def carried(site: Site, words: str, shows: Callable[[IntArray, IntArray], Bools], hidden: str) -> Iterator[Faults]:
    """Something of the last pixel of the frame before is kept at the first pixel of this one.

    Args:
        shows: (first pixel (C,), last pixel of the frame before (C,)) -> whether it shows, by channel.
        hidden: why it does not after an equal frame.
    """
    for after in (LOWEST, HIGHEST, EQUAL):

        def seen(now: Values, before: Values) -> bool:
            return bool(shows(site.at(now, site.first_place), site.at(before, site.last_place)).any())

        known = site.before.get(after)
        never = "" if known is None else _never_shows(site, shows, site.at(known, site.last_place))
        reason = hidden if after == EQUAL else never
        yield fault(after, f"{site.name}: {words}", seen, reason)


def _never_shows(site: Site, shows: Callable[[IntArray, IntArray], Bools], kept: IntArray) -> str:
    """Over the ends of the first pixel; what is kept is compared with it, or only counts by itself."""
    for (low, high), number in zip(site.ends(site.first_place), kept, strict=True):
        if (shows(np.array([low, high]), np.array([number, number]))).any():
            return ""
    return "nothing that shows is left of that frame"


def sums(site: Site) -> Iterator[Faults]:
    """An accumulator goes on from the last sum of the frame before: this shows unless that was 0."""
    if site.rule is Overflow.SATURATE:
        return
    fixed = site.fixed(site.last_place)
    reason = "the last sums are always 0" if fixed is not None and bool(site.zero(fixed).all()) else ""
    yield from carried(site, "sums are not reset", lambda now, kept: ~site.zero(kept), reason)

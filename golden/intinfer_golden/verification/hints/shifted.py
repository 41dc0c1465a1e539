"""Too early or too late: a beat too many or too few at the start, an image that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from ..dumps import Dump
from .case import SAMPLE, Case, matches, varied

_UNITS = {"C": "pixel", "W": "row", "H": "column", "HW": "channel", "CW": "row", "CH": "column", "CHW": "image"}


def shift(case: Case) -> Iterator[str]:
    """A unit too many or too few at the start: a word, a pixel, a row, an image."""
    for size, name in _units(case).items():
        if len(case.dump.words) < _words(case) and name.startswith("1 image"):
            continue  # an image that is missing, which is said so
        if _right_from(case, size):
            yield f"off by one: the dump is {name} late; from its word {size} on it is right"
        if _right_from(case, -size):
            yield f"off by one: the dump is {name} early; it begins with what word {size} should be"


def _words(case: Case) -> int:
    return case.dump.packing.words(len(case.expected))


def _units(case: Case) -> dict[int, str]:
    """Words of each unit, the smallest first."""
    order, shape, packing = case.tensor.order, case.tensor.file_shape, case.dump.packing
    units = {1: "1 word"}
    for first in range(len(order) - 1, 0, -1):
        words = packing.words(prod(shape[first:]))
        name = _UNITS.get("".join(sorted(order[first:])), f"pass along {order[first]}")
        units.setdefault(words, f"1 {name} of {words} words")
    return units


def _right_from(case: Case, size: int) -> bool:
    """Whether the dump without its first `size` words, or with as many more before it, is right where both are, and
    that is no chance; the first words are tried alone before."""
    words, packing = case.dump.words, case.dump.packing
    start = packing.elements(max(-size, 0))
    for part in (words.head(SAMPLE + abs(size)), words):
        dump = Dump.of(part.from_word(size), packing)
        stop = min(len(dump), len(case.expected))
        if not _right_between(case, dump, start, stop):
            return False
    asked = case.expected[start:stop][case.demanded[start:stop]]
    return 2 * (stop - start) >= len(case.expected) and varied(asked)


def _right_between(case: Case, dump: Dump, start: int, stop: int) -> bool:
    if stop <= start:
        return False
    spare = dump.spare[dump.packing.place(start)[0] : dump.packing.place(stop - 1)[0] + 1]
    return not spare.any() and matches(dump, slice(start, stop), case.expected[start:stop], case.demanded[start:stop])


def missing(case: Case) -> Iterator[str]:
    """One image is not there."""
    count, frame = case.tensor.shape[0], len(case.expected) // case.tensor.shape[0]
    if count < 2 or len(case.dump) != len(case.expected) - frame:
        return
    expected, demanded = case.expected.reshape(count, -1), case.demanded.reshape(count, -1)
    wrong = (case.dump.values.reshape(count - 1, -1) != expected[:-1]) | case.dump.bad.reshape(count - 1, -1)
    different = np.flatnonzero((wrong & demanded[:-1]).any(axis=1))
    gone = int(different[0]) if len(different) else count - 1
    rest, asked = np.delete(expected, gone, axis=0).reshape(-1), np.delete(demanded, gone, axis=0).reshape(-1)
    if varied(rest[asked]) and not case.dump.spare.any() and matches(case.dump, slice(None), rest, asked):
        yield f"images: n={case.numbers[gone]} is missing, all others are right"

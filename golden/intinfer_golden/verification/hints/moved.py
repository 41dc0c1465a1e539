"""Values that stand elsewhere: axes in another order or direction, channels and images exchanged, a beat too many or
too few at the start, an image that is not there, words of another number of elements, the values of another node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import permutations
from math import prod

import numpy as np

from ...describe.tensors import Tensor
from ..dumps import Dump, Words
from ..dumps.dump import elements_in, place_of
from ..sets import check, golden
from .case import SAMPLE, Case, index_of, matches, varied

_USUAL = ("NCHW", "NHWC", "NC")
_AXES = {"N": "images", "C": "channels", "H": "rows", "W": "columns"}
_UNITS = {"C": "pixel", "W": "row", "H": "column", "HW": "channel", "CW": "row", "CH": "column", "CHW": "image"}
MAX_FOLD = 4096
"""Elements a word that are tried."""


def orders(case: Case) -> Iterator[str]:
    """Another order of the axes, packed along its own innermost axis."""
    seen = {_effective(case.tensor)}
    names = ("".join(order) for order in permutations(case.tensor.axes))
    for name in sorted(names, key=lambda name: name not in _USUAL):
        other = replace(case.tensor, order=tuple(name), fold=case.dump.packing.fold)
        if _effective(other) in seen or other.words != len(case.dump.words):
            continue
        seen.add(_effective(other))
        dump = Dump.of(case.dump.words, other) if other.fold > 1 else case.dump
        if not dump.spare.any() and case.explained_by_places(partial(index_of, other), dump):
            ours = "".join(case.tensor.order)
            swapped = name.replace("H", "w").replace("W", "h").upper() == ours
            why = ", H and W are transposed" if swapped else ""
            yield f"order: the dump is in {name} order, the vectors are in {ours}{why}"


def _effective(tensor: Tensor) -> tuple[str, ...]:
    """What decides the order: axes of one entry do not, unless words are packed along them."""
    extents = dict(zip(tensor.axes, tensor.shape, strict=True))
    last = (tensor.order[-1],) if tensor.fold > 1 else ()
    return (*(axis for axis in tensor.order if extents[axis] > 1), *last)


def channels(case: Case) -> Iterator[str]:
    """Channels rotated, or shuffled in groups."""
    count = case.tensor.shape[1]
    every = np.arange(count)
    for by in range(1, count):
        if case.explained_along("C", (every + by) % count):
            yield f"channels: rotated; channel 0 is the dump's channel {by}, {count - 1} is {by - 1}"
    for groups in (groups for groups in range(2, count) if count % groups == 0):
        source = every.reshape(-1, groups).T.reshape(-1)  # out[j*g + i] = in[i*size + j], undone
        if case.explained_along("C", source):
            yield f"channels: the dump's are shuffled in {groups} groups, the vectors' are not"


def directions(case: Case) -> Iterator[str]:
    """One axis from its end to its beginning."""
    for axis, extent in zip(case.tensor.axes, case.tensor.shape, strict=True):
        usual = 2 if axis in "NC" else 1  # two channels are rotated, two images exchanged
        if extent > usual and case.explained_along(axis, np.arange(extent)[::-1]):
            yield f"order: the {_AXES[axis]} are in reverse"


def frames(case: Case) -> Iterator[str]:
    """Two images exchanged."""
    count = case.tensor.shape[0]
    wrong = (case.dump.values != case.expected) | case.dump.bad
    different = np.flatnonzero((wrong & case.demanded).reshape(count, -1).any(axis=1))
    order = np.arange(count)
    order[different] = different[::-1]
    if len(different) == 2 and case.explained_along("N", order):
        one, two = (case.numbers[n] for n in different.tolist())
        yield f"images: n={one} and n={two} are exchanged"


def shift(case: Case) -> Iterator[str]:
    """A unit too many or too few at the start: a word, a pixel, a row, an image."""
    for size, name in _units(case).items():
        if len(case.dump.words) < case.dump.packing.words_of(len(case.expected)) and name.startswith("1 image"):
            continue  # an image that is missing, which is said so
        if _right_from(case, size):
            yield f"off by one: the dump is {name} late; from its word {size} on it is right"
        if _right_from(case, -size):
            yield f"off by one: the dump is {name} early; it begins with what word {size} should be"


def _units(case: Case) -> dict[int, str]:
    """Words of each unit, the smallest first."""
    order, shape, packing = case.tensor.order, case.tensor.file_shape, case.dump.packing
    units = {1: "1 word"}
    for first in range(len(order) - 1, 0, -1):
        words = packing.words_of(prod(shape[first:]))
        name = _UNITS.get("".join(sorted(order[first:])), f"pass along {order[first]}")
        units.setdefault(words, f"1 {name} of {words} words")
    return units


def _right_from(case: Case, size: int) -> bool:
    """Whether the dump without its first `size` words, or with as many more before it, is right where both are, and
    that is no chance; the first words are tried alone before."""
    words, packing = case.dump.words, case.dump.packing
    start = elements_in(packing, max(-size, 0))
    for part in (words.head(SAMPLE + abs(size)), words):
        dump = Dump.of(part.from_word(size), packing)
        both = slice(start, min(len(dump), len(case.expected)))
        if (
            both.stop <= start
            or dump.spare[place_of(packing, start)[0] : place_of(packing, both.stop - 1)[0] + 1].any()
        ):
            return False
        if not matches(dump, both, case.expected[both], case.demanded[both]):
            return False
    return 2 * (both.stop - start) >= len(case.expected) and varied(case.expected[both][case.demanded[both]])


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


def fold(case: Case) -> Iterator[str]:
    """Another number of elements a word; each run in words of its own, or packed on without a gap."""
    tensor, axes = case.tensor, len(case.tensor.axes)
    seen = {(case.dump.packing.fold, case.dump.packing.run)}
    for inner in (1, axes - 1, axes):
        run = replace(tensor, run_axes=inner).run
        for elements in range(1, min(run, MAX_FOLD) + 1):
            packing = replace(tensor, run_axes=inner, fold=elements)
            if run % elements == 0 and run != tensor.run and tensor.run % elements == 0:
                continue  # the gaps are where the vectors have them
            if (elements, run) in seen or packing.words_of(tensor.elements) != _count(case.words, packing):
                continue
            seen.add((elements, run))
            if case.explained(Dump.of(case.words, packing)):
                gap = "" if run == tensor.run else f", with no new word at each pass along {tensor.fold_axis}"
                many = "element" if elements == 1 else "elements"
                yield f"fold: the dump has {elements} {many} a word{gap}; the vectors have {tensor.fold}"
                return


def _count(words: Words, packing: Tensor) -> int | None:
    """How many words there would be; None when bytes are left over."""
    if words.kind != "bytes":
        return len(words)
    count, rest = divmod(len(words), packing.word_bytes)
    return None if rest else count


def node(case: Case) -> Iterator[str]:
    """The values of another node of the set: all of them, or without such a node those that are demanded of one."""
    found = {name: agreed for name in case.vectors.values if (agreed := _agreement(case, name))}
    best = max(found.values(), default=0)
    for name, agreed in found.items():
        if agreed == best:
            yield f"node: {'' if best == 2 else 'where they are demanded, '}these are the values of node {name}"


def _agreement(case: Case, name: str) -> int:
    """2 where the dump is all values of a node, 1 where it is those that are demanded, else 0."""
    entry = case.vectors.values[name]
    if name == case.tensor.node:
        return 0
    elements = entry.tensor.elements // entry.tensor.shape[0] * len(case.numbers)
    for fold_ in sorted({entry.tensor.fold, 1}, reverse=True):
        packing = replace(entry.tensor, fold=fold_)
        if packing.words_of(elements) != _count(case.words, packing):
            continue
        check(case.vectors, entry)
        dump, (expected, asked) = Dump.of(case.words, packing), golden(case.vectors, entry, case.numbers)
        if varied(expected[asked]) and not dump.spare.any() and matches(dump, slice(None), expected, asked):
            return 2 if matches(dump, slice(None), expected, np.ones_like(asked)) else 1
    return 0

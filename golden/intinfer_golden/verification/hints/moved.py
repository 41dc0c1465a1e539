"""Values that stand elsewhere: the axes in another order or direction, channels and images exchanged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import permutations

import numpy as np

from ...describe.tensors import Tensor
from ..dumps import Dump, Packing
from .case import Case, index_of

_USUAL = ("NCHW", "NHWC", "NC")
_AXES = {"N": "images", "C": "channels", "H": "rows", "W": "columns"}


def orders(case: Case) -> Iterator[str]:
    """Another order of the axes, packed along its own innermost axis."""
    seen = {_effective(case.tensor)}
    names = ("".join(order) for order in permutations(case.tensor.axes))
    for name in sorted(names, key=lambda name: name not in _USUAL):
        other = replace(case.tensor, order=tuple(name), fold=case.dump.packing.fold)
        if _effective(other) in seen or other.words != len(case.dump.words):
            continue
        seen.add(_effective(other))
        dump = Dump.of(case.dump.words, Packing.of(other)) if other.fold > 1 else case.dump
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

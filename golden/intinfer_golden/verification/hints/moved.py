"""Values that stand elsewhere: the axes in another order or direction, channels and images exchanged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np

from intinfer.types import IntArray

from ...describe.tensors import Tensor
from ..dumps import Dump, Packing
from .case import Case

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

        def place(coordinates: dict[str, IntArray], other: Tensor = other) -> IntArray:
            axes = tuple(coordinates[axis] for axis in other.order)
            return np.ravel_multi_index(axes, other.file_shape).astype(np.int64)

        if not dump.spare.any() and case.explained_by_places(place, dump):
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
    for by in range(1, count):
        if _explained_by_channels(case, (np.arange(count) + by) % count):
            yield f"channels: rotated; channel 0 is the dump's channel {by}, {count - 1} is {by - 1}"
    for groups in range(2, count):
        if count % groups == 0:
            size = count // groups
            source = np.arange(count).reshape(size, groups).T.reshape(-1)  # out[j*g + i] = in[i*size + j], undone
            if _explained_by_channels(case, source):
                yield f"channels: the dump's are shuffled in {groups} groups, the vectors' are not"


def _explained_by_channels(case: Case, source: IntArray) -> bool:
    """Whether channel c is the dump's channel source[c]."""
    return case.explained_by_places(lambda at: case.index(at | {"C": source[at["C"]]}))


def directions(case: Case) -> Iterator[str]:
    """One axis from its end to its beginning."""
    for axis, extent in zip(case.tensor.axes, case.tensor.shape, strict=True):
        if extent > (2 if axis in "NC" else 1):  # two channels are rotated, two images exchanged
            last = extent - 1

            def place(at: dict[str, IntArray], axis: str = axis, last: int = last) -> IntArray:
                return case.index(at | {axis: last - at[axis]})

            if case.explained_by_places(place):
                yield f"order: the {_AXES[axis]} are in reverse"


def frames(case: Case) -> Iterator[str]:
    """Two images exchanged."""
    count = case.tensor.shape[0]
    wrong = (case.dump.values != case.expected) | case.dump.bad
    different = np.flatnonzero((wrong & case.demanded).reshape(count, -1).any(axis=1))
    if len(different) != 2:
        return
    one, two = (int(n) for n in different)
    order = np.arange(count)
    order[[one, two]] = two, one
    if case.explained_by_places(lambda at: case.index(at | {"N": order[at["N"]]})):
        yield f"images: n={case.numbers[one]} and n={case.numbers[two]} are exchanged"

"""The dump is of something else: words of another number of elements, the values of another node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...describe.tensors import Tensor
from ..dumps import Dump, Words
from ..sets import check, golden
from .case import Case, matches, varied

MAX_FOLD = 4096
"""Elements a word that are tried."""


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

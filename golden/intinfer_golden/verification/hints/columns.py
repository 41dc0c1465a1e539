"""Columns beside the values: an index that is counted up from line to line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...describe.layout import Slot
from ..dumps import Dump, Words
from .case import Case

MIN_LINES = 4
"""Lines of which the first numbers are no index by chance."""


def columns(case: Case) -> Iterator[str]:
    """An index before the values of every line, from 0 or 1 on; told of wrong values as well, as it hides them."""
    numbers = case.words.numbers() if case.words.kind == "numbers" else None
    if numbers is None:
        return
    single = replace(case.tensor, fold=1, slot=Slot())
    for packing in (single, case.tensor):
        lines = len(numbers) - packing.words_of(len(case.expected))
        if lines < MIN_LINES or len(numbers) % lines:
            continue
        table = numbers.view(np.int64).reshape(lines, -1)
        if table[0, 0] in (0, 1) and (np.diff(table[:, 0]) == 1).all():
            values = table.shape[1] - 1
            what = "index,value" if values == 1 else f"an index and {values} values"
            right = case.explained(Dump.of(Words.of_array(table[:, 1:].copy()), packing))
            told = "the values are right, write them alone" if right else "write the values alone"
            yield f"columns: the dump's columns are {what}; {told}"
            return

"""Argmax: the lowest class with the largest number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intinfer.graph import Value
from intinfer.ops import ArgMax
from intinfer.types import LIMIT, IntArray

from ..designs import Change, Mistake, listed
from ..make.coverage import (
    ENDS,
    RESET,
    Axis,
    Bools,
    Covergroup,
    Faults,
    Order,
    Prover,
    Site,
    Values,
    fault,
    rivals,
)
from ..make.stimulus import textures
from ..make.stimulus.pack import Goal, pack
from ..make.stimulus.textures import Draw, Frame
from .base import OpFacts
from .steps import Cell, Operand, Place, Steps


class ArgMaxFacts(OpFacts[ArgMax]):
    """The facts of the index of the largest number."""

    of = ArgMax

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """Class by class, with where the largest number so far stands."""
        elements = [operands[0].element((c, *at[1:])) for c in range(operands[0].shape[0])]
        largest = [max(elements[: c + 1], key=lambda element: element.number) for c in range(len(elements))]
        rows: tuple[dict[str, Cell], ...] = tuple(
            {"c": c, "value": element.number, "largest at": best.at[0]}
            for c, (element, best) in enumerate(zip(elements, largest, strict=True))
        )
        best = largest[-1]
        return Steps("lowest c with the largest value", rows, {"largest": best.number}, best.at[0], (best,))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Each class wins alone, pairs of classes tie, and close calls of an input that frames set."""
        x, classes = self.x, self.x.shape[0]

        def tops(values: Values) -> Bools:
            """Which classes hold the largest number of each pixel."""
            scores = _scores(values[x.name])
            return np.asarray(scores == scores.max(axis=1, keepdims=True))

        def wins(values: Values) -> Bools:
            top = tops(values)
            return np.asarray(top[top.sum(axis=1) == 1].any(axis=0))

        def ties(values: Values) -> Bools:
            top = tops(values)
            return np.array([(top[:, a] & top[:, b] & ~top[:, :a].any(axis=1)).any() for a, b in pairs])

        pairs = [(a, a + 1) for a in range(classes - 1)] + ([(0, classes - 1)] if classes > 2 else [])
        single = x.type.lo == x.type.hi
        win = Covergroup(self.node.name, "winners", "each class wins alone", (Axis("class", classes),), wins)
        if classes == 1:
            return [win]
        win.exclude(single, f"every input is {x.type.lo}: classes always tie")
        words = tuple(f"classes {a} and {b}" for a, b in pairs)
        sentence = "two classes share the top, and the lower one wins"
        tie = Covergroup(self.node.name, "ties", sentence, (Axis("tie", words),), ties)
        later = [i for i, (a, _) in enumerate(pairs) if a > 0 and single]
        tie.exclude(later, f"every input is {x.type.lo}: class 0 always shares the top")
        if x not in self.graph.inputs:
            return [win, tie]
        return [win, tie, rivals.covergroup(self.node, 1, x.type, lambda values: _scores(values[x.name])[None])]

    def faults(self, site: Site) -> Iterator[Faults]:
        """The running maximum begins with 0 at class 0, or with that of the frame before: only a greater one wins."""
        x = self.x
        single = f"{x.name!r} is always {x.type.lo}" if x.type.lo == x.type.hi else ""
        if x.shape[0] < 2:
            return

        def pixel(values: Values, place: int) -> IntArray:
            return values[x.name].reshape(x.shape[0], -1)[:, place]

        def starts(now: Values, number: int) -> bool:
            return bool(pixel(now, 0).max() <= number and pixel(now, 0).argmax() > 0)

        if x.type.lo < 0:
            yield fault(RESET, f"{site.name}: the maximum begins with 0", lambda now, _: starts(now, 0), single)
        if site.free:
            words = f"{site.name}: the maximum begins above the lowest number"
            yield fault(RESET, words, lambda now, _: starts(now, x.type.lo + 1), single)

        def kept(now: Values, before: Values) -> bool:
            first, last = pixel(now, 0), pixel(before, -1)
            return bool(first.max() <= last.max() and first.argmax() != last.argmax())

        for after in ENDS:
            known = site.before[after]
            low = known is not None and pixel(known, -1).max() == x.type.lo
            reason = f"that frame leaves {x.type.lo}, over which every number wins" if low else single
            yield fault(after, f"{site.name}: the maximum is not reset", kept, reason)

    def hidden(self, site: Site, value: Value, order: Order) -> str:
        """Any order of the classes may show."""
        return ""

    def frames(self, rng: np.random.Generator) -> Iterator[Frame]:
        """Each class wins alone, and shares the top with the next one and with the last."""
        x, classes = self.x, self.x.shape[0]
        winners: list[tuple[int, ...]] = [(c,) for c in range(classes)]
        winners += [(c, c + 1) for c in range(classes - 1)] + [(0, classes - 1)]
        shifts = np.array([(0, *place) for place in np.ndindex(*x.shape[1:])], dtype=np.int64)
        indices = np.zeros((classes, len(x.shape)), dtype=np.int64)
        indices[:, 0] = np.arange(classes)
        goals = []
        for top in winners:
            numbers = rng.integers(x.type.lo, max(x.type.hi - 1, x.type.lo), classes, endpoint=True)
            numbers[list(top)] = x.type.hi
            goals.append(Goal(x.name, indices, numbers, shifts))
        goals += [Goal(x.name, indices, numbers, shifts) for numbers in rivals.close_calls(x.type, classes, rng)]
        yield from pack(goals, lambda: textures.noise(self.graph, rng))

    def compose(self, frame: Frame, draw: Draw) -> None:
        """The last class wins at the first pixel, one above the lowest: a maximum that begins higher hides it.

        The other way the first class does, so that classes in another order show.
        """
        x = self.x
        if x.shape[0] == 1 or x.type.lo == x.type.hi:
            return
        first = frame[x.name].reshape(x.shape[0], -1)[:, 0]  # a view
        first[:] = x.type.lo
        first[0 if draw.first else -1] += 1

    def mistakes(self) -> Iterator[Mistake]:
        """Other ties, comparisons, beginnings and countings; classes that are not looked at."""
        count = self.x.shape[0]

        def first(x: IntArray) -> IntArray:
            return np.asarray(np.argmax(x, axis=1, keepdims=True), dtype=np.int64)

        def last(x: IntArray) -> IntArray:
            return count - 1 - first(x[:, ::-1])

        table: dict[str, Change] = {
            "at a tie the last index wins, not the first": last,
            "the index of the smallest is given": lambda x: first(-x),
            "the index of the smallest is given, of ties the last": lambda x: last(-x),
            "the largest absolute value wins": lambda x: first(np.abs(x)),
            "values are compared without sign: negative ones win": lambda x: first(np.where(x < 0, x + LIMIT, x)),
            "the maximum starts at 0: index 0 where no value is above": lambda x: first(np.maximum(x, 0)),
            "the maximum starts at 0, ties go to the last index": lambda x: last(np.maximum(x, 0)),
            "the index is counted from 1": lambda x: first(x) + 1,
            "the index is counted from the end": lambda x: count - 1 - first(x),
        }
        if count > 1:
            table["the first channel is not looked at"] = lambda x: first(x[:, 1:]) + 1
            table["the last channel is not looked at"] = lambda x: first(x[:, :-1])
        return listed(table | {"the largest value is given, not its index": lambda x: x.max(axis=1, keepdims=True)})


def _scores(array: IntArray) -> IntArray:
    """(N, C, ...) as a row of classes for each pixel."""
    return np.moveaxis(array, 1, -1).reshape(-1, array.shape[1])

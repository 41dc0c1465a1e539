"""What convolution and dense share: sums of products in an accumulator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TypeVar

import numpy as np

from intinfer.accumulator import Accumulator, Overflow
from intinfer.graph import Value
from intinfer.ops import Conv2d, Dense
from intinfer.tensor import CellularWeights
from intinfer.types import IntArray

from ..describe.codes import Code
from ..designs import Families, Mistake, history, sums, weights
from ..designs.mac import EXACT, Mac, addresses
from ..make.coverage import Covergroup, Faults, Order, Prover, Site, mac_faults, mac_groups, running, shown
from ..make.coverage.forms import overflows
from ..make.coverage.saturation import Way
from ..make.stimulus import textures
from ..make.stimulus.pack import Goal, pack
from ..make.stimulus.textures import Draw, Frame
from .base import OpFacts
from .steps import Cell, Steps

M = TypeVar("M", Conv2d, Dense)


@dataclass(frozen=True)
class Tap:
    """A product: where its activation and weight stand, and both."""

    where: dict[str, Cell]
    activation: int
    weight: int


class MacFacts(OpFacts[M]):
    """Everything but how an op finds its products."""

    def mistakes(self) -> Iterator[Mistake]:
        """Weights in another place, order or code."""
        return weights.mistakes(Mac.of(self.graph, self.node))

    def families(self) -> Families:
        """Those of the weights, of the accumulator, and an accumulator that goes on from frame to frame."""
        mac = Mac.of(self.graph, self.node)
        running = history.running("the accumulator", partial(mac.run, rule=EXACT), mac.finish)
        return self.mistakes(), sums.mistakes(mac), running

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Bins of the accumulators, then of the inputs, then of what shows of both, last of sums on the way."""
        return [
            *mac_groups.of_sums(self.graph, self.node, prover),
            *mac_groups.of_taps(self.graph, self.node),
            *shown.covergroups(self.graph, self.node),
            *running.covergroups(self.graph, self.node),
        ]

    def faults(self, site: Site) -> Iterator[Faults]:
        """What one frame alone can get wrong in sums, weights and accumulators."""
        return mac_faults.mac(site)

    def hidden(self, site: Site, value: Value, order: Order) -> str:
        """An order that only exchanges equal weights does not show."""
        return "the weights are the same" if mac_faults.same_weights(site, value, order) else ""

    def frames(self, rng: np.random.Generator) -> Iterator[Frame]:
        """One-hot pixels and channels; for a saturating accumulator the greediest way to each end and back."""
        yield from textures.one_hots(self.graph)
        rule = overflows(self.graph, self.node.name)
        if rule is None:
            return
        bits = self.op.accumulator.bits
        for reach in (1, 2 ** (bits // 2), 2 ** (bits - 1)):
            yield textures.sparse(self.graph, rng, reach)
        if rule is Overflow.SATURATE:
            goals = list(_saturating(Mac.of(self.graph, self.node)))
            yield from pack(goals, lambda: textures.noise(self.graph, rng))

    def compose(self, frame: Frame, draw: Draw) -> None:
        """Noise shows what a sum gets wrong."""

    def weights(self, out: int) -> IntArray:
        """The weights of an output channel, (C/groups, KH, KW) or (C,); a cellular automaton's are generated again."""
        weight = self.op.weight
        if isinstance(weight, CellularWeights):
            return np.array([[[2 * row[out] - 1]] for row in _states(weight)])
        return np.asarray(weight.values[out])

    def sum(self, formula: str, taps: Sequence[Tap]) -> Steps:
        """Products in the order in which the accumulator adds them."""
        code, rule = Code.of_encoding(self.op.weight.encoding), self.op.accumulator
        products = [tap.weight * tap.activation for tap in taps]
        rows: list[dict[str, Cell]] = []
        register = 0
        for number, (tap, added) in enumerate(zip(taps, products, strict=True), 1):
            total = register + added
            last = number % (rule.fold or 1) == 0 or number == len(taps)  # of the products that are added exactly
            register = _kept(total, rule) if last else total
            row: dict[str, Cell] = {"tap": number - 1, **tap.where, "activation": tap.activation, "weight": tap.weight}
            note = "" if register == total else f"{rule.overflow}s from {total}"
            rows.append({**row, "code": code.hex(tap.weight), "product": added, "sum": register, "note": note})
        order = f", order {rule.order}, {rule.fold} products an addition" if rule.sequential else ""
        facts: dict[str, Cell] = {
            "products": len(products),
            "products that are not 0": sum(product != 0 for product in products),
            "exact sum": sum(products),
            "accumulator": f"{rule.bits} bits, {rule.overflow}{order}",
        }
        return Steps(formula, tuple(rows), facts, register)


def _states(weight: CellularWeights) -> list[list[int]]:
    """The automaton's rows, the seed first: a new cell is bit 4 * left + 2 * centre + right of the rule's number."""
    rows = [list(weight.seed)]
    while len(rows) < weight.rows:
        cells = rows[-1]
        patterns = [4 * cells[i - 1] + 2 * cells[i] + cells[(i + 1) % len(cells)] for i in range(len(cells))]
        rows.append([weight.rule >> pattern & 1 for pattern in patterns])
    return rows


def _kept(total: int, rule: Accumulator) -> int:
    """What the register holds after an addition."""
    half = 1 << (rule.bits - 1)
    if rule.overflow is Overflow.WRAP:
        return (total + half) % (2 * half) - half
    return min(max(total, -half), half - 1) if rule.overflow is Overflow.SATURATE else total


def _saturating(view: Mac) -> Iterator[Goal]:
    """For each channel, end and border pattern: up until the clip and down again, and past the end inside a fold."""
    reads = addresses(view.window, *view.shape[1:]).reshape(-1, view.weight[0, 0].size)
    for borders in view.border_patterns():
        free = np.flatnonzero(~borders)
        places = [row for row in reads if np.array_equal(np.tile(row < 0, view.weight.shape[1]), borders)]
        for channel, sign in product(range(len(view.weight)), (1, -1)) if len(free) else ():
            way = Way(view, channel, sign, borders)
            indices, shifts = _moved(view, channel, free, places)
            for inputs in filter(None, (way.inputs, way.inside)):
                numbers = np.array([inputs[t] for t in free.tolist()], dtype=np.int64)
                yield Goal(view.x, indices, numbers, shifts)


def _moved(view: Mac, channel: int, taps: IntArray, places: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """What the taps of a channel read at the first place, and how far the other places are away."""
    area, ndim = view.weight[0, 0].size, len(view.node.output.shape)
    rows, columns = np.divmod(np.stack([place[taps % area] for place in places]), view.shape[2])
    indices = np.stack([view.group_of(channel).start + taps // area, rows[0], columns[0]], axis=1)
    shifts = np.stack([np.zeros_like(rows[:, 0]), rows[:, 0] - rows[0, 0], columns[:, 0] - columns[0, 0]], axis=1)
    return indices[:, :ndim], shifts[:, :ndim]

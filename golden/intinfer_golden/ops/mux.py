"""Multiplexer: each channel from one of two branches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from intinfer.graph import Value
from intinfer.ops import Mux, Tgap
from intinfer.types import IntArray

from ..designs import Mistake, listed
from ..make.coverage import ENDS, RESET, Axis, Bools, Covergroup, Faults, Order, Prover, Site, Values, fault
from ..make.coverage.told import ToldApart
from ..make.stimulus import textures
from ..make.stimulus.textures import Draw, Frame
from .base import OpFacts
from .steps import Cell, Operand, Place, Steps, element_row
from .tgap import TgapFacts


class MuxFacts(OpFacts[Mux]):
    """The facts of a multiplexer of two branches."""

    of = Mux

    def explain(self, at: Place, *operands: Operand) -> Steps:
        """The elements of both branches, and which of them the bit takes."""
        bit, branches = operands[0].element(at[:1]), [x.element(at) for x in operands[1:]]
        taken = branches[0 if bit.number == 1 else 1]
        rows: tuple[dict[str, Cell], ...] = tuple(
            {"branch": name, **element_row(branch, taken="yes" if branch is taken else "no")}
            for name, branch in zip(self.op.parts[1:], branches, strict=True)
        )
        return Steps("S ? I1 : I0", rows, {f"S = {bit.value}[c={at[0]}]": bit.number}, taken.number, (bit, taken))

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Each channel is taken both ways while the branches differ; frames with none, all and some selected."""
        (select, one, zero), channels, bits = self.inputs, self.channels, self.x.type

        def both_ways(values: Values) -> Bools:
            differ = (values[one.name] != values[zero.name]).any(axis=(2, 3))
            ways = [differ & (values[select.name] == bit) for bit in (0, 1)]
            return np.stack([way.any(axis=0) for way in ways], axis=1).reshape(-1)

        def mixtures(values: Values) -> Bools:
            taken = values[select.name].sum(axis=1)
            return np.array([(taken == 0).any(), (taken == channels).any(), ((taken > 0) & (taken < channels)).any()])

        sentence = "the channel is taken from each input while the two differ"
        axes = (Axis("channel", channels), Axis("way", ("S = 0", "S = 1")))
        way = Covergroup(self.node.name, "both ways", sentence, axes, both_ways)
        way.exclude(one.name == zero.name, "both inputs are one and the same value")
        never = [bit for bit in (0, 1) if not bits.lo <= bit <= bits.hi]
        way.exclude(np.isin(way.coordinates[:, 1], never), f"{select.name!r} is {bits}")
        way.exclude(not _may_differ(one, zero), f"both inputs are always {one.type.lo}")
        sentence = "one frame with no channel taken from I1, one with all, one with some"
        kinds = Axis("S", ("none", "all", "mixed"))
        mixed = Covergroup(self.node.name, "select bits of a frame", sentence, (kinds,), mixtures)
        fixed = channels == 1 or bits.lo == bits.hi
        mixed.exclude([2] * fixed, f"{channels} channel{'s' * (channels > 1)} of {bits}")
        mixed.exclude(never, f"{select.name!r} is {bits}")
        return [way, mixed, *self._told_apart()]

    def _told_apart(self) -> list[Covergroup]:
        """Selects told apart while the branches differ, where a frame sets all three of them as it likes."""
        (select, one, zero), inputs = self.inputs, {x.name for x in self.graph.inputs}
        source = self.graph.node_by_name.get(select.name)
        tgap = TgapFacts(self.graph, source) if source and isinstance(source.op, Tgap) else None
        read = {one.name, zero.name, select.name if tgap is None else tgap.x.name}
        both = select.type.lo < select.type.hi if tgap is None else bool(tgap.told_apart())
        if self.channels == 1 or len(read) < 3 or not read <= inputs or not both or not _may_differ(one, zero):
            return []

        def see(values: Values, digits: IntArray) -> Bools:
            differ = (values[one.name] != values[zero.name]).any(axis=(2, 3)).all(axis=1)
            as_wanted = (values[select.name][:, None] == digits).all(axis=2)
            return np.asarray((as_wanted & differ[:, None]).any(axis=0))

        def make(digits: IntArray, rng: np.random.Generator) -> Frame:
            frame = {x.name: textures.uniform(x, rng, x.shape) for x in (one, zero)}
            _part(one, zero, frame)
            return frame | ({select.name: digits} if tgap is None else tgap.near(digits, rng))

        return [ToldApart(self.node, self.channels, see, make)]

    def faults(self, site: Site) -> Iterator[Faults]:
        """Each channel from the wrong branch; all from one; as the frame before selected."""
        (select, one, zero), channels = self.inputs, self.channels
        same = "" if _may_differ(one, zero) else "both branches are one and the same"

        def differ(now: Values) -> Bools:
            return np.asarray((now[one.name] != now[zero.name])[0].any(axis=(1, 2)))

        always = [
            f"{select.name!r} is always {bit}" if select.type.lo == select.type.hi == bit else "" for bit in (0, 1)
        ]

        def stuck(now: Values) -> Bools:
            """Whether a select stuck at 0, and at 1, shows in a channel, (2, C)."""
            return np.stack([differ(now) & (now[select.name][0] != bit) for bit in (0, 1)])

        if site.free:
            ways = list(product((0, 1), range(channels)))
            words = tuple(f"{site.name}: select of channel {c} stuck at {bit}" for bit, c in ways)
            yield Faults(
                RESET, words, lambda now, _: stuck(now).reshape(-1), tuple(same or always[bit] for bit, _ in ways)
            )
            words = tuple(f"{site.name}: channel {c} from the other branch" for c in range(channels))
            yield Faults(RESET, words, lambda now, _: differ(now), (same,) * channels)
        else:
            words = tuple(f"{site.name}: select stuck at {bit}" for bit in (0, 1))
            hidden = tuple(same or reason for reason in always)
            yield Faults(RESET, words, lambda now, _: np.asarray(stuck(now).any(axis=1)), hidden)

        def as_before(now: Values, before: Values) -> bool:
            return bool((differ(now) & (now[select.name][0] != before[select.name][0])).any())

        for after in ENDS:
            yield fault(after, f"{site.name}: selected as in the frame before", as_before, same or "".join(always))

    def hidden(self, site: Site, value: Value, order: Order) -> str:
        """The select of equal branches, and a branch that is never selected."""
        select, one, zero = self.inputs
        if value.name == select.name:
            return "" if _may_differ(one, zero) else "both branches are one and the same"
        for branch, other, never in ((one, zero, 0), (zero, one, 1)):
            if value.name == branch.name != other.name and select.type.lo == select.type.hi == never:
                return f"{select.name!r} is always {never}"
        return ""

    def together(self) -> tuple[str, ...]:
        """Both branches where one channel shows but one of them."""
        return tuple(dict.fromkeys(self.node.inputs[1:])) if self.x.shape == (1,) else ()

    def frames(self, rng: np.random.Generator) -> Iterator[Frame]:
        """None, all, every second channel selected, and the others."""
        select, one, zero = self.inputs
        odd = np.arange(self.channels) % 2
        for chosen in (odd * 0, odd * 0 + 1, odd, 1 - odd):
            frame = textures.noise(self.graph, rng)
            if one.name != zero.name:  # types of few numbers: make sure that the branches differ
                frame[one.name][:, 0, 0], frame[zero.name][:, 0, 0] = one.type.hi, zero.type.lo
                frame[one.name][:, -1, -1], frame[zero.name][:, -1, -1] = one.type.lo, zero.type.hi
            frame[select.name] = chosen.clip(select.type.lo, select.type.hi)
            yield frame

    def compose(self, frame: Frame, draw: Draw) -> None:
        """Selects of both kinds, and branches that differ in every channel."""
        select, one, zero = self.inputs
        pattern = draw.pattern(select.shape[0], lambda first: first[select.name])
        frame[select.name] = pattern.clip(select.type.lo, select.type.hi)
        if one.name != zero.name:
            _part(one, zero, frame)

    def mistakes(self) -> Iterator[Mistake]:
        """Selects that are inverted, stuck or another channel's; branches that are joined, added or 0."""
        select, one, zero = self.node.inputs

        def pick(s: IntArray, a: IntArray, b: IntArray) -> IntArray:
            return np.where(s[:, :, None, None] == 1, a, b)

        return listed(
            {
                f"the select is inverted: {one} and {zero} are exchanged": lambda s, a, b: pick(1 - s, a, b),
                f"the select is stuck at 1: always {one}": lambda s, a, b: a,
                f"the select is stuck at 0: always {zero}": lambda s, a, b: b,
                "both branches are joined (OR)": lambda s, a, b: a | b,
                "both branches are added": lambda s, a, b: a + b,
                f"{zero} is not given where {select} is 0: there stands 0": lambda s, a, b: pick(
                    s, a, np.zeros_like(b)
                ),
                f"{one} is not given where {select} is 1: there stands 0": lambda s, a, b: pick(s, 0 * a, b),
                "a branch is given for the whole frame where any channel selects it": lambda s, a, b: pick(
                    np.broadcast_to(s.max(axis=1, keepdims=True), s.shape), a, b
                ),
                f"channel 0 of {select} selects for all channels": lambda s, a, b: pick(
                    np.repeat(s[:, :1], s.shape[1], 1), a, b
                ),
            }
        )


def _may_differ(one: Value, zero: Value) -> bool:
    """Whether the branches of a multiplexer can hold different numbers."""
    return one.name != zero.name and not one.type.lo == one.type.hi == zero.type.lo == zero.type.hi


def _part(one: Value, zero: Value, frame: Frame) -> None:
    """Make the branches of a multiplexer differ in every channel, where they may."""
    equal = (frame[one.name] == frame[zero.name]).all(axis=(1, 2))
    a, b = (one.type.hi, zero.type.lo) if one.type.hi != zero.type.lo else (one.type.lo, zero.type.hi)
    frame[one.name][equal, 0, 0], frame[zero.name][equal, 0, 0] = a, b

"""How wide each accumulator must be: declared, by the type rule, composed over linear chains, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..accumulator import Accumulator, accumulator_bits
from ..graph import GraphLike, graph_of
from ..ops.mac import Accumulating, sum_range
from ..reports.text import table
from ..types import IntType
from . import bounds_of


@dataclass(frozen=True, eq=False)
class AccumulatorWidths:
    """What the accumulator of one conv2d or dense node has to hold.

    Attributes:
        rule: declared.
        products: of one sum.
        type_rule: of the exact sums, by the type rule: the input's elements independent, each anywhere in its type.
        channels: proven range of the exact sums of each channel, linear chains composed.
        partial: the same of the partial sums in the declared order and fold, where these matter.
        fits: proven never to overflow.
    """

    name: str
    op: str
    source: tuple[str, ...]
    rule: Accumulator
    products: int
    type_rule: IntType
    channels: tuple[IntType, ...]
    partial: tuple[IntType, ...]
    fits: bool

    @property
    def needed(self) -> tuple[IntType, ...]:
        """Give what the accumulator of each channel holds at one time or another."""
        if not self.partial:
            return self.channels
        return tuple(a.union(b) for a, b in zip(self.channels, self.partial, strict=True))

    @property
    def bits(self) -> int:
        """The narrowest width proven never to overflow."""
        return max(self.channel_bits)

    @property
    def channel_bits(self) -> tuple[int, ...]:
        """The narrowest width of each channel."""
        return tuple(accumulator_bits(type_) for type_ in self.needed)

    def to_json(self) -> dict[str, Any]:
        """Give the node's entry of `intinfer inspect --accumulators --json`."""
        return {
            "name": self.name,
            "op": self.op,
            "source": list(self.source),
            "declared": self.rule.to_json(),
            "products": self.products,
            "type_rule": _range(self.type_rule),
            "proven": _range(_union(self.channels)),
            "partial_sums": _range(_union(self.partial)) if self.partial else None,
            "bits": self.bits,
            "fits": self.fits,
            "channels": [
                {**_range(type_), "partial_sums": _range(self.partial[c]) if self.partial else None}
                for c, type_ in enumerate(self.channels)
            ],
        }


def accumulator_widths(graph: GraphLike) -> list[AccumulatorWidths]:
    """The widths of every conv2d and dense node, in the order of the graph."""
    graph = graph_of(graph)
    bounds = bounds_of(graph)
    found = []
    for node in graph.nodes:
        if not isinstance(node.op, Accumulating):
            continue
        rule, weights = node.op.accumulator, node.op.rows
        partial = _types(*bounds.partial_sums(node.name, rule)) if rule.sequential else ()
        found.append(
            AccumulatorWidths(
                node.name,
                node.op.kind,
                node.source,
                rule,
                weights.shape[1],
                sum_range(weights, graph.values[node.inputs[0]].type),
                _types(*bounds.sums(node.name)),
                partial,
                bounds.fits(node.name),
            )
        )
    return found


def to_json(widths: Sequence[AccumulatorWidths]) -> dict[str, Any]:
    """The entry of every node, and the bits of one register an output channel."""
    return {"accumulators": [width.to_json() for width in widths], "register_bits": _totals(widths)}


def to_text(widths: Sequence[AccumulatorWidths]) -> str:
    """A table with one character a bit, and the bits of one register an output channel."""
    rows = [
        (
            w.name,
            str(w.rule),
            w.products,
            accumulator_bits(w.type_rule),
            w.bits,
            "" if w.fits else "may overflow",
            str(_union(w.needed)),
            _picture(w),
            _histogram(w.channel_bits),
        )
        for w in widths
    ]
    header = ("node", "declared", "products", "type rule", "proven", "", "proven range", "bits", "channels: bits")
    lines = [
        "type rule: signed bits for the exact sums if the input's elements are independent; proven: with linear chains "
        "composed, and with partial sums where the order matters",
        "bits: # proven to be needed, + more by the type rule, . more declared, ! needed and not declared",
        "",
        table(header, rows),
        "",
        "registers, one an output channel: "
        + ", ".join(f"{name.replace('_', ' ')} {bits:,} bits" for name, bits in _totals(widths).items()),
    ]
    return "\n".join(lines)


def _types(lo: Any, hi: Any) -> tuple[IntType, ...]:
    return tuple(IntType(a, b) for a, b in zip(lo.tolist(), hi.tolist(), strict=True))


def _union(types: Sequence[IntType]) -> IntType:
    return IntType(min(t.lo for t in types), max(t.hi for t in types))


def _range(type_: IntType) -> dict[str, int]:
    return {"lo": type_.lo, "hi": type_.hi, "bits": accumulator_bits(type_)}


def _picture(width: AccumulatorWidths) -> str:
    held, proven, ruled = width.rule.bits, width.bits, accumulator_bits(width.type_rule)
    marks = ["#" if bit < min(proven, held) else "!" if bit < proven else "+" for bit in range(max(proven, ruled))]
    return "".join(marks) + "." * (held - len(marks))


def _histogram(bits: Sequence[int]) -> str:
    """Write a histogram such as "4:9 28:10": 4 channels need 9 bits, 28 need 10."""
    return " ".join(f"{bits.count(width)}:{width}" for width in sorted(set(bits)))


def _totals(widths: Sequence[AccumulatorWidths]) -> dict[str, int]:
    return {
        "declared": sum(w.rule.bits * len(w.channels) for w in widths),
        "type_rule": sum(accumulator_bits(w.type_rule) * len(w.channels) for w in widths),
        "proven_a_node": sum(w.bits * len(w.channels) for w in widths),
        "proven_a_channel": sum(sum(w.channel_bits) for w in widths),
    }

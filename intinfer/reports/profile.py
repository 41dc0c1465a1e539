"""What a network does on real images: how often each multiplexer selects, what skipping saves, which values occur,
and whether narrower accumulators would have held them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..accumulator import Accumulator, signed_bits
from ..engine.session import Session, SkipCounts
from ..graph import GraphLike, graph_of
from ..images.dataset import Pixels
from ..ops.base import Selecting
from ..types import IntType
from .text import table
from .verdict import AccumulatorVerdict, Watch, verdict_text


@dataclass(frozen=True, slots=True)
class MuxProfile:
    """How often one multiplexer selects: the share of (image, channel) pairs with S = 1."""

    name: str
    channels: int
    selected: float


@dataclass(frozen=True, slots=True)
class LayerProfile:
    """What one convolution or dense layer computes: MACs an image, dense and executed with skipping (the mean)."""

    name: str
    macs: int
    executed: float


@dataclass(frozen=True, slots=True)
class RangeProfile:
    """What one node may hold and held: the proven range and the values that occurred."""

    name: str
    proven: IntType
    seen: IntType


@dataclass(frozen=True, slots=True)
class Profile:
    """What some images made a network do, node by node."""

    images: int
    muxes: tuple[MuxProfile, ...]
    layers: tuple[LayerProfile, ...]
    ranges: tuple[RangeProfile, ...]
    accumulators: tuple[AccumulatorVerdict, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, all computed."""
        return sum(layer.macs for layer in self.layers)

    @property
    def executed(self) -> float:
        """Multiply-accumulates of one image with skipping, the mean."""
        return sum(layer.executed for layer in self.layers)

    @property
    def fits(self) -> bool:
        """Tell whether every accumulator judged held what was put into it."""
        return all(verdict.overflow is None for verdict in self.accumulators)

    def to_json(self) -> dict[str, Any]:
        """Give the report as `intinfer profile --json` prints it."""
        ranges = [
            {"name": r.name, "lo": r.proven.lo, "hi": r.proven.hi, "seen_lo": r.seen.lo, "seen_hi": r.seen.hi}
            for r in self.ranges
        ]
        return {
            "images": self.images,
            "macs": self.macs,
            "executed": self.executed,
            "muxes": [asdict(mux) for mux in self.muxes],
            "layers": [asdict(layer) for layer in self.layers],
            "ranges": ranges,
            "accumulators": [verdict.to_json() for verdict in self.accumulators],
            "fits": self.fits,
        }

    def to_text(self) -> str:
        """Give the report as `intinfer profile` prints it."""
        parts = [f"{self.images:,} images"]
        if self.muxes:
            rows = [(mux.name, mux.channels, f"{100 * mux.selected:.1f} %") for mux in self.muxes]
            parts.append(table(("multiplexer", "channels", "S = 1"), rows))
        layers = [(x.name, x.macs, round(x.executed), _percent(x.executed, x.macs)) for x in self.layers]
        layers.append(("total", self.macs, round(self.executed), _percent(self.executed, self.macs)))
        parts.append(table(("layer", "MACs", "executed", "share"), layers))
        ranges = []
        for r in self.ranges:
            bits_seen = signed_bits(r.seen) if r.proven.signed else r.seen.bits
            ranges.append((r.name, str(r.proven), str(r.seen), str(r.proven.bits), str(bits_seen)))
        parts.append(table(("node", "proven", "seen", "bits", "bits seen"), ranges))
        if self.accumulators:
            parts.append(verdict_text(self.accumulators))
        return "\n\n".join(parts)


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def profile(
    graph: GraphLike, batches: Iterable[Pixels], rule: Accumulator | None = None, names: Sequence[str] = ()
) -> Profile:
    """Run images twice: with skipping, to count what is computed; and every value of them, to see the ranges.

    Args:
        graph: a network with one input.
        batches: integer arrays (N, *shape); each is held with all its values in memory.
        rule: the accumulator to judge in every conv2d and dense node, on the values that the network as it is gives
            to it; each node's own when None.
        names: of the images, to quote in an overflow.
    """
    graph = graph_of(graph)
    watch = Watch(graph, rule, names)
    skipping, full = Session(graph), Session(graph, every_value=True)
    counts = SkipCounts()
    selects = {node.name: node.inputs[0] for node in graph.nodes if isinstance(node.op, Selecting)}
    ones = dict.fromkeys(selects, 0)
    low: dict[str, int] = {}
    high: dict[str, int] = {}
    for batch in filter(len, batches):
        skipping.run(batch, counts=counts)
        traced = full.run(batch)
        watch.add(traced)
        for name, select in selects.items():
            ones[name] += int(traced[select].sum())
        for name, values in traced.items():
            low[name] = min(low.get(name, int(values.min())), int(values.min()))
            high[name] = max(high.get(name, int(values.max())), int(values.max()))
    images = max(counts.images, 1)
    muxes, layers = [], []
    for node in graph.nodes:
        channels = node.output.shape[0]
        if node.name in ones:
            muxes.append(MuxProfile(node.name, channels, ones[node.name] / (channels * images)))
        macs = node.op.cost(graph.operands(node), node.output).macs
        if macs:
            share = counts.channels.get(node.name, 0) / (channels * images)
            layers.append(LayerProfile(node.name, macs, macs * share))
    ranges = [RangeProfile(name, graph.values[name].type, IntType(low[name], high[name])) for name in low]
    return Profile(counts.images, tuple(muxes), tuple(layers), tuple(ranges), watch.verdicts())

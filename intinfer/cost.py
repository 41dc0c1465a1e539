"""What a network costs on one image: MACs, BOPs, weight bits, activation memory, a layer and in total.

`LayerCost` and `CostReport` say nothing of a `Graph`, so that a float-side description fills them as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .graph import Graph, GraphLike, Value, graph_of, unread_after
from .reports.text import Cell, shape_text, table

RULES = (
    "MACs: multiply-accumulates of convolutions and dense layers on one image; padded taps and generated weights count",
    "weights: stored convolution and dense weights; no biases, thresholds or batch norm; generated weights not counted",
    "params (--json): the same number; the papers of MDGNet and MOGNET count these weights as their parameters",
    "weight bits: weights x bits of their code (binary 1, ternary 2, intK K)",
    "activation bits: elements of the layer's output x bits of their range",
    "BOPs: MACs x weight width x input width",
)
PEAK_RULE = (
    "peak activation bits: the most that is alive at one step when every output is stored until its last reader is "
    "done, sums before a threshold included"
)

COUNTS = ("macs", "weights", "weight_bits", "activation_bits", "bops")


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What one layer costs. Shapes are (C, H, W) or (C,); the counts follow RULES."""

    name: str
    op: str
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    macs: int = 0
    weights: int = 0
    weight_bits: int = 0
    activation_bits: int = 0
    bops: int = 0


@dataclass(frozen=True, slots=True)
class PaperTotal:
    """One number, counted as a network's paper counts it: `value` exactly, shown as value / unit with 3 decimals."""

    key: str
    label: str
    value: int
    unit: int

    def line(self) -> str:
        """`label: value / unit`."""
        return f"{self.label}: {self.value / self.unit:,.3f}"


@dataclass(frozen=True, slots=True)
class PaperTotals:
    """Totals by the rules of a network's own paper; `rules` says them, one line each."""

    paper: str
    totals: tuple[PaperTotal, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CostReport:
    """Layers in order.

    `peak_activation_bits` is None where the producer does not know what lives when; `paper` is None where no paper
    has rules of its own.
    """

    layers: tuple[LayerCost, ...]
    peak_activation_bits: int | None = None
    paper: PaperTotals | None = None

    def total(self, count: str) -> int:
        """The sum over the layers of one of COUNTS."""
        return sum(getattr(layer, count) for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all nodes, on one image."""
        return self.total("macs")

    @property
    def weights(self) -> int:
        """Stored weights of all nodes."""
        return self.total("weights")

    def to_json(self) -> dict[str, Any]:
        """Totals at the top, the same keys in `layers`; `params` is `weights` under the name that papers give it."""
        document: dict[str, Any] = {count: self.total(count) for count in COUNTS} | {"params": self.weights}
        document["peak_activation_bits"] = self.peak_activation_bits
        if self.paper is not None:
            document["paper"] = {"name": self.paper.paper} | {total.key: total.value for total in self.paper.totals}
        document["layers"] = [asdict(layer) | {"params": layer.weights} for layer in self.layers]
        return document

    def to_text(self) -> str:
        """The table, the totals and the rules they follow."""
        rows: list[Sequence[Cell]] = [
            (
                layer.name,
                layer.op,
                " ".join(shape_text(shape) for shape in layer.inputs),
                shape_text(layer.output),
                *(getattr(layer, count) for count in COUNTS),
            )
            for layer in self.layers
        ]
        rows.append(("total", "", "", "", *(self.total(count) for count in COUNTS)))
        header = ("layer", "op", "in", "out", "MACs", "weights", "weight bits", "activation bits", "BOPs")
        lines = [table(header, rows)]
        rules: tuple[str, ...] = RULES
        if self.peak_activation_bits is not None:
            lines.append(f"peak activation memory: {self.peak_activation_bits:,} bits")
            rules = (*RULES, PEAK_RULE)
        lines += ["", *rules]
        if self.paper is not None:
            lines += ["", f"as {self.paper.paper} counts:", *(total.line() for total in self.paper.totals)]
            lines += self.paper.rules
        return "\n".join(lines)


def graph_cost(graph: GraphLike) -> CostReport:
    """The cost of an integer graph, one row a node."""
    graph = graph_of(graph)
    layers: list[LayerCost] = []
    for node in graph.nodes:
        inputs = graph.operands(node)
        shapes = tuple(value.shape for value in inputs)
        counts = asdict(node.op.cost(inputs, node.output)) | {"activation_bits": _bits(node.output)}
        layers.append(LayerCost(node.name, node.op.kind, shapes, node.output.shape, **counts))
    return CostReport(tuple(layers), max(_live_bits(graph)))


def _bits(value: Value) -> int:
    return value.size * value.type.bits


def _live_bits(graph: Graph) -> Iterator[int]:
    """Bits alive before the first node and while each node runs; inputs live from the start, outputs to the end."""
    live = {value.name: _bits(value) for value in graph.inputs}
    yield sum(live.values())
    outputs = {output.value for output in graph.outputs}
    unread = unread_after([(node.inputs, node.name) for node in graph.nodes], outputs)
    for node, dropped in zip(graph.nodes, unread, strict=True):
        live[node.name] = _bits(node.output)
        yield sum(live.values())
        for name in dropped:
            del live[name]

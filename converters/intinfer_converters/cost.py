"""The cost of a network by its structure alone: torch's meta device, no weight is drawn or read.

Where a model file knows its weights, the structure only knows their code, so the width of a raw sum is that of its
worst case (every weight at full magnitude): the BOPs of layers that read raw sums are upper bounds here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from intinfer.cost import CostReport, LayerCost
from intinfer.types import IntType

from .floatnet import (
    AveragePool,
    BitshiftMean,
    Concatenate,
    Conv,
    Dense,
    FlattenMap,
    FloatNet,
    FloatNode,
    FloatOp,
    GlobalAverage,
    MaximumPool,
    Multiplex,
    Pixels,
    Pointwise,
    Quantise,
    QuantisedWeight,
    SelectChannels,
    Sum,
    ThresholdedMean,
)
from .nets import NETS, net_arguments
from .paper_cost import PAPERS
from .read_torch import read_module

KINDS: dict[type[FloatOp], str] = {
    Conv: "conv2d",
    Dense: "dense",
    Pointwise: "pointwise",
    Quantise: "threshold",
    BitshiftMean: "bitshift",
    ThresholdedMean: "tgap",
    Multiplex: "mux",
    Sum: "add",
    Concatenate: "concat",
    SelectChannels: "channel_select",
    MaximumPool: "max_pool",
    AveragePool: "sum_pool",
    GlobalAverage: "sum_pool",
    FlattenMap: "flatten",
}


def net_cost(net: str) -> CostReport:
    """The cost of `net` (`mognet:n=128,g=4,k=3`) on one image, one row a layer, and its paper's own totals.

    Raises NetArgumentError when `net` names no network.
    """
    name, arguments = net_arguments(net)
    with torch.device("meta"):
        module: Any = NETS[name].builder(arguments)
    report = structure_cost(read_module(module.eval(), module.input_shape))
    return replace(report, paper=PAPERS[name](arguments, report)) if name in PAPERS else report


def structure_cost(net: FloatNet) -> CostReport:
    """One row a node; what waits for a quantiser (batch norm) costs nothing of its own."""
    ranges: dict[str, IntType] = {}
    shapes = {node.name: node.shape for node in net.nodes}
    rows = []
    for node in net.nodes:
        inputs = [ranges[name] for name in node.inputs]
        ranges[node.name] = _worst_range(node, inputs, [shapes[name] for name in node.inputs])
        if isinstance(node.op, Pixels | Pointwise):
            continue
        rows.append(_row(node, inputs, ranges[node.name], tuple(shapes[name] for name in node.inputs)))
    return CostReport(tuple(rows))


def _row(node: FloatNode, inputs: list[IntType], result: IntType, shapes: tuple[tuple[int, ...], ...]) -> LayerCost:
    size = 1
    for extent in node.shape:
        size *= extent
    macs = weights = weight_bits = bops = 0
    if isinstance(node.op, Conv | Dense):
        weight = _weight(node.op)
        taps = _taps(node.op)
        macs = taps * size
        weights = 0 if weight.generated else taps * weight.shape[0]
        weight_bits = weights * weight.encoding.bits
        bops = macs * weight.encoding.bits * inputs[0].bits
    return LayerCost(
        name=node.name,
        op=KINDS[type(node.op)],
        inputs=shapes,
        output=node.shape,
        macs=macs,
        weights=weights,
        weight_bits=weight_bits,
        params=weights,
        activation_bits=size * result.bits,
        bops=bops,
    )


def _weight(op: Conv | Dense) -> QuantisedWeight:
    assert isinstance(op.weight, QuantisedWeight), "networks of ours have no other weights"
    return op.weight


def _taps(op: Conv | Dense) -> int:
    taps = 1
    for extent in op.weight.shape[1:]:
        taps *= extent
    return taps


def _worst_range(node: FloatNode, inputs: list[IntType], shapes: list[tuple[int, ...]]) -> IntType:
    """The integers a node may hold when nothing is known of its weights but their code."""
    op = node.op
    if isinstance(op, Pixels):
        return IntType(op.lo, op.hi)
    if isinstance(op, Quantise):
        assert op.base is not None
        assert op.count is not None
        return IntType(op.base, op.base + op.step * op.count)
    if isinstance(op, ThresholdedMean):
        return IntType(0, 1)
    if isinstance(op, Conv | Dense):
        encoding = _weight(op).encoding
        widest = max(abs(inputs[0].lo), abs(inputs[0].hi)) * max(-encoding.lo, encoding.hi)
        return IntType(-_taps(op) * widest, _taps(op) * widest)
    if isinstance(op, AveragePool | GlobalAverage):
        area = op.kernel if isinstance(op, AveragePool) else shapes[0][1:]
        count = area[0] * area[1]
        return IntType(count * inputs[0].lo, count * inputs[0].hi)
    if isinstance(op, Sum):
        return IntType(sum(x.lo for x in inputs), sum(x.hi for x in inputs))
    union = inputs[-1]
    for x in inputs[1:] if isinstance(op, Multiplex) else inputs:
        union = union.union(x)
    return union

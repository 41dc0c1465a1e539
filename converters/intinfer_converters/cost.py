"""The cost of a network of ours by its structure alone: one forward on torch's meta device, no weight drawn or read.

Where a model file knows its weights, the structure only knows their code, so the width of a raw sum is that of its
worst case (every weight at full magnitude): the BOPs of layers that read raw sums are upper bounds here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from intinfer.cost import CostReport, LayerCost
from intinfer.types import IntType

from .nets import NETS, net_arguments
from .nets.base import Layer
from .nets.layers import Convolution
from .paper_cost import PAPERS

PIXELS = IntType(0, 255)
TORCH_LAYERS: dict[type[nn.Module], str] = {nn.BatchNorm2d: "", nn.MaxPool2d: "max_pool", nn.Flatten: "flatten"}
"""torch's own layers in our networks and the integer op of each: all give what they get, "" waits for a quantiser."""


def net_cost(net: str) -> CostReport:
    """The cost of `net` (`mognet:n=128,g=4,k=3`) on one image, one row a layer, and its paper's own totals.

    Raises NetArgumentError when `net` names no network.
    """
    name, arguments = net_arguments(net)
    with torch.device("meta"):
        module: Any = NETS[name].builder(arguments).eval()
        walk = _Walk()
        layers: dict[str, nn.Module] = dict(module.named_modules())
        for path, layer in layers.items():
            if isinstance(layer, (Layer, *TORCH_LAYERS)):
                layer.register_forward_hook(walk.hook(path))
        pixels = torch.empty(1, *module.input_shape)
        walk.know(pixels, PIXELS)
        with torch.no_grad():
            module(pixels)
    report = CostReport(tuple(walk.rows))
    return replace(report, paper=PAPERS[name](arguments, report)) if name in PAPERS else report


@dataclass
class _Walk:
    """What each tensor of a forward pass may hold, and a row a layer."""

    rows: list[LayerCost] = field(default_factory=list)
    known: dict[int, tuple[torch.Tensor, IntType]] = field(default_factory=dict)
    """By id; the tensor is kept, so that its id stays its own."""

    def know(self, tensor: torch.Tensor, integers: IntType) -> None:
        self.known[id(tensor)] = (tensor, integers)

    def hook(self, path: str) -> Any:
        def visit(layer: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            integers = [self.known[id(x)][1] for x in inputs]
            shapes = tuple(tuple(x.shape[1:]) for x in inputs)
            ours = isinstance(layer, Layer)
            result = layer.integers(shapes[0], *integers) if ours else integers[0]
            self.know(output, result)
            kind = layer.kind if ours else TORCH_LAYERS[type(layer)]
            if kind:
                row = LayerCost(name=path, op=kind, inputs=shapes, output=tuple(output.shape[1:]))
                self.rows.append(_counted(row, layer, integers[0], result))

        return visit


def _counted(row: LayerCost, layer: Any, read: IntType, result: IntType) -> LayerCost:
    size = math.prod(row.output)
    row = replace(row, activation_bits=size * result.bits)
    if not isinstance(layer, Convolution):
        return row
    macs = layer.taps * size
    weights = 0 if layer.generated else layer.taps * layer.out_channels
    return replace(
        row,
        macs=macs,
        weights=weights,
        weight_bits=weights * layer.code.bits,
        params=weights,
        bops=macs * layer.code.bits * read.bits,
    )

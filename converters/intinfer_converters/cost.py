"""The cost of a network of ours by its structure alone: one forward on torch's meta device, no weight drawn or read.

Where a model file knows its weights, the structure only knows their code, so the width of a raw sum is that of its
worst case (every weight at full magnitude): the BOPs of layers that read raw sums are upper bounds here.

The totals as a network's own paper counts them follow from its arguments and its cost report. Add a network: a function
here, a line in PAPERS.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from torch import nn

from intinfer.cost import CostReport, LayerCost, PaperTotal, PaperTotals
from intinfer.types import IntType

from .nets import NETS, net_arguments
from .nets.base import Layer
from .nets.layers import Convolution
from .nets.ops import layers_as_ops

PIXELS = IntType(0, 255)
TORCH_LAYERS: dict[type[nn.Module], str] = {nn.BatchNorm2d: "", nn.MaxPool2d: "max_pool", nn.Flatten: "flatten"}
"""torch's own layers in our networks and the integer op of each: all give what they get, "" waits for a quantiser."""


def net_cost(net: str) -> CostReport:
    """The cost of `net` (`mognet:n=128,g=4,k=3`) on one image, one row a layer, and its paper's own totals.

    Raises NetArgumentError when `net` names no network.
    """
    name, arguments = net_arguments(net)
    with torch.device("meta"):
        report = CostReport(tuple(_rows(NETS[name].builder(arguments).eval())))
    return replace(report, paper=PAPERS[name](arguments, report)) if name in PAPERS else report


def _rows(module: Any) -> list[LayerCost]:
    """A row a layer, by what each tensor of a forward pass may hold."""
    rows: list[LayerCost] = []
    pixels = torch.empty(1, *module.input_shape)
    known: dict[torch.Tensor, IntType] = {pixels: PIXELS}
    paths: dict[Any, str] = {
        layer: path for path, layer in module.named_modules() if isinstance(layer, (Layer, *TORCH_LAYERS))
    }

    def visit(layer: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        integers = [known[x] for x in inputs]
        shapes, shape = tuple(tuple(x.shape[1:]) for x in inputs), tuple(output.shape[1:])
        ours = isinstance(layer, Layer)
        known[output] = layer.integers(shapes[0], *integers) if ours else integers[0]
        kind = layer.kind if ours else TORCH_LAYERS[type(layer)]
        counts = _counts(layer, integers[0], math.prod(shape)) if isinstance(layer, Convolution) else {}
        if kind:
            bits = math.prod(shape) * known[output].bits
            rows.append(LayerCost(paths[layer], kind, shapes, shape, activation_bits=bits, **counts))

    for layer in paths:
        layer.register_forward_hook(visit)
    with torch.no_grad(), layers_as_ops(module):
        module(pixels)
    return rows


def _counts(layer: Convolution, read: IntType, size: int) -> dict[str, int]:
    """What a convolution that reads such integers and gives `size` elements costs."""
    macs, weights = layer.taps * size, 0 if layer.generated else layer.taps * layer.out_channels
    bits = layer.code.bits
    return {"macs": macs, "weights": weights, "weight_bits": weights * bits, "bops": macs * bits * read.bits}


MEGABYTE, GIGA = 8 * 10**6, 10**9


def mdgnet(arguments: Any, report: CostReport) -> PaperTotals:
    """Sizes and bit operations of MDGNet (GRETSI 2023), Tables 2 and 3.

    The paper's columns for ternary weights do not follow from a rule it states in full; this is the rule that its text
    gives, taken literally.
    """
    convolutions = [layer for layer in report.layers if layer.op == "conv2d"]
    elements = {layer.name: _mdgnet_elements(layer, arguments) for layer in convolutions}
    norms = sum(elements[layer.name] for layer in convolutions if layer.name == "conv1" or _role(layer) in _NORMALISED)

    def bops(weight_bits: int, width: Callable[[LayerCost], int], norm: int) -> int:
        products = sum(elements[c.name] * (c.weights // c.output[0]) * weight_bits * width(c) for c in convolutions)
        return round(products + norms * norm)

    def float_width(layer: LayerCost) -> int:
        return 8 if layer.name == "conv1" else 32

    def level_width(layer: LayerCost) -> int:
        if layer.name == "conv1":
            return 8
        return 16 if _role(layer) in ("gc1", "cls.dw") else arguments.k

    totals = (
        PaperTotal("float32_weight_bits", "MB float32 (1e6)", 32 * report.weights, MEGABYTE),
        PaperTotal("ternary_weight_bits", "MB ternary (1e6)", 2 * report.weights, MEGABYTE),
        PaperTotal("bops_float32", "BOPs float32 (1e9)", bops(32, float_width, 32 * 32), GIGA),
        PaperTotal("bops_ternary_a32", "BOPs W-ter A-32b (1e9)", bops(2, float_width, 32 * 16), GIGA),
        PaperTotal("bops_ternary_ak", f"BOPs W-ter A-{arguments.k}b (1e9)", bops(2, level_width, 32 * 16), GIGA),
    )
    return PaperTotals("MDGNet (GRETSI 2023)", totals, _MDGNET_RULES)


_NORMALISED = ("dw", "gc1", "gc2")
_MDGNET_RULES = (
    "MB float32: weights x 32 bits; MB ternary: weights x 2 bits; 1 MB = 1e6 bytes",
    "maps: H/2^i x W/2^i after i strides of 2, not rounded up as the network's are where a size is odd",
    "BN: elements of the outputs of conv1 and every DW, GC1 and GC2; the classifier has none",
    "BOPs float32: MACs x 32 x (8 for conv1, else 32) + BN x 32 x 32",
    "BOPs W-ter A-32b: MACs x 2 x (8 for conv1, else 32) + BN x 32 x 16",
    "BOPs W-ter A-kb: MACs x 2 x (8 for conv1; 16 for GC1 and the classifier's DW, which read raw sums; else k) "
    "+ BN x 32 x 16",
    "the paper does not state its rule for ternary weights in full: its cells differ from this one's, which is not "
    "tuned to them",
)


def _role(layer: LayerCost) -> str:
    """'pw', 'gc1', 'gc2', 'dw'; the classifier's are 'cls.pw', 'cls.dw'."""
    return layer.name if layer.name.startswith("cls.") else layer.name.rpartition(".")[2]


def _mdgnet_elements(layer: LayerCost, arguments: Any) -> Fraction:
    """Elements of a convolution's output, on maps that are not rounded up."""
    block, _, rest = layer.name.partition(".")
    if layer.name == "conv1":
        strides = 0
    elif layer.name == "cls.dw":
        return Fraction(layer.output[0])
    elif block == "cls":
        strides = arguments.levels + 1
    else:
        strides = 0 if block == "gcm0" else int(block[1:])
        in_stride = block == "gcm0" or rest.startswith("r.")
        strides += in_stride and not rest.endswith("pw")
    return Fraction(layer.output[0] * arguments.height * arguments.width, 4**strides)


PAPERS: dict[str, Callable[[Any, CostReport], PaperTotals]] = {"mdgnet": mdgnet}
"""Network name -> its paper's totals."""

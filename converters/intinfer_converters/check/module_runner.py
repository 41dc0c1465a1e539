"""A module of our layers as a source: its exported graph, held against what the module itself gives."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from intinfer.errors import DataError

from ..float_error import Norm
from ..preprocess import Preprocess
from ..read_aten import Program
from .aten_runner import AtenRunner

Array = npt.NDArray[Any]


class ModuleRunner(AtenRunner):
    """The graph of `read_aten.export_layers` with every layer's tensor.

    The module itself, a copy in float32 with quantised weights and activations, runs beside it: a graph that gives
    another result than the module is found.

    Args:
        module: the network; it is copied.
        program: its exported graph.
        threads: torch's while it runs.

    Attributes:
        norms: the batch norms by their float nodes.
    """

    def __init__(self, module: nn.Module, program: Program, threads: int = 1) -> None:
        super().__init__(program, pixels=Preprocess(), threads=threads)
        self.module = copy.deepcopy(module).cpu().float().eval()
        layer: Any
        for layer in self.module.modules():
            if hasattr(layer, "quantised"):
                layer.quantised = True
        nodes = {node.name for node in self.reading.net.nodes}
        layers = dict(self.module.named_modules())
        self.norms = {
            name: _norm(layer) for name, layer in layers.items() if isinstance(layer, nn.BatchNorm2d) and name in nodes
        }

    def _run(self, batch: torch.Tensor) -> dict[str, Array]:
        tensors = super()._run(batch)
        # NNPACK's convolutions transform their inputs (Winograd): their sums are no sums of products.
        with torch.no_grad(), torch.backends.nnpack.flags(enabled=False):
            result = self.module(batch).numpy()
        (output,) = self.reading.net.outputs
        if not np.array_equal(result, tensors[output]):
            raise DataError(f"{type(self.module).__name__}: its result differs from its exported graph's")
        return tensors


def _norm(layer: nn.BatchNorm2d) -> Norm:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    mean, variance = (tensor.numpy().astype(np.float64) for tensor in (layer.running_mean, layer.running_var))
    factor, shift = np.ones_like(mean), np.zeros_like(mean)
    if layer.affine:
        factor, shift = (tensor.detach().numpy().astype(np.float64) for tensor in (layer.weight, layer.bias))
    return Norm(mean, variance, factor, shift, layer.eps)

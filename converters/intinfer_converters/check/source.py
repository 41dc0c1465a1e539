"""The source network run in its own framework: every layer's own input and output, in float32.

The module itself runs, with forward hooks on its layers. What stands between the layers (a mean, a concatenation) is
then replayed from the hooked values along the torch.fx trace; each layer must have received exactly what the trace
says it receives, and the result must be the module's, so a trace that is not what the module does is found.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from intinfer.errors import DataError
from intinfer.graph import Shape
from intinfer.types import IntArray

from ..evaluator import FloatArray
from ..read_torch import read_module
from ..read_torch.layers import READERS
from .bounds import Norm
from .float_runner import own_reading

Call = tuple[tuple[Any, ...], dict[str, Any], torch.Tensor]


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in READERS or super().is_leaf_module(m, module_qualified_name)


class TorchRunner:
    """A torch module of `nets.layers` as a source: every float node is a tensor of its own, called alike.

    Args:
        module: the network; it is copied.
        input_shape: (C, H, W).
        threads: torch's while it runs.

    Raises:
        DataError: the module cannot be read.
    """

    def __init__(self, module: nn.Module, input_shape: Shape, threads: int = 1) -> None:
        net = read_module(module, input_shape)
        self.reading = own_reading(net)
        self.source = Source(module, [node.name for node in net.nodes], threads)
        layers = {name: layer for name, layer in self.source.layers.items() if isinstance(layer, nn.BatchNorm2d)}
        self.norms = {name: _norm(layer) for name, layer in layers.items() if name in self.reading.tensors}

    def run(self, pixels: IntArray) -> dict[str, FloatArray]:
        """Every float node's tensor, and the outputs. Raises DataError when the module is not its trace."""
        tensors, result = self.source.run(pixels)
        return {**tensors, **dict.fromkeys(self.reading.net.outputs, result)}


def _norm(layer: nn.BatchNorm2d) -> Norm:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    mean, variance = (tensor.numpy().astype(np.float64) for tensor in (layer.running_mean, layer.running_var))
    factor, shift = np.ones_like(mean), np.zeros_like(mean)
    if layer.affine:
        factor, shift = (tensor.detach().numpy().astype(np.float64) for tensor in (layer.weight, layer.bias))
    return Norm(mean, variance, factor, shift, layer.eps)


class Source:
    """A copy of `module` in evaluation mode, float32, on the CPU, with quantised weights and activations.

    Args:
        module: the network.
        names: of its float net's nodes, in order: the steps of the same trace.
        threads: torch's while it runs.
    """

    def __init__(self, module: nn.Module, names: Sequence[str], threads: int = 1) -> None:
        self.threads = threads
        self.module = copy.deepcopy(module).cpu().float().eval()
        self.layers = dict(self.module.named_modules())
        for layer in self.layers.values():
            if hasattr(layer, "quantised"):
                layer.quantised = True
        self._trace = fx.GraphModule(self.module, _Tracer().trace(self.module))
        steps = [node.name for node in self._trace.graph.nodes if node.op != "output"]
        self._names = dict(zip(steps, names, strict=True))
        self._called = [str(node.target) for node in self._trace.graph.nodes if node.op == "call_module"]

    def run(self, images: IntArray) -> tuple[dict[str, FloatArray], FloatArray]:
        """Every tensor by its name in the float net, and the module's result.

        Args:
            images: (N, C, H, W) of pixels.

        Raises:
            DataError: the module does something else than its trace.
        """
        seen: dict[str, Call] = {}

        def recorder(path: str) -> Any:
            def record(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: torch.Tensor) -> None:
                seen[path] = (args, kwargs, output)

            return record

        hooks = [self.layers[path].register_forward_hook(recorder(path), with_kwargs=True) for path in self._called]
        pixels = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            # NNPACK's convolutions transform their inputs (Winograd): their sums are no sums of products.
            with torch.no_grad(), torch.backends.nnpack.flags(enabled=False):
                result = self.module(pixels)
                replay = _Replay(self._trace, seen)
                replayed = replay.run(pixels)
        finally:
            torch.set_num_threads(threads)
            for hook in hooks:
                hook.remove()
        if not torch.equal(replayed, result):
            raise DataError(f"{type(self.module).__name__}: its result differs from its torch.fx trace's")
        return {name: replay.tensors[step].numpy() for step, name in self._names.items()}, result.numpy()


class _Replay(fx.Interpreter):
    """Walks the trace; a layer's result is the one that was recorded."""

    def __init__(self, trace: fx.GraphModule, seen: dict[str, Call]) -> None:
        super().__init__(trace)
        self.extra_traceback = False  # errors keep their one line
        self.seen = seen
        self.tensors: dict[str, torch.Tensor] = {}

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        if target not in self.seen:
            raise DataError(f"{target}: the module does not call it, its torch.fx trace does")
        received, named, output = self.seen[target]
        same = len(received) == len(args) and all(map(_equal, received, args))
        if not same or named.keys() != kwargs.keys() or not all(_equal(named[key], kwargs[key]) for key in kwargs):
            raise DataError(f"{target}: it receives something else than its torch.fx trace says")
        return output

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, torch.Tensor):
            self.tensors[n.name] = result
        return result


def _equal(a: Any, b: Any) -> bool:
    return a is b or (isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and torch.equal(a, b))

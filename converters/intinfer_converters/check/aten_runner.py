"""A network of torch.export, run by torch itself: its graph, op by op, with every tensor kept.

Of a module of our layers the graph is held against what the module itself gives.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from intinfer.errors import DataError
from intinfer.files.foreign import reason as first_line
from intinfer.types import IntArray

from ..float_error import Norm
from ..preprocess import Preprocess
from ..read_aten.arrangement import SAME
from ..read_aten.nodes import Node, Ref
from ..read_aten.program import Program
from ..read_aten.reader import input_shape, only_input, read_graph
from ..read_aten.schema import overload_of, packet_of
from ..read_aten.tables import IGNORED, SCALAR_OPS
from ..symbolic import Reading
from .runner import feed

OPEN_BATCH = 32
"""Images at a time where the graph takes any number."""
Array = npt.NDArray[Any]


class AtenRunner:
    """A `Runner` of an exported graph.

    Ops in place write in place and views share memory, as in torch: in graphs that have such, every result is copied
    as soon as it is computed. The reader has refused what would write into a parameter. Only ops that the reader has
    accepted are ever called.

    Args:
        program: the graph, of `read_program` or `export_program`.
        pixels: how integers become its float input.
        shapes: input -> its shape, where the graph leaves axes open.
        threads: torch's while it runs.

    Attributes:
        reading: the float net that the graph is read as.

    Raises:
        DataError: nodes of the graph are not supported; all of them are listed.
    """

    def __init__(
        self,
        program: Program,
        *,
        pixels: Preprocess,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        threads: int = 1,
    ) -> None:
        self.threads = threads
        self.reading: Reading = read_graph(program, pixels=pixels, shapes=shapes)
        self._input = only_input(program)
        self._shape = input_shape(self._input, shapes or {})[1:]
        self._outputs = program.outputs
        ready = [_Step(node) for node in program.nodes if node.target.rpartition(".")[0] not in IGNORED]
        self._constants: dict[str, Any] = {name: tensor for name, (_, tensor) in program.constants.items()}
        self._steps = self._folded(ready)

    def _folded(self, steps: list[_Step]) -> list[_Step]:
        """The steps that depend on the input; the others are done once, unless one of them writes in place."""
        computed = {self._input.name}
        for step in steps:
            if computed.intersection(step.reads):
                computed.update(step.names)
        fixed = [step for step in steps if not computed.intersection(step.names)]
        if any(step.writes and not computed.intersection(step.reads[:1]) for step in steps):
            return steps
        with torch.no_grad():
            for step in fixed:
                step.run(self._constants)
        return [step for step in steps if computed.intersection(step.names)]

    def run(self, pixels: IntArray) -> dict[str, Array]:
        """Every tensor of the source that the reading names, and the outputs, batch axis first.

        Args:
            pixels: (N, *shape of the float net's input). A graph exported for B images gets B at a time, the last
                image repeated where there are fewer.

        Raises:
            DataError: torch cannot run the graph.
        """
        flat = feed(self.reading, self._input.name, pixels)
        values = torch.from_numpy(np.ascontiguousarray(flat)).to(self._input.dtype).reshape(-1, *self._shape)
        size = self._input.shape[0]
        parts: dict[str, list[Array]] = {}
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            # NNPACK's convolutions transform their inputs (Winograd): their sums are no sums of products.
            with torch.no_grad(), torch.backends.nnpack.flags(enabled=False):
                for chunk in torch.split(values, size or OPEN_BATCH):
                    missing = size - len(chunk) if size else 0
                    whole = torch.cat([chunk, chunk[-1:].expand(missing, *self._shape)])
                    for name, array in self._run(whole).items():
                        parts.setdefault(name, []).append(array[: len(chunk)])
        finally:
            torch.set_num_threads(threads)
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}

    def _run(self, batch: torch.Tensor) -> dict[str, Array]:
        wanted = {*self.reading.tensors, *self._outputs}
        writes = any(step.writes for step in self._steps)
        kept = {self._input.name: batch.numpy().copy() if writes else batch.numpy()}
        values = {**self._constants, self._input.name: batch}
        for step in self._steps:
            try:
                step.run(values)
            except Exception as error:  # torch raises anything
                raise DataError(f"{step.node.name} ({step.node.target}): torch fails: {first_line(error)}") from None
            for name in wanted.intersection(step.names):
                array = values[name].numpy()
                kept[name] = array.copy() if writes else array
        return kept


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


class _Step:
    """A node with its op.

    Attributes:
        reads, names: the values it reads, in order, and those it computes.
        writes: whether it writes its first argument.
    """

    def __init__(self, node: Node) -> None:
        self.node, self.scalar = node, node.target in SCALAR_OPS
        self.op: Any = SCALAR_OPS[node.target] if self.scalar else overload_of(node.target)
        self.reads, self.names = tuple(node.reads), tuple(node.results)
        in_place = not self.scalar and node.target.split(".")[1].endswith("_")
        self.writes = in_place and packet_of(node.target) not in SAME

    def run(self, values: dict[str, Any]) -> None:
        """Compute the node's results into `values`."""
        positional = [_filled(value, values) for key, value in self.node.arguments if not key]
        named = {key: _filled(value, values) for key, value in self.node.arguments if key}
        result = self.op(*positional, *named.values()) if self.scalar else self.op(*positional, **named)
        results = [result] if len(self.node.outputs) == 1 else list(result)
        for output, value in zip(self.node.outputs, results, strict=False):
            pairs = (
                [(output, value)]
                if isinstance(output, str)
                else zip(output or (), value if output else (), strict=True)
            )
            values.update(pairs)


def _filled(argument: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(argument, Ref):
        return values[argument.name]
    return [_filled(item, values) for item in argument] if isinstance(argument, list) else argument

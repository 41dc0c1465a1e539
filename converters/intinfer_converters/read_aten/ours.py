"""Networks of `nets.layers`: exported with a layer as one op, and read under the layers' own names."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from intinfer.errors import DataError
from intinfer.graph import Shape
from intinfer.tensor import CellularWeights, IntTensor, Weights

from ..evaluator import Chain
from ..floatnet import (
    BitshiftMean,
    Concatenate,
    Conv,
    FlattenMap,
    FloatOp,
    GlobalAverage,
    Multiplex,
    Pointwise,
    Quantise,
    QuantisedWeight,
    SelectChannels,
    ThresholdedMean,
)
from ..floatnet.layers import binary_weights, ternary_weights
from ..lowered import unused
from ..nets.base import LogitScale
from ..nets.layers import TernaryConv2d
from ..nets.ops import CALLS, NAMESPACE, layers_as_ops
from ..primitives import Clip, Greater, Mul, Rint
from ..symbolic import Symbolic
from . import layers
from .nodes import Node, Ref
from .program import OPEN_BATCH, Program, exported
from .schema import mapped
from .scope import Arguments, Handler, Scope

INPUT, OUTPUT = "image", "logits"
"""Names of the input and the output of our networks."""
LAYERS = (*CALLS, nn.MaxPool2d)
RULE = 30


def is_ours(module: nn.Module) -> bool:
    """Whether every layer of the module is one of `LAYERS`."""
    leaves = [layer for layer in module.modules() if type(layer) in LAYERS or not any(layer.children())]
    return bool(leaves) and all(type(layer) in LAYERS for layer in leaves)


def export_layers(module: nn.Module, input_shape: Shape) -> Program:
    """The exported graph, of any batch, of a module of our layers, whose nodes are called after its layers.

    Args:
        module: it is copied, and exported in float32, in evaluation mode.
        input_shape: (C, H, W).

    Raises:
        DataError: a parameter is not finite or out of its range; torch cannot export the module.
    """
    own = copy.deepcopy(module).cpu().float().eval()
    _check_parameters(own)
    example = torch.zeros(OPEN_BATCH, *input_shape)
    with layers_as_ops(own):
        return _named(exported(own, example, batch=torch.export.Dim("batch")))


def _check_parameters(module: nn.Module) -> None:
    for key, tensor in module.state_dict().items():
        values = tensor.reshape(-1)
        odd = torch.nonzero(~torch.isfinite(values))
        if len(odd):
            raise DataError(
                f"{key}: element {int(odd[0])} is {values[odd[0]].item()}; a network with NaN or infinite parameters "
                "has no integer meaning, train it again or restore an earlier checkpoint"
            )
    for path, layer in module.named_modules():
        if isinstance(layer, TernaryConv2d):
            _positive(f"{path}.step", layer.step, "the BTQ step")
        elif isinstance(layer, LogitScale):
            _positive(f"{path}.factor", layer.factor.reshape(-1), "the logit scale")
        elif isinstance(layer, nn.BatchNorm2d):
            _check_statistics(path, layer)
        elif isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) != (1, -1):
            raise DataError(f"{path}: Flatten({layer.start_dim}, {layer.end_dim}) is not supported; use Flatten(1, -1)")


def _positive(key: str, number: torch.Tensor, what: str) -> None:
    if number.numel() != 1 or number.item() <= 0:
        raise DataError(f"{key} is {number.tolist()}; {what} is one positive number")


def _check_statistics(path: str, layer: nn.BatchNorm2d) -> None:
    if layer.running_mean is None or layer.running_var is None:
        raise DataError(f"{path}: batch norm without running statistics cannot be converted")
    if layer.running_var.min() < 0:
        raise DataError(f"{path}.running_var: variance {layer.running_var.min()} is negative")


def _named(program: Program) -> Program:
    """The program with the layers' names: nodes are called after their layer, or their op in the module around it."""
    if len(program.outputs) != 1:
        raise DataError(f"the network gives {len(program.outputs)} tensors; one is supported")
    renamed = {program.inputs[0].name: INPUT, program.outputs[0]: OUTPUT}
    used: set[str] = set()

    def renamed_ref(item: Any) -> Any:
        return Ref(renamed.get(item.name, item.name)) if isinstance(item, Ref) else item

    nodes = []
    for node in program.nodes:
        layer = unused(_layer_name(node), used)
        node = _channel_concat(node)
        arguments = tuple((key, mapped(value, renamed_ref)) for key, value in node.arguments)
        outputs = tuple(renamed.get(name, name) if isinstance(name, str) else name for name in node.outputs)
        nodes.append(replace(node, arguments=arguments, outputs=outputs, layer=layer))
    given = replace(program.inputs[0], name=INPUT)
    return replace(program, nodes=tuple(nodes), inputs=(given,), outputs=(OUTPUT,))


def _channel_concat(node: Node) -> Node:
    """torch.cat along the channels as the op of a layer: the same map twice stays two inputs."""
    values = [value for _, value in node.arguments]
    if node.target != "aten.cat.default" or len(values) != 2 or values[1] not in (1, -3):
        return node
    return replace(node, target=f"{NAMESPACE}.concat.default", arguments=(("maps", values[0]),))


def _layer_name(node: Node) -> str:
    """'s1.r.act' of a layer; 's1.r.cat' of an op in the forward of the module `s1.r`."""
    namespace, name = node.target.split(".")[:2]
    if namespace == NAMESPACE or name == "max_pool2d":
        return node.path
    return f"{node.path}.{name}" if node.path else name


# ---- the ops of `nets.ops`


def _emitted(scope: Scope, op: FloatOp, *inputs: Symbolic) -> Symbolic:
    """The layer as a node of its own, whatever waits in its inputs."""
    node = scope.net.emit(op, *(scope.net.realised(x) for x in inputs))
    return scope.net.made(node, (1, *scope.net.value_shape(node)), np.dtype(np.float32))


def _convolution(scope: Scope, a: Arguments, weights: Weights) -> Symbolic:
    down, across = a.get("stride", (1, 1))
    top, left, bottom, right = a.get("pads", (0, 0, 0, 0))
    op = Conv(QuantisedWeight(weights), (down, across), (top, left, bottom, right), (1, 1), a.get("groups", 1))
    return _emitted(scope, op, a["x"])


def _ternary(scope: Scope, a: Arguments) -> Symbolic:
    weights = ternary_weights(scope.array(a["weight"]), scope.array(a["step"]).reshape(()))
    return _convolution(scope, a, IntTensor(weights, "ternary"))


def _binary(scope: Scope, a: Arguments) -> Symbolic:
    return _convolution(scope, a, IntTensor(binary_weights(scope.array(a["weight"])), "binary"))


def _rule30(scope: Scope, a: Arguments) -> Symbolic:
    return _convolution(scope, a, CellularWeights.of(RULE, scope.array(a["seed"]).tolist(), a["x"].shape[1]))


def _batch_norm(scope: Scope, a: Arguments) -> Symbolic:
    """As a node of its own, so that `check` knows which batch norm it is."""
    return scope.net.without_chain(layers.batch_norm(scope, a))


def _qrelu(scope: Scope, a: Arguments) -> Symbolic:
    """rint(clip(x, 0, 1) * N); for one bit [x > 0]."""
    top = 2 ** a["bits"] - 1
    chain: Chain = (Greater(np.zeros(1, dtype=np.float32)),)
    if top > 1:
        chain = (Clip(np.array([0, 1], dtype=np.float32)), Mul(np.array([top], dtype=np.float32)), Rint())
    return _emitted(scope, Quantise(chain, base=0, step=1, count=top), a["x"])


def _scale(scope: Scope, a: Arguments) -> Symbolic:
    return _emitted(scope, Pointwise((Mul(scope.array(a["factor"]).reshape(-1)),)), a["x"])


_HANDLERS: dict[str, Handler] = {
    "ternary_conv2d": _ternary,
    "binary_conv2d": _binary,
    "rule30_conv2d": _rule30,
    "batch_norm": _batch_norm,
    "qrelu": _qrelu,
    "bitshift": lambda scope, a: _emitted(scope, BitshiftMean(a["bits"]), a["a"], a["b"]),
    "tgap": lambda scope, a: _emitted(scope, ThresholdedMean(2 ** a["bits"] - 1), a["x"]),
    "mux": lambda scope, a: _emitted(scope, Multiplex(), a["select"], a["one"], a["zero"]),
    "select_channels": lambda scope, a: _emitted(scope, SelectChannels(tuple(a["indices"])), a["x"]),
    "concat": lambda scope, a: _emitted(scope, Concatenate(), *a["maps"]),
    "flatten": lambda scope, a: _emitted(scope, FlattenMap(), a["x"]),
    "global_mean": lambda scope, a: _emitted(scope, GlobalAverage(), a["x"]),
    "scale": _scale,
}
HANDLERS: dict[str, Handler] = {f"{NAMESPACE}.{name}": handler for name, handler in _HANDLERS.items()}
"""Op of `nets.ops` -> what reads it."""

"""One torch.fx trace with the quantisation-aware layers as leaves gives the `FloatNet`."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from intinfer.errors import DataError
from intinfer.graph import ImageInput, Shape

from ..floatnet import Concatenate, FloatNet, FloatNetBuilder, GlobalAverage, Pixels
from .layers import READERS

INPUT = "image"
OUTPUT = "logits"


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in READERS or super().is_leaf_module(m, module_qualified_name)


def is_ours(module: nn.Module) -> bool:
    """Whether every layer of the module is one that `read_module` knows."""
    layers = [layer for layer in module.modules() if type(layer) in READERS or not any(layer.children())]
    return bool(layers) and all(type(layer) in READERS for layer in layers)


def read_module(module: nn.Module, input_shape: Shape) -> FloatNet:
    """The float net of a module whose input is raw pixels 0..255, (C, H, W), as float.

    Node names are module paths, so that they equal the state_dict's.

    Raises:
        DataError: a parameter is not finite, the module cannot be traced, or parts of it are not supported; all
            unsupported parts are listed.
    """
    try:
        trace = _Tracer().trace(module)
    except Exception as error:  # the user's own forward runs under torch.fx: anything may come out of it
        raise DataError(f"torch.fx cannot trace {type(module).__name__}: {error}") from None
    modules = dict(module.named_modules())
    builder = FloatNetBuilder(np.float32)
    names: dict[str, str] = {}
    unsupported: list[str] = []
    outputs: dict[str, str] = {}
    for node in trace.nodes:
        inputs = [names.get(arg.name) for arg in _operands(node, modules)]
        if node.op == "output":
            if inputs and inputs[0] is not None:
                outputs[OUTPUT] = inputs[0]
        elif node.op == "placeholder":
            names[node.name] = builder.add(INPUT, Pixels(input_shape, 0, 255), source=(node.name,))
        elif None in inputs:
            continue  # behind something unsupported, which is reported already
        elif node.op == "call_module" and type(modules[str(node.target)]) in READERS:
            path = str(node.target)
            op = READERS[type(modules[path])](modules[path], path)
            names[node.name] = builder.add(path, op, *(str(i) for i in inputs))
        elif _is_global_mean(node):
            names[node.name] = builder.add(node.name, GlobalAverage(), *(str(i) for i in inputs))
        elif _is_channel_concat(node):
            name = _unused(_owner_path(node) + "cat", names.values())
            names[node.name] = builder.add(name, Concatenate(), *(str(i) for i in inputs))
        else:
            unsupported.append(_describe(node, modules))
    if unsupported:
        supported = ", ".join(sorted(layer.__name__ for layer in READERS))
        raise DataError(
            f"not supported: {'; '.join(unsupported)}. Supported: {supported}, cat of channels, mean over H and W"
        )
    mode = {3: "RGB", 1: "L"}.get(input_shape[0])
    return builder.finish(outputs, ImageInput(mode) if mode else None)


def _operands(node: fx.Node, modules: dict[str, nn.Module]) -> list[fx.Node]:
    """The nodes a node reads, repeated ones too; of a module call in the order of its forward's parameters."""
    values: list[Any] = [*node.args, *node.kwargs.values()]
    if node.op == "call_module":
        try:
            bound = inspect.signature(modules[str(node.target)].forward).bind(*node.args, **node.kwargs)
        except TypeError as error:  # a leaf is not run by the trace, so a wrong call of it shows here first
            raise DataError(f"{node.target} ({type(modules[str(node.target)]).__name__}): {error}") from None
        values = list(bound.arguments.values())
    operands: list[fx.Node] = []
    fx.node.map_arg(values, operands.append)
    return operands


def _is_channel_concat(node: fx.Node) -> bool:
    """torch.cat((a, b, ...), 1) of tensors with a batch axis; axis 1 is -3 in a map."""
    if node.op != "call_function" or node.target not in (torch.cat, torch.concat, torch.concatenate):
        return False
    axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    return axis in (1, -3)


def _owner_path(node: fx.Node) -> str:
    """'s1.r.' of a function called in the forward of the module `s1.r`; '' at the top."""
    stack = node.meta.get("nn_module_stack") or {}
    return "".join(f"{path}." for path in list(stack)[-1:] if path)


def _unused(name: str, taken: Iterable[str]) -> str:
    """`name`, or name2, name3 ... when a node has it."""
    used, candidate, number = set(taken), name, 2
    while candidate in used:
        candidate, number = f"{name}{number}", number + 1
    return candidate


def _is_global_mean(node: fx.Node) -> bool:
    """x.mean((2, 3)) or torch.mean(x, (2, 3)), the batch axis being 0."""
    if (node.op, node.target) not in (("call_method", "mean"), ("call_function", torch.mean)):
        return False
    axes: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    keep = node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)
    return axes is not None and sorted(a % 4 for a in axes) == [2, 3] and not keep


def _describe(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    if node.op == "call_module":
        return f"{node.target} ({type(modules[str(node.target)]).__name__})"
    if node.target is operator.getitem:
        return f"{node.name} (indexing)"
    return f"{node.name} ({node.op} {getattr(node.target, '__name__', node.target)})"
